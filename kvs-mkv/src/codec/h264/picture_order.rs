//! The picture order count (H.264 8.2.1): pictures in decoding order get their place in output order.

use super::{PictureOrderType, SliceHeader, Sps};

/// Computes the picture order count along a stream, to sort pictures from decoding order into output order.
///
/// Memory management control operation 5, which resets the count inside a sequence, is not followed: no encoder known to
/// the authors writes it.
#[derive(Clone, Debug, Default)]
pub struct PictureOrder {
    /// `prevPicOrderCntMsb` and `prevPicOrderCntLsb`.
    previous: (i64, i64),
    /// `frame_num` of the picture before.
    frame_num: i64,
    /// `FrameNumOffset`.
    frame_num_offset: i64,
}

impl PictureOrder {
    /// Starts at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the count of the picture that starts with this slice. Counts compare from one IDR picture to the next: a
    /// larger one is shown later.
    pub fn next(&mut self, slice: &SliceHeader, sps: &Sps) -> i64 {
        if slice.idr {
            *self = Self::default();
        }
        match &sps.picture_order {
            PictureOrderType::Explicit { bits } => self.explicit(slice, *bits),
            PictureOrderType::Cycle { non_reference, offsets, .. } => {
                self.by_cycle(slice, sps.frame_num_bits, *non_reference, offsets)
            }
            PictureOrderType::DecodingOrder => {
                let number = self.absolute_frame_num(slice, sps.frame_num_bits);
                number.saturating_mul(2).saturating_sub(i64::from(!slice.reference))
            }
        }
    }

    /// Type 0 (8.2.1.1): the low bits are extended by counting how often they wrap.
    fn explicit(&mut self, slice: &SliceHeader, bits: u8) -> i64 {
        let (wrap, lsb) = (1i64 << bits.min(16), i64::from(slice.order_lsb.unwrap_or(0)));
        let (msb, previous) = self.previous;
        let msb = if lsb < previous && previous - lsb >= wrap / 2 {
            msb.saturating_add(wrap)
        } else if lsb > previous && lsb - previous > wrap / 2 {
            msb.saturating_sub(wrap)
        } else {
            msb
        };
        if slice.reference {
            self.previous = (msb, lsb);
        }
        // The count of a frame is the smaller one of its two fields (8-1).
        msb.saturating_add(lsb).saturating_add(slice.order_delta.min(0).into())
    }

    /// Type 1 (8.2.1.2): a cycle of offsets gives an expected count, the slice its difference.
    fn by_cycle(&mut self, slice: &SliceHeader, bits: u8, non_reference: i32, offsets: &[i32]) -> i64 {
        let length = i64::try_from(offsets.len()).unwrap_or(0);
        let number = if length == 0 { 0 } else { self.absolute_frame_num(slice, bits) };
        let number = if !slice.reference && number > 0 { number - 1 } else { number };
        let mut expected = 0i64;
        if number > 0 {
            let (cycles, within) = ((number - 1) / length, (number - 1) % length);
            let whole: i64 = offsets.iter().copied().map(i64::from).sum();
            let part: i64 = offsets.iter().zip(0..=within).map(|(offset, _)| i64::from(*offset)).sum();
            expected = cycles.saturating_mul(whole).saturating_add(part);
        }
        if !slice.reference {
            expected = expected.saturating_add(non_reference.into());
        }
        expected.saturating_add(slice.order_delta.into())
    }

    /// `FrameNumOffset + frame_num` (8-6, 8-11).
    fn absolute_frame_num(&mut self, slice: &SliceHeader, bits: u8) -> i64 {
        let number = i64::from(slice.frame_num.get());
        if self.frame_num > number {
            self.frame_num_offset = self.frame_num_offset.saturating_add(1 << bits.min(16));
        }
        self.frame_num = number;
        self.frame_num_offset.saturating_add(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::slice::test_slice as slice;

    fn sps(picture_order: PictureOrderType) -> Sps {
        let mut sps = Sps::parse(&hex_literal::hex!("67640034 ac2b401e0078d808800001f40000ea6047a550")).unwrap();
        (sps.picture_order, sps.frame_num_bits) = (picture_order, 4);
        sps
    }

    #[test]
    fn explicit_count_continues_where_its_low_bits_wrap() {
        let sps = sps(PictureOrderType::Explicit { bits: 6 });
        let span = 64;
        let mut order = PictureOrder::new();
        let counts = [
            slice(Some(0), true, true, 0),
            slice(Some(span / 2 - 1), false, true, 1),
            slice(Some(span - 2), false, true, 2),
            slice(Some(2), false, true, 3),
            slice(Some(span - 1), false, false, 4),
            slice(Some(0), true, true, 0),
        ]
        .map(|slice| order.next(&slice, &sps));
        let span = i64::from(span);
        assert_eq!(counts, [0, span / 2 - 1, span - 2, span + 2, span - 1, 0]);
    }

    #[test]
    fn explicit_count_is_that_of_the_earlier_field() {
        let sps = sps(PictureOrderType::Explicit { bits: 6 });
        let with_delta = |order_delta| SliceHeader { order_delta, ..slice(Some(8), true, true, 0) };
        let counts = [-1, 1].map(|delta| PictureOrder::new().next(&with_delta(delta), &sps));
        assert_eq!(counts, [7, 8]);
    }

    #[test]
    fn cycle_gives_expected_count_and_slices_their_difference() {
        // One B picture, not a reference, behind each P picture: shown two before it.
        let cycle = PictureOrderType::Cycle { always_zero: false, non_reference: -2, offsets: [4].into() };
        let sps = sps(cycle);
        let mut order = PictureOrder::new();
        let late = SliceHeader { order_delta: 1, ..slice(None, false, true, 3) };
        let counts = [
            slice(None, true, true, 0),
            slice(None, false, true, 1),
            slice(None, false, false, 2),
            slice(None, false, true, 2),
            late,
            slice(None, false, true, 1),
        ]
        .map(|slice| order.next(&slice, &sps));
        assert_eq!(counts, [0, 4, 2, 8, 13, 68]);
    }

    #[test]
    fn decoding_order_counts_frame_num_and_its_wraps() {
        let sps = sps(PictureOrderType::DecodingOrder);
        let mut order = PictureOrder::new();
        let counts = [
            slice(None, true, true, 0),
            slice(None, false, false, 1),
            slice(None, false, true, 1),
            slice(None, false, true, 15),
            slice(None, false, true, 0),
        ]
        .map(|slice| order.next(&slice, &sps));
        assert_eq!(counts, [0, 1, 2, 30, 32]);
    }
}
