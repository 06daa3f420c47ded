//! The picture order count (H.265 8.3.1): pictures in decoding order get their place in output order.

use super::{NalType, SliceHeader, Sps};

/// Computes the picture order count along a stream, to sort pictures from decoding order into output order.
#[derive(Clone, Debug, Default)]
pub struct PictureOrder {
    /// `prevPicOrderCntMsb` and `prevPicOrderCntLsb`, of `prevTid0Pic`.
    previous: (i64, i64),
}

impl PictureOrder {
    /// Starts at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the count of the picture that starts with this slice. Counts compare from one IDR or BLA picture to the next: a
    /// larger one is shown later.
    pub fn next(&mut self, slice: &SliceHeader, sps: &Sps) -> i64 {
        let (wrap, lsb) = (1i64 << sps.order_bits.min(16), i64::from(slice.order_lsb.unwrap_or(0)));
        let (msb, previous) = self.previous;
        let msb = if slice.kind.restarts() {
            0
        } else if lsb < previous && previous - lsb >= wrap / 2 {
            msb.saturating_add(wrap)
        } else if lsb > previous && lsb - previous > wrap / 2 {
            msb.saturating_sub(wrap)
        } else {
            msb
        };
        // Only pictures of the lowest layer that are neither RASL, RADL nor sub-layer non-reference pictures become
        // prevTid0Pic (8.3.1).
        if slice.temporal_id == 0 && !is_skipped(slice.kind) {
            self.previous = (msb, lsb);
        }
        msb.saturating_add(lsb)
    }
}

/// RADL and RASL pictures (6 to 9) and sub-layer non-reference pictures (table 7-1).
const fn is_skipped(kind: NalType) -> bool {
    matches!(kind.0, 0 | 2 | 4 | 6..=10 | 12 | 14)
}
