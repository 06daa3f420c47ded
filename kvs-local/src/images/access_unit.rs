//! The NAL units of one stored frame, however the producer framed them.

use super::limits::PARAMETER_SETS;

/// How the NAL units of a track are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Start codes, 0 0 1 (ITU-T H.264 annex B).
    StartCodes,
    /// A big-endian length of this many bytes in front of each (ISO/IEC 14496-15 §5.3.3.1).
    Lengths(usize),
}

/// NAL unit types (table 7-1) that matter here.
pub(super) const SLICE: u8 = 1;
pub(super) const IDR_SLICE: u8 = 5;
pub(super) const SEQUENCE: u8 = 7;
pub(super) const PICTURE: u8 = 8;

/// The type of a NAL unit; 0 for an empty one.
pub(super) fn kind(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// Whether other pictures may refer to what this NAL unit codes.
pub(super) fn is_reference(nal: &[u8]) -> bool {
    nal.first().is_some_and(|header| header & 0x60 != 0)
}

/// Cuts a frame into its NAL units, or `None` if it is no sequence of whole ones.
///
/// Some producers send start codes although the codec private data promises lengths; such a frame is told by its first
/// bytes, once reading it by lengths has failed.
pub(super) fn split(frame: &[u8], framing: Framing) -> Option<Vec<&[u8]>> {
    match framing {
        Framing::StartCodes => Some(split_start_codes(frame)),
        Framing::Lengths(size) => split_lengths(frame, size).or_else(|| {
            (frame.starts_with(&[0, 0, 1]) || frame.starts_with(&[0, 0, 0, 1])).then(|| split_start_codes(frame))
        }),
    }
}

fn split_lengths(mut frame: &[u8], size: usize) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    while !frame.is_empty() {
        let (length, rest) = frame.split_at_checked(size)?;
        let length = length.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        let (unit, rest) = rest.split_at_checked(length)?;
        if !unit.is_empty() {
            units.push(unit);
        }
        frame = rest;
    }
    Some(units)
}

pub(super) fn split_start_codes(frame: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut rest = after_start_code(frame);
    while let Some(from) = rest {
        let next = start_code(from);
        let unit = from.get(..next.unwrap_or(from.len())).unwrap_or_default();
        let unit = trim_zeros(unit);
        if !unit.is_empty() {
            units.push(unit);
        }
        rest = next.and_then(|at| from.get(at + 3..));
    }
    units
}

fn start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    start_code(bytes).and_then(|at| bytes.get(at + 3..))
}

/// Zeros before a start code belong to it (`trailing_zero_8bits`).
fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    unit.get(..end).unwrap_or_default()
}

/// The parameter sets of an avcC record (ISO/IEC 14496-15 §5.3.3.1), and how frames are framed.
pub(super) fn parse_avcc(record: &[u8]) -> Option<(Framing, Vec<&[u8]>)> {
    let size = usize::from(record.get(4)? & 3) + 1;
    let mut units = Vec::new();
    let sequences = record.get(5)? & 0x1f;
    let rest = take_units(record.get(6..)?, sequences.into(), &mut units)?;
    let (pictures, rest) = rest.split_first()?;
    take_units(rest, (*pictures).into(), &mut units)?;
    debug_assert!(units.len() <= 2 * PARAMETER_SETS, "the counts have 5 and 8 bits");
    Some((Framing::Lengths(size), units))
}

/// The parameter sets of an hvcC record (ISO/IEC 14496-15 §8.3.3.1.2), and how frames are framed.
pub(super) fn parse_hvcc(record: &[u8]) -> Option<(Framing, Vec<&[u8]>)> {
    let size = usize::from(record.get(21)? & 3) + 1;
    let mut units = Vec::new();
    let (arrays, mut rest) = record.get(22..)?.split_first()?;
    for _ in 0..*arrays {
        let (head, after) = rest.split_first_chunk::<3>()?;
        rest = take_units(after, u16::from_be_bytes([head[1], head[2]]), &mut units)?;
    }
    Some((Framing::Lengths(size), units))
}

fn take_units<'a>(mut rest: &'a [u8], count: u16, units: &mut Vec<&'a [u8]>) -> Option<&'a [u8]> {
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        units.push(unit);
        rest = after;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_framings_give_the_same_units() {
        let lengths = [0, 0, 0, 2, 0x67, 1, 0, 0, 0, 3, 0x65, 2, 3];
        let codes = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 2, 3];
        let units: Vec<&[u8]> = vec![&[0x67, 1], &[0x65, 2, 3]];
        assert_eq!(split(&lengths, Framing::Lengths(4)), Some(units.clone()));
        assert_eq!(split(&codes, Framing::StartCodes), Some(units.clone()));
        assert_eq!(split(&codes, Framing::Lengths(4)), Some(units), "start codes against the promise");
    }

    #[test]
    fn a_length_past_the_end_is_no_frame() {
        assert_eq!(split(&[0, 0, 0, 9, 0x65], Framing::Lengths(4)), None);
        assert_eq!(split(&[0xff, 0xff, 0xff, 0xff, 0x65], Framing::Lengths(4)), None);
        assert_eq!(split(&[0], Framing::Lengths(4)), None);
        assert_eq!(split(&[], Framing::Lengths(1)), Some(vec![]));
    }

    #[test]
    fn trailing_zeros_belong_to_the_next_start_code() {
        let codes = [0, 0, 1, 0x65, 9, 0, 0, 0, 0, 1, 0x41, 8, 0];
        assert_eq!(split(&codes, Framing::StartCodes), Some(vec![&[0x65, 9][..], &[0x41, 8][..]]));
    }
}
