//! The Matroska tags that the service adds to fragments.

use std::ops::Range;
use std::time::SystemTime;

use bytes::{BufMut, Bytes, BytesMut};
use kvs_mkv::Chunks;

/// Writes Tags > Tag > SimpleTag… with element sizes of four bytes, as the service does.
pub(in crate::handlers) fn tags(pairs: &[(&str, &str)]) -> Bytes {
    let simple = pairs.iter().map(|(name, value)| {
        let name = element(TAG_NAME, name.as_bytes());
        let value = element(TAG_STRING, value.as_bytes());
        element(SIMPLE_TAG, &[name, value].concat())
    });
    let simple: Vec<Bytes> = simple.collect();
    element(TAGS, &element(TAG, &simple.concat()))
}

fn element(id: &[u8], body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(id.len() + 4 + body.len());
    bytes.put_slice(id);
    bytes.put_u32(FOUR_BYTE_SIZE | u32::try_from(body.len()).expect("the service's tags are short"));
    bytes.put_slice(body);
    bytes.freeze()
}

/// Formats epoch seconds with exactly three decimals.
pub(super) fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}

/// Returns an EBML head and a segment of unknown size that contains only tags.
pub(super) fn error_document(pairs: &[(&str, &str)]) -> Bytes {
    [Bytes::from_static(EBML_AND_SEGMENT), tags(pairs)].concat().into()
}

/// Returns the header of a session with an unknown segment size, since the segment here contains only one fragment. All
/// other bytes stay.
pub(super) fn open_ended(header: &Bytes) -> Chunks {
    let Some(size) = segment_size(header) else { return Chunks::from(header.clone()) };
    let rest = header.slice(size.end..);
    let mut front = BytesMut::from(header.get(..size.end).unwrap_or_default());
    if let Some([first, others @ ..]) = front.get_mut(size) {
        // An unknown size keeps the length marker and sets all value bits (RFC 8794 §6.2).
        *first |= u8::MAX.checked_shr(first.leading_zeros() + 1).unwrap_or(0);
        others.fill(u8::MAX);
    }
    [front.freeze(), rest].into_iter().collect()
}

/// Returns the position of the segment size, after the EBML head and any void.
fn segment_size(header: &[u8]) -> Option<Range<usize>> {
    let mut at = 0_usize;
    loop {
        let rest = header.get(at..)?;
        let id = vint_len(rest)?;
        let size = vint_len(rest.get(id..)?)?;
        let (start, end) = (at.checked_add(id)?, at.checked_add(id)?.checked_add(size)?);
        if rest.get(..id)? == SEGMENT {
            return Some(start..end);
        }
        at = end.checked_add(usize::try_from(vint_value(header.get(start..end)?)).ok()?)?;
    }
}

/// Returns the length in bytes of the variable-size integer at the start.
fn vint_len(bytes: &[u8]) -> Option<usize> {
    let zeros = bytes.first()?.leading_zeros();
    if zeros < 8 { usize::try_from(zeros + 1).ok() } else { None }
}

/// Returns the value of a variable-size integer without its length marker.
fn vint_value(bytes: &[u8]) -> u64 {
    let all = bytes.iter().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
    let bits = 7 * u32::try_from(bytes.len()).unwrap_or(8);
    all & !(u64::MAX.checked_shl(bits).unwrap_or(0))
}

const TAGS: &[u8] = &[0x12, 0x54, 0xC3, 0x67];
const TAG: &[u8] = &[0x73, 0x73];
const SIMPLE_TAG: &[u8] = &[0x67, 0xC8];
const TAG_NAME: &[u8] = &[0x45, 0xA3];
const TAG_STRING: &[u8] = &[0x44, 0x87];
const SEGMENT: &[u8] = &[0x18, 0x53, 0x80, 0x67];
/// An EBML head, as kvs-mkv and the AWS SDKs write it, and a segment of unknown size.
const EBML_AND_SEGMENT: &[u8] = &[
    0x1A, 0x45, 0xDF, 0xA3, 0xA3, // EBML
    0x42, 0x86, 0x81, 0x01, 0x42, 0xF7, 0x81, 0x01, 0x42, 0xF2, 0x81, 0x04, 0x42, 0xF3, 0x81,
    0x08, // versions and lengths
    0x42, 0x82, 0x88, b'm', b'a', b't', b'r', b'o', b's', b'k', b'a', // document type
    0x42, 0x87, 0x81, 0x02, 0x42, 0x85, 0x81, 0x02, // its versions
    0x18, 0x53, 0x80, 0x67, 0xFF, // segment
];
/// Length marker of a four-byte size.
const FOUR_BYTE_SIZE: u32 = 0x1000_0000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kvs_mkv::{Event, Limits, Parser, SegmentInfo, Tag, Writer};

    use super::*;

    #[test]
    fn tags_use_four_byte_sizes() {
        let golden = [
            &[0x12, 0x54, 0xC3, 0x67, 0x10, 0, 0, 0x1E][..], // Tags
            &[0x73, 0x73, 0x10, 0, 0, 0x18],                 // Tag
            &[0x67, 0xC8, 0x10, 0, 0, 0x12],                 // SimpleTag
            &[0x45, 0xA3, 0x10, 0, 0, 4, b'n', b'a', b'm', b'e'],
            &[0x44, 0x87, 0x10, 0, 0, 2, b'o', b'k'],
        ];
        assert_eq!(tags(&[("name", "ok")]), golden.concat());
    }

    #[test]
    fn seconds_have_three_decimals() {
        let at = |ms| seconds(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        assert_eq!([at(0), at(7), at(1_511_852_109_126)], ["0.000", "0.007", "1511852109.126"]);
    }

    #[test]
    fn error_document_parses() {
        let mut parser = Parser::new(Limits::default());
        parser.push(error_document(&[("a", "b"), ("c", "")]));
        assert!(matches!(parser.next_event(), Ok(Some(Event::Segment(_)))));
        assert_eq!(parser.next_event(), Ok(Some(Event::Tags(vec![Tag::new("a", "b"), Tag::new("c", "")]))));
        assert_eq!(parser.finish(), Ok(()));
    }

    #[test]
    fn open_ended_changes_only_the_segment_size() {
        let known = [&EBML_AND_SEGMENT[..44], &[0x40, 0x20], b"rest"].concat();
        let opened = [&EBML_AND_SEGMENT[..44], &[0x7F, 0xFF], b"rest"].concat();
        assert_eq!(open_ended(&Bytes::from(known)), Chunks::from(opened));
        let eight = [&EBML_AND_SEGMENT[..44], &[0x01, 0, 0, 0, 0, 0, 1, 2]].concat();
        let all = [&EBML_AND_SEGMENT[..44], &[0x01], &[0xFF; 7]].concat();
        assert_eq!(open_ended(&Bytes::from(eight)), Chunks::from(all));
        let written = Writer::new(SegmentInfo::new([1; 16]), Vec::new()).map(|mut writer| writer.start_segment());
        for header in
            [written.unwrap_or_default(), Bytes::new(), Bytes::from_static(&[0x1A]), Bytes::from_static(&[0; 9])]
        {
            assert_eq!(open_ended(&header), Chunks::from(header));
        }
    }
}
