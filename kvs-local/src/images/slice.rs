//! Slice headers, as far as the order of pictures needs them (ITU-T H.264 §7.3.3), and that order (§8.2.1).

use std::collections::BTreeMap;

use super::access_unit::{IDR_SLICE, PICTURE, SEQUENCE, is_reference, kind};
use super::bits::Bits;
use super::decoder::picture::DisplayInfo;
use super::error::DecodeError;
use super::sequence::{OrderKind, Sequence};

/// The parameter sets seen so far, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct ParameterSets {
    sequences: BTreeMap<u32, Sequence>,
    pictures: BTreeMap<u32, PictureSet>,
}

#[derive(Clone, Copy, Debug)]
struct PictureSet {
    sequence: u32,
    bottom_order: bool,
}

impl ParameterSets {
    /// Takes a NAL unit if it is a parameter set, and refuses those whose pictures cannot be decoded.
    pub(super) fn take(&mut self, nal: &[u8]) -> Result<(), DecodeError> {
        match kind(nal) {
            SEQUENCE => {
                let sequence = Sequence::parse(nal)?;
                self.sequences.insert(sequence.id, sequence);
            }
            PICTURE => {
                let (id, set) = PictureSet::parse(nal).ok_or(DecodeError::ParameterSet)?;
                self.pictures.insert(id, set);
            }
            _ => {}
        }
        Ok(())
    }
}

impl PictureSet {
    fn parse(nal: &[u8]) -> Option<(u32, Self)> {
        let mut bits = Bits::of_nal(nal);
        let id = bits.unsigned().filter(|id| *id <= 255)?;
        let sequence = bits.unsigned().filter(|id| *id <= 31)?;
        bits.flag()?; // entropy_coding_mode_flag
        Some((id, Self { sequence, bottom_order: bits.flag()? }))
    }
}

/// The start of a picture's first slice.
#[derive(Clone, Debug)]
pub(super) struct SliceHead {
    pub(super) idr: bool,
    pub(super) intra: bool,
    pub(super) reference: bool,
    pub(super) display: DisplayInfo,
    frame_number: u32,
    frame_number_bits: u32,
    gaps: bool,
    order: OrderKind,
    low_bits: u32,
    /// `delta_pic_order_cnt_bottom` with type 0, `delta_pic_order_cnt[0]` with type 1.
    delta: i32,
}

impl SliceHead {
    /// Reads the head of a slice that begins a picture; `None` for slices that go on with one.
    pub(super) fn parse(nal: &[u8], sets: &ParameterSets) -> Option<Result<Self, DecodeError>> {
        let mut bits = Bits::of_nal(nal.get(..HEAD_BYTES.min(nal.len()))?);
        let Some(first_macroblock) = bits.unsigned() else { return Some(Err(DecodeError::ParameterSet)) };
        if first_macroblock != 0 {
            return None;
        }
        Some(Self::parse_first(nal, &mut bits, sets).ok_or(DecodeError::ParameterSet).flatten())
    }

    fn parse_first(nal: &[u8], bits: &mut Bits, sets: &ParameterSets) -> Option<Result<Self, DecodeError>> {
        let idr = kind(nal) == IDR_SLICE;
        let slice_type = bits.unsigned()?;
        let picture = sets.pictures.get(&bits.unsigned()?)?;
        let sequence = sets.sequences.get(&picture.sequence)?;
        if sequence.separate_planes {
            bits.skip(2);
        }
        let frame_number = bits.number(sequence.frame_number_bits)?;
        if !sequence.frames_only && bits.flag()? {
            return Some(Err(DecodeError::Interlaced));
        }
        if idr {
            bits.unsigned()?; // idr_pic_id
        }
        let (low_bits, delta) = match &sequence.order {
            OrderKind::LowBits(count) => (bits.number(*count)?, if picture.bottom_order { bits.signed()? } else { 0 }),
            OrderKind::Cycle { always_zero: false, .. } => (0, bits.signed()?),
            OrderKind::Cycle { .. } | OrderKind::AsDecoded => (0, 0),
        };
        Some(Ok(Self {
            idr,
            intra: matches!(slice_type, 2 | 7),
            reference: is_reference(nal),
            display: sequence.display,
            frame_number,
            frame_number_bits: sequence.frame_number_bits,
            gaps: sequence.gaps,
            order: sequence.order.clone(),
            low_bits,
            delta,
        }))
    }

