//! The start of a slice header (H.264 7.3.3): which picture the slice belongs to, and its place in output order.

use super::pps::Pps;
use super::{NalType, PictureOrderType, Sps};
use crate::codec::bit_reader::{BitReader, without_emulation_prevention};

/// The fields of a slice header up to the picture order count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SliceHeader {
    /// `nal_ref_idc` is not zero: other pictures may be predicted from this one.
    pub reference: bool,
    /// The slice belongs to an IDR picture.
    pub idr: bool,
    /// `first_mb_in_slice`; 0 in the first slice of a picture.
    pub first_macroblock: u32,
    /// `slice_type` modulo 5: 0 is P, 1 B, 2 I, 3 SP, 4 SI.
    pub slice_type: u32,
    /// `pic_parameter_set_id`.
    pub parameter_set: u32,
    /// `colour_plane_id` of a stream with separate color planes; else 0.
    pub color_plane: u8,
    /// `frame_num`.
    pub frame_num: FrameNum,
    /// Which field the picture is; `None` for a frame.
    pub field: Option<Field>,
    /// `idr_pic_id`, for IDR pictures.
    pub idr_id: Option<u32>,
    /// `pic_order_cnt_lsb`, if the picture order count is explicit.
    pub order_lsb: Option<u32>,
    /// `delta_pic_order_cnt_bottom` if the picture order count is explicit, else `delta_pic_order_cnt[0]`; 0 if absent.
    pub order_delta: i32,
    /// `delta_pic_order_cnt[1]`; 0 if absent.
    pub second_order_delta: i32,
    /// `redundant_pic_cnt` is not zero: the slice repeats a part of the picture, for decoders that lost that part.
    pub redundant: bool,
}

/// Which lines of a frame a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a frame has two fields")]
pub enum Field {
    /// The first, third, ... line.
    Top,
    /// The second, fourth, ... line.
    Bottom,
}

/// `frame_num` of a picture, with what is needed to compare it (H.264 7.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameNum {
    value: u32,
    bits: u8,
    gaps_allowed: bool,
}

impl FrameNum {
    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.value
    }

    /// Returns whether a reference picture is missing between the last reference picture, which has the number `last`,
    /// and this picture.
    ///
    /// A repeated number is not a gap, since some encoders do not count correctly. Numbers that the stream may leave out
    /// (`gaps_in_frame_num_value_allowed_flag`) are not a gap either. After memory management control operation 5, which
    /// resets the count and is not followed here, a reference seems to be missing.
    #[must_use]
    pub const fn is_gap_after(self, last: u32) -> bool {
        let next = last.wrapping_add(1) & ((1 << self.bits) - 1);
        !self.gaps_allowed && self.value != next && self.value != last
    }
}

/// Bytes of a slice that contain the fields read here: seven Exp-Golomb codes of at most 63 bits and 36 other bits, with room
/// for emulation prevention.
pub(super) const HEADER_BYTES: usize = 90;

impl SliceHeader {
    pub(super) fn parse(unit: &[u8], sps: &Sps, pps: &Pps) -> Option<Self> {
        let rbsp = Rbsp::of_slice(unit)?;
        let mut bits = BitReader::new(&rbsp.bytes);
        let first_macroblock = bits.ue()?;
        let slice_type = bits.ue()? % 5;
        let parameter_set = bits.ue()?;
        let color_plane = if sps.separate_planes { u8::try_from(bits.bits(2)?).unwrap_or_default() } else { 0 };
        let value = bits.bits(sps.frame_num_bits.into())?;
        let frame_num = FrameNum { value, bits: sps.frame_num_bits, gaps_allowed: sps.frame_num_gaps };
        let field = if !sps.frames_only && bits.flag()? {
            Some(if bits.flag()? { Field::Bottom } else { Field::Top })
        } else {
            None
        };
        let idr = rbsp.kind == NalType::IDR;
        let idr_id = if idr { Some(bits.ue()?) } else { None };
        let (mut order_lsb, mut order_delta, mut second_order_delta) = (None, 0, 0);
        match sps.picture_order {
            PictureOrderType::Explicit { bits: count } => {
                order_lsb = Some(bits.bits(count.into())?);
                if pps.bottom_order && field.is_none() {
                    order_delta = bits.se()?;
                }
            }
            PictureOrderType::Cycle { always_zero: false, .. } => {
                order_delta = bits.se()?;
                if pps.bottom_order && field.is_none() {
                    second_order_delta = bits.se()?;
                }
            }
            PictureOrderType::Cycle { .. } | PictureOrderType::DecodingOrder => {}
        }
        let redundant = pps.redundant_pictures && bits.ue()? > 0;
        let reference = rbsp.reference;
        let header = Self {
            reference,
            idr,
            first_macroblock,
            slice_type,
            parameter_set,
            color_plane,
            frame_num,
            field,
            idr_id,
            order_lsb,
            order_delta,
            second_order_delta,
            redundant,
        };
        Some(header)
    }

