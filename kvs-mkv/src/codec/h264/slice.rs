//! The beginning of a slice header (H.264 7.3.3): which picture it belongs to and when that is shown.

use super::{NalType, PictureOrderType, Sps};
use crate::codec::bit_reader::{BitReader, without_emulation_prevention};

/// The fields of a slice header up to the picture order count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SliceHeader {
    /// `nal_ref_idc` is not zero: other pictures may be predicted from it.
    pub reference: bool,
    /// The slice belongs to an IDR picture.
    pub idr: bool,
    /// `first_mb_in_slice`; 0 begins a picture.
    pub first_macroblock: u32,
    /// `slice_type` modulo 5: 0 P, 1 B, 2 I, 3 SP, 4 SI.
    pub slice_type: u32,
    /// `pic_parameter_set_id`.
    pub parameter_set: u32,
    /// `frame_num`.
    pub frame_num: u32,
    /// Whether the picture is a field, and which.
    pub field: Option<Field>,
    /// `idr_pic_id`, for IDR pictures.
    pub idr_id: Option<u32>,
    /// `pic_order_cnt_lsb`, where the stream has it.
    pub order_lsb: Option<u32>,
}

/// Which half of the lines a picture has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a frame has two fields")]
pub enum Field {
    /// The first, third, ... line.
    Top,
    /// The others.
    Bottom,
}

/// Bytes of a slice that hold the fields read here, with room for emulation prevention.
const HEADER_BYTES: usize = 40;

impl SliceHeader {
    /// Reads the header of a slice NAL unit; `None` if it is none or ends early.
    #[must_use]
    pub fn parse(unit: &[u8], sps: &Sps) -> Option<Self> {
        let kind =
            NalType::of(unit).filter(|kind| matches!(*kind, NalType::SLICE | NalType::PARTITION_A | NalType::IDR))?;
        let reference = unit.first()? & 0x60 != 0;
        let head = unit.get(1..)?;
        let bytes = without_emulation_prevention(head.get(..HEADER_BYTES).unwrap_or(head));
        let mut bits = BitReader::new(&bytes);
        let first_macroblock = bits.ue()?;
        let slice_type = bits.ue()? % 5;
        let parameter_set = bits.ue()?;
        if sps.separate_planes {
            bits.skip(2)?;
        }
        let frame_num = bits.bits(sps.frame_num_bits.into())?;
        let field = if !sps.frames_only && bits.flag()? {
            Some(if bits.flag()? { Field::Bottom } else { Field::Top })
        } else {
            None
        };
        let idr = kind == NalType::IDR;
        let idr_id = if idr { Some(bits.ue()?) } else { None };
        let order_lsb = match sps.picture_order {
            PictureOrderType::Explicit { bits: count } => Some(bits.bits(count.into())?),
            PictureOrderType::Cycle { .. } | PictureOrderType::DecodingOrder => None,
        };
        Some(Self { reference, idr, first_macroblock, slice_type, parameter_set, frame_num, field, idr_id, order_lsb })
    }

    /// Whether this slice begins another picture than the one `previous` belongs to (7.4.1.2.4).
    #[must_use]
    pub fn begins_picture(&self, previous: &Self) -> bool {
        self.frame_num != previous.frame_num
            || self.parameter_set != previous.parameter_set
            || self.field != previous.field
            || self.reference != previous.reference
            || self.idr != previous.idr
            || self.idr_id != previous.idr_id
            || self.order_lsb != previous.order_lsb
    }

    /// Whether this picture is the second field of the frame whose first field `first` began.
    #[must_use]
    pub fn completes_frame(&self, first: &Self) -> bool {
        let opposite = matches!((first.field, self.field), (Some(one), Some(other)) if one != other);
        opposite && self.frame_num == first.frame_num && (!self.idr || first.idr)
    }
}

/// Follows the picture order count over a stream, so that pictures in decoding order can be put in order of showing.
///
/// Streams that code it by a cycle (`pic_order_cnt_type` 1, hardly used) are taken as shown in decoding order.
#[derive(Clone, Debug, Default)]
pub struct PictureOrder {
    /// Most significant part and lowest bits of the last reference picture (8.2.1.1).
    previous: (i64, i64),
    decoded: i64,
}

impl PictureOrder {
    /// At the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The count of the picture that begins with this slice: larger is shown later, as long as no IDR lies between.
    pub fn next(&mut self, slice: &SliceHeader, sps: &Sps) -> i64 {
        if slice.idr {
            *self = Self::default();
        }
        let (PictureOrderType::Explicit { bits }, Some(lsb)) = (sps.picture_order, slice.order_lsb) else {
            self.decoded = self.decoded.saturating_add(2);
            return self.decoded;
        };
        let (span, lsb) = (1i64 << bits.min(16), i64::from(lsb));
        let (msb, previous) = self.previous;
        let msb = if lsb < previous && previous - lsb >= span / 2 {
            msb.saturating_add(span)
        } else if lsb > previous && lsb - previous > span / 2 {
            msb.saturating_sub(span)
        } else {
            msb
        };
        if slice.reference {
            self.previous = (msb, lsb);
        }
        msb.saturating_add(lsb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(lsb: u32, idr: bool, reference: bool) -> SliceHeader {
        SliceHeader {
            reference,
            idr,
            first_macroblock: 0,
            slice_type: 2,
            parameter_set: 0,
            frame_num: 0,
            field: None,
            idr_id: idr.then_some(0),
            order_lsb: Some(lsb),
        }
    }

    #[test]
    fn the_picture_order_count_goes_on_where_its_lowest_bits_wrap() {
        let mut sps = Sps::parse(&hex_literal::hex!("67640034 ac2b401e0078d808800001f40000ea6047a550")).unwrap();
        sps.picture_order = PictureOrderType::Explicit { bits: 6 };
        let span = 64;
        let mut order = PictureOrder::new();
        let counts = [
            slice(0, true, true),
            slice(span / 2 - 1, false, true),
            slice(span - 2, false, true),
            slice(2, false, true),
            slice(span - 1, false, false),
            slice(0, true, true),
        ]
        .map(|slice| order.next(&slice, &sps));
        let span = i64::from(span);
        assert_eq!(counts, [0, span / 2 - 1, span - 2, span + 2, span - 1, 0]);
    }
}