    pub(super) const fn numbering(&self) -> Numbering {
        Numbering { number: self.frame_number, bits: self.frame_number_bits, gaps: self.gaps }
    }
}

/// How references are counted (`frame_num`, §7.4.3): a picture has the number after that of the last reference before it.
///
/// After memory-management operation 5, which is not followed here either, a reference seems to be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    pub(super) number: u32,
    bits: u32,
    gaps: bool,
}

impl Numbering {
    /// Whether there were references between the one of this number and this picture. One that repeats the number is let
    /// pass, as sloppy encoders write it.
    pub(super) const fn skips(self, last: u32) -> bool {
        let next = last.wrapping_add(1) & ((1 << self.bits) - 1);
        !self.gaps && self.number != next && self.number != last
    }
}

/// Counts pictures in the order they are shown (§8.2.1).
///
/// Memory-management operation 5, which restarts the count in the middle of a sequence, is not followed: no encoder
/// known here writes it, and the order is only asked for where block times are not the times of showing.
#[derive(Clone, Debug, Default)]
pub(super) struct OrderCount {
    high: i64,
    low: i64,
    frame_number: i64,
    frame_offset: i64,
}

impl OrderCount {
    /// The order count of the next picture in decoding order. Counts of one coded sequence compare.
    pub(super) fn next(&mut self, head: &SliceHead) -> i64 {
        if head.idr {
            *self = Self::default();
        }
        match &head.order {
            OrderKind::LowBits(count) => self.by_low_bits(head, *count),
            OrderKind::Cycle { non_reference, offsets, .. } => self.by_cycle(head, *non_reference, offsets),
            OrderKind::AsDecoded => {
                let number = self.frame_number_in_sequence(head);
                2 * number - i64::from(!head.reference)
            }
        }
    }

    /// §8.2.1.1
    fn by_low_bits(&mut self, head: &SliceHead, count: u32) -> i64 {
        let (wrap, low) = (1_i64 << count, i64::from(head.low_bits));
        let high = if low < self.low && self.low - low >= wrap / 2 {
            self.high + wrap
        } else if low > self.low && low - self.low > wrap / 2 {
            self.high - wrap
        } else {
            self.high
        };
        if head.reference {
            (self.high, self.low) = (high, low);
        }
        high + low + i64::from(head.delta.min(0))
    }

    /// §8.2.1.2
    fn by_cycle(&mut self, head: &SliceHead, non_reference: i32, offsets: &[i32]) -> i64 {
        let length = i64::try_from(offsets.len()).unwrap_or(0);
        let number = if length == 0 { 0 } else { self.frame_number_in_sequence(head) };
        let number = if !head.reference && number > 0 { number - 1 } else { number };
        let mut expected = 0;
        if number > 0 {
            let (cycles, within) = ((number - 1) / length, (number - 1) % length);
            let whole: i64 = offsets.iter().copied().map(i64::from).sum();
            let part: i64 = offsets.iter().zip(0..=within).map(|(offset, _)| i64::from(*offset)).sum();
            expected = cycles * whole + part;
        }
        if !head.reference {
            expected += i64::from(non_reference);
        }
        expected + i64::from(head.delta)
    }

    /// `FrameNumOffset + frame_num`
    fn frame_number_in_sequence(&mut self, head: &SliceHead) -> i64 {
        let number = i64::from(head.frame_number);
        if self.frame_number > number {
            self.frame_offset += 1 << head.frame_number_bits;
        }
        self.frame_number = number;
        self.frame_offset + number
    }
}

/// Bytes of a slice in which its head ends: a dozen numbers of up to 32 bits.
const HEAD_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_left_out_unless_it_follows_repeats_wraps_or_may_be() {
        let numbered = |number, gaps| Numbering { number, bits: 4, gaps };
        for (last, number, skips) in
            [(4, 5, false), (4, 4, false), (15, 0, false), (4, 6, true), (4, 3, true), (15, 1, true)]
        {
            assert_eq!(numbered(number, false).skips(last), skips, "{number} after {last}");
            assert!(!numbered(number, true).skips(last));
        }
    }
}