    /// Reads the number of the picture parameter set that a slice refers to.
    pub(super) fn parameter_set_of(unit: &[u8]) -> Option<u8> {
        let rbsp = Rbsp::of_slice(unit)?;
        let mut bits = BitReader::new(&rbsp.bytes);
        bits.ue()?; // first_mb_in_slice
        bits.ue()?; // slice_type
        u8::try_from(bits.ue()?).ok()
    }

    /// Returns whether the slice is intra-coded: an I or SI slice.
    #[must_use]
    pub const fn is_intra(&self) -> bool {
        matches!(self.slice_type, 2 | 4)
    }

    /// Returns whether this slice belongs to another picture than the slice `previous` (7.4.1.2.4).
    ///
    /// Two IDR pictures in a row with the same `idr_pic_id`, which some encoders write against the standard, look like one
    /// picture here: they differ only in that macroblocks repeat.
    #[must_use]
    pub fn begins_picture(&self, previous: &Self) -> bool {
        self.frame_num != previous.frame_num
            || self.parameter_set != previous.parameter_set
            || self.field != previous.field
            || self.reference != previous.reference
            || self.idr != previous.idr
            || self.idr_id != previous.idr_id
            || self.order_lsb != previous.order_lsb
            || self.order_delta != previous.order_delta
            || self.second_order_delta != previous.second_order_delta
    }

    /// Returns whether this picture is the second field of the frame that the field `first` began.
    #[must_use]
    pub fn completes_frame(&self, first: &Self) -> bool {
        let opposite = matches!((first.field, self.field), (Some(one), Some(other)) if one != other);
        // The second field of an IDR picture may be a non-IDR P field (7.4.1.2.4), but never the other way round. A reference field
        // behind a non-reference field begins the next frame, which has the same number: the other field was lost.
        let may_follow = (!self.idr || first.idr) && (!self.reference || first.reference);
        opposite && self.frame_num == first.frame_num && may_follow
    }
}

/// Returns whether a slice is the first one of its picture; `None` if the NAL unit is not a slice or is cut.
///
/// Needs no parameter sets. With arbitrary slice order (Baseline profile only) the first slice may come later.
#[must_use]
pub fn starts_picture(unit: &[u8]) -> Option<bool> {
    let rbsp = Rbsp::of_slice(unit)?;
    BitReader::new(&rbsp.bytes).ue().map(|first_macroblock| first_macroblock == 0)
}

/// The start of a slice without emulation prevention.
struct Rbsp {
    kind: NalType,
    reference: bool,
    bytes: Vec<u8>,
}

impl Rbsp {
    /// `None` if the NAL unit has no slice header. Slice data partitions B and C (types 3 and 4) have none.
    fn of_slice(unit: &[u8]) -> Option<Self> {
        let kind =
            NalType::of(unit).filter(|kind| matches!(*kind, NalType::SLICE | NalType::PARTITION_A | NalType::IDR))?;
        let reference = unit.first()? & 0x60 != 0; // nal_ref_idc
        let body = unit.get(1..)?;
        let bytes = without_emulation_prevention(body.get(..HEADER_BYTES).unwrap_or(body));
        Some(Self { kind, reference, bytes })
    }
}

/// Builds a slice header for tests.
#[cfg(test)]
pub(super) fn test_slice(order_lsb: Option<u32>, idr: bool, reference: bool, value: u32) -> SliceHeader {
    SliceHeader {
        reference,
        idr,
        first_macroblock: 0,
        slice_type: 2,
        parameter_set: 0,
        color_plane: 0,
        frame_num: FrameNum { value, bits: 4, gaps_allowed: false },
        field: None,
        idr_id: idr.then_some(0),
        order_lsb,
        order_delta: 0,
        second_order_delta: 0,
        redundant: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_num_has_a_gap_unless_it_follows_repeats_or_wraps() {
        let frame_num = |value, gaps_allowed| FrameNum { value, bits: 4, gaps_allowed };
        for (last, value, gap) in
            [(4, 5, false), (4, 4, false), (15, 0, false), (4, 6, true), (4, 3, true), (15, 1, true)]
        {
            assert_eq!(frame_num(value, false).is_gap_after(last), gap, "{value} after {last}");
            assert!(!frame_num(value, true).is_gap_after(last));
        }
    }
}
