//! The NAL units of one stored frame, in whichever framing the producer used.

use kvs_mkv::codec::nal::{self, Framing};

/// Returns the NAL units of a frame, or `None` if it is not a sequence of whole ones.
pub(super) fn split(frame: &[u8], framing: Framing) -> Option<Vec<&[u8]>> {
    match framing {
        Framing::AnnexB => Some(nal::annex_b_lossy(frame).collect()),
        // Some producers send start codes although the codec private data announces lengths. Lengths are tried first,
        // because a length of 1 or of 256 to 511 bytes looks like a start code.
        _ => nal::units_in(frame, framing)
            .ok()
            .or_else(|| starts_with_code(frame).then(|| nal::annex_b_lossy(frame).collect())),
    }
}

fn starts_with_code(frame: &[u8]) -> bool {
    frame.starts_with(&[0, 0, 1]) || frame.starts_with(&[0, 0, 0, 1])
}

#[cfg(test)]
mod tests {
    use kvs_mkv::codec::nal::LengthSize;

    use super::*;

    const FOUR: Framing = Framing::LengthPrefixed(LengthSize::FOUR);

    #[test]
    fn both_framings_give_the_same_units() {
        let lengths = [0, 0, 0, 2, 0x67, 1, 0, 0, 0, 3, 0x65, 2, 3];
        let codes = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 2, 3];
        let units: Vec<&[u8]> = vec![&[0x67, 1], &[0x65, 2, 3]];
        assert_eq!(split(&lengths, FOUR), Some(units.clone()));
        assert_eq!(split(&codes, Framing::AnnexB), Some(units.clone()));
        assert_eq!(split(&codes, FOUR), Some(units), "start codes in a track that announces lengths");
    }

    #[test]
    fn rejects_length_past_end() {
        assert_eq!(split(&[0, 0, 0, 9, 0x65], FOUR), None);
        assert_eq!(split(&[0xff, 0xff, 0xff, 0xff, 0x65], FOUR), None);
        assert_eq!(split(&[0], FOUR), None);
        assert_eq!(split(&[], Framing::LengthPrefixed(LengthSize::new(1).unwrap())), Some(vec![]));
    }

    #[test]
    fn trailing_zeros_belong_to_next_start_code() {
        let codes = [0, 0, 1, 0x65, 9, 0, 0, 0, 0, 1, 0x41, 8, 0];
        assert_eq!(split(&codes, Framing::AnnexB), Some(vec![&[0x65, 9][..], &[0x41, 8][..]]));
    }
}
