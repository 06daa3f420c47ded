//! What is around the frames of an ADTS stream: tags, and trailers that nobody announces.

use super::AdtsHeader;
use super::adts::SHORT_HEADER;

/// What the bytes at the start of the input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// A tag of this many bytes.
    Len(u64),
    /// More bytes are needed.
    Unknown,
    None,
}

impl Tag {
    /// Reads the head of a tag: ID3v2 (ID3v2.4 §3.1), ID3v1 with and without its extension, APEv2.
    pub(super) fn of(start: &[u8]) -> Self {
        match start {
            [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] => Self::Len(id3_len(*flags, [*a, *b, *c, *d])),
            [b'T', b'A', b'G', b'+', ..] => Self::Len(EXTENDED_ID3V1),
            [b'T', b'A', b'G', _, ..] => Self::Len(ID3V1),
            _ if start.starts_with(APE) => ape_len(start),
            _ if may_start(start) => Self::Unknown,
            _ => Self::None,
        }
    }
}

/// Whether a tag starts so, or would if more bytes came.
pub(super) fn may_start(start: &[u8]) -> bool {
    NAMES.iter().any(|name| name.starts_with(start) || start.starts_with(name))
}

/// Whether a tag starts so.
pub(super) fn starts(start: &[u8]) -> bool {
    NAMES.iter().any(|name| start.starts_with(name))
}

/// The length of an ID3v2 tag has seven bits per byte.
fn id3_len(flags: u8, length: [u8; 4]) -> u64 {
    let footer = if flags & 0x10 != 0 { ID3_HEADER } else { 0 };
    let body = length.into_iter().fold(0, |length, byte| length << 7 | u64::from(byte & 0x7f));
    ID3_HEADER + body + footer
}

/// The length of an APE tag counts its items and its footer. One that starts with a footer has no more than that.
fn ape_len(start: &[u8]) -> Tag {
    let Some(&[a, b, c, d, _, _, _, _, _, _, _, flags]) = start.get(12..).and_then(<[u8]>::first_chunk) else {
        return Tag::Unknown;
    };
    let is_header = flags & 0x20 != 0;
    Tag::Len(APE_HEADER + if is_header { u64::from(u32::from_le_bytes([a, b, c, d])) } else { 0 })
}

/// Whether a frame is whole although no header follows it: `bytes` start with it, and are all that is left of the stream or at
/// least [`TRAILER_SEARCH`] more than its `len` bytes.
///
/// Where bytes were lost, two headers that fit together come soon: then a part of the frame is missing. Behind the last frame of a
/// file, a trailer may be anything. A frame never ends in a zero: its last element is three ones, with zeros up to the next byte
/// (ISO/IEC 14496-3 §4.4.2.1). So one that does was cut, and the file filled up.
pub(super) fn is_last(bytes: &[u8], len: usize) -> bool {
    let is_filled = len.checked_sub(1).and_then(|last| bytes.get(last)).is_none_or(|&byte| byte == 0);
    !is_filled && !(1..bytes.len()).any(|at| is_header_before_another(bytes.get(at..).unwrap_or_default()))
}

/// Whether a frame starts here that another one with the same settings follows.
fn is_header_before_another(bytes: &[u8]) -> bool {
    let Ok(header) = AdtsHeader::parse_any(bytes) else { return false };
    let Ok(next) = bytes.get(header.frame_len..).map_or(Err(()), |next| AdtsHeader::parse_any(next).map_err(drop))
    else {
        return false;
    };
    let settings = |header: &AdtsHeader| (header.object_type, header.sampling_frequency, header.channels);
    settings(&header) == settings(&next)
}

/// Bytes behind a frame in which two headers that fit together are searched: the largest frame twice, and a header.
pub(super) const TRAILER_SEARCH: usize = 2 * FRAME_BYTES + SHORT_HEADER;
/// The largest frame: its length has 13 bits.
pub(super) const FRAME_BYTES: usize = (1 << 13) - 1;
/// Bytes from which the length of every tag is known.
pub(super) const TAG_HEAD: usize = 24;

/// `APETAGEX`, without its last letter: as many bytes as are read behind a frame.
const APE: &[u8] = b"APETAGE";
const NAMES: [&[u8]; 3] = [b"ID3", b"TAG", APE];
/// Bytes of the header and of the footer of an ID3v2 tag.
const ID3_HEADER: u64 = 10;
const ID3V1: u64 = 128;
const EXTENDED_ID3V1: u64 = 227;
/// Bytes of the header and of the footer of an APEv2 tag.
const APE_HEADER: u64 = 32;
