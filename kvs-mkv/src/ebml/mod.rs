//! EBML, the grammar under Matroska (RFC 8794): element ids, variable-size integers, and the walk over a master's children.

use std::fmt;

use crate::{ParseError, Problem};

/// The id of an EBML element, with its length marker as it stands in the file.
///
/// ```
/// use kvs_mkv::ElementId;
///
/// assert_eq!(ElementId::CLUSTER.to_string(), "Cluster");
/// assert_eq!(ElementId(0x4DBB).to_string(), "element 4DBB");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an id is its number")]
pub struct ElementId(pub u32);

/// Writes the constants and their names from one table (RFC 8794 §11.2, RFC 9559 §5.1).
macro_rules! element_ids {
    ($($name:ident $id:literal $text:literal)*) => {
        impl ElementId {
            $(#[doc = concat!("`", $text, "`.")] pub const $name: Self = Self($id);)*

            /// The name by the specification, for the elements this crate knows.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($id => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

element_ids! {
    EBML 0x1A45_DFA3 "EBML"
    EBML_READ_VERSION 0x42F7 "EBMLReadVersion"
    EBML_MAX_ID_LENGTH 0x42F2 "EBMLMaxIDLength"
    EBML_MAX_SIZE_LENGTH 0x42F3 "EBMLMaxSizeLength"
    DOC_TYPE 0x4282 "DocType"
    VOID 0xEC "Void"
    CRC_32 0xBF "CRC-32"
    SEGMENT 0x1853_8067 "Segment"
    SEEK_HEAD 0x114D_9B74 "SeekHead"
    INFO 0x1549_A966 "Info"
    SEGMENT_UID 0x73A4 "SegmentUUID"
    TIMESTAMP_SCALE 0x2A_D7B1 "TimestampScale"
    TITLE 0x7BA9 "Title"
    MUXING_APP 0x4D80 "MuxingApp"
    WRITING_APP 0x5741 "WritingApp"
    TRACKS 0x1654_AE6B "Tracks"
    TRACK_ENTRY 0xAE "TrackEntry"
    TRACK_NUMBER 0xD7 "TrackNumber"
    TRACK_UID 0x73C5 "TrackUID"
    TRACK_TYPE 0x83 "TrackType"
    TRACK_NAME 0x536E "Name"
    CODEC_ID 0x86 "CodecID"
    CODEC_PRIVATE 0x63A2 "CodecPrivate"
    DEFAULT_DURATION 0x23_E383 "DefaultDuration"
    CONTENT_ENCODINGS 0x6D80 "ContentEncodings"
    VIDEO 0xE0 "Video"
    PIXEL_WIDTH 0xB0 "PixelWidth"
    PIXEL_HEIGHT 0xBA "PixelHeight"
    AUDIO 0xE1 "Audio"
    SAMPLING_FREQUENCY 0xB5 "SamplingFrequency"
    CHANNELS 0x9F "Channels"
    BIT_DEPTH 0x6264 "BitDepth"
    CLUSTER 0x1F43_B675 "Cluster"
    TIMESTAMP 0xE7 "Timestamp"
    SIMPLE_BLOCK 0xA3 "SimpleBlock"
    BLOCK_GROUP 0xA0 "BlockGroup"
    BLOCK 0xA1 "Block"
    BLOCK_DURATION 0x9B "BlockDuration"
    REFERENCE_BLOCK 0xFB "ReferenceBlock"
    CUES 0x1C53_BB6B "Cues"
    ATTACHMENTS 0x1941_A469 "Attachments"
    CHAPTERS 0x1043_A770 "Chapters"
    TAGS 0x1254_C367 "Tags"
    TAG 0x7373 "Tag"
    SIMPLE_TAG 0x67C8 "SimpleTag"
    TAG_NAME 0x45A3 "TagName"
    TAG_STRING 0x4487 "TagString"
}

impl ElementId {
    /// Whether it stands directly in a Segment, so that it ends a cluster of unknown size (RFC 9559 §5.1, RFC 8794 §6.2).
    pub(crate) const fn is_level_1(self) -> bool {
        matches!(
            self,
            Self::SEEK_HEAD
                | Self::INFO
                | Self::TRACKS
                | Self::CLUSTER
                | Self::CUES
                | Self::ATTACHMENTS
                | Self::CHAPTERS
                | Self::TAGS
        )
    }

    /// Whether it stands at the outermost level.
    pub(crate) const fn is_level_0(self) -> bool {
        matches!(self, Self::EBML | Self::SEGMENT)
    }
}

impl fmt::Display for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "element {:X}", self.0),
        }
    }
}

impl fmt::Debug for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ElementId({self})")
    }
}

/// Longest head of an element: four bytes of id and eight of size.
pub(crate) const HEAD_BYTES: usize = 12;

/// The id and size in front of every element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: ElementId,
    /// Bytes that follow; `None` where the size is marked unknown.
    pub(crate) size: Option<u64>,
    /// Bytes of the head itself.
    pub(crate) len: usize,
}

/// Why there is no value yet, or never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// So many bytes must be there before it is worth looking again.
    Needs(usize),
    /// No variable-size integer begins so.
    Invalid,
}

/// Reads an element's id: one to four bytes, neither all zeros nor all ones behind the marker (RFC 8794 §5).
#[inline]
pub(crate) fn read_id(bytes: &[u8]) -> Result<(ElementId, usize), Unread> {
    let Some(&first) = bytes.first() else { return Err(Unread::Needs(1)) };
    if first >= 0x80 {
        return if matches!(first, 0x80 | 0xFF) { Err(Unread::Invalid) } else { Ok((ElementId(first.into()), 1)) };
    }
    let len = first.leading_zeros() as usize + 1;
    if len > 4 {
        return Err(Unread::Invalid);
    }
    let id = bytes.get(..len).ok_or(Unread::Needs(len))?.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
    let value_mask = (1u32 << (7 * len)) - 1;
    if id & value_mask == 0 || id & value_mask == value_mask {
        return Err(Unread::Invalid);
    }
    Ok((ElementId(id), len))
}

/// Reads a variable-size integer: its value, `None` where all value bits are ones, and its length (RFC 8794 §4).
#[inline]
pub(crate) fn read_vint(bytes: &[u8]) -> Result<(Option<u64>, usize), Unread> {
    let Some(&first) = bytes.first() else { return Err(Unread::Needs(1)) };
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Err(Unread::Invalid);
    }
    let mask = (1u64 << (7 * len)) - 1;
    let value = match bytes.first_chunk::<8>() {
        Some(&eight) => u64::from_be_bytes(eight) >> (64 - 8 * len),
        None => bytes.get(..len).ok_or(Unread::Needs(len))?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)),
    } & mask;
    Ok(((value != mask).then_some(value), len))
}

/// Reads an element's head.
#[inline]
pub(crate) fn read_head(bytes: &[u8]) -> Result<Head, Unread> {
    let (id, id_len) = read_id(bytes)?;
    match read_vint(bytes.get(id_len..).unwrap_or_default()) {
        Ok((size, size_len)) => Ok(Head { id, size, len: id_len + size_len }),
        Err(Unread::Needs(more)) => Err(Unread::Needs(id_len + more)),
        Err(Unread::Invalid) => Err(Unread::Invalid),
    }
}

/// One child of a master element that lies in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child<'a> {
    pub(crate) id: ElementId,
    /// Absolute offset of its id.
    pub(crate) offset: u64,
    /// Absolute offset of its body.
    pub(crate) body_offset: u64,
    pub(crate) body: &'a [u8],
}

impl<'a> Child<'a> {
    fn wrong(&self, problem: Problem) -> ParseError {
        ParseError::new(self.offset, self.id, problem)
    }

    /// The children of this one.
    pub(crate) fn children(&self) -> Children<'a> {
        Children { parent: self.id, at: self.body_offset, rest: self.body }
    }

    /// An unsigned integer of up to eight bytes; none at all is zero (RFC 8794 §7.2).
    pub(crate) fn uint(&self) -> Result<u64, ParseError> {
        if self.body.len() > 8 {
            return Err(self.wrong(Problem::WrongLength { length: self.body.len() as u64 }));
        }
        Ok(self.body.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// A floating-point number of zero, four or eight bytes (RFC 8794 §7.3).
    pub(crate) fn float(&self) -> Result<f64, ParseError> {
        if let Ok(four) = <[u8; 4]>::try_from(self.body) {
            return Ok(f32::from_be_bytes(four).into());
        }
        match <[u8; 8]>::try_from(self.body) {
            Ok(eight) => Ok(f64::from_be_bytes(eight)),
            Err(_) if self.body.is_empty() => Ok(0.0),
            Err(_) => Err(self.wrong(Problem::WrongLength { length: self.body.len() as u64 })),
        }
    }

    /// A text; what follows the first NUL is padding (RFC 8794 §7.4), what is no UTF-8 becomes U+FFFD.
    pub(crate) fn text(&self) -> String {
        let text = self.body.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }
}

/// A walk over the children of a master element that lies in memory.
#[derive(Clone, Debug)]
pub(crate) struct Children<'a> {
    parent: ElementId,
    at: u64,
    rest: &'a [u8],
}

impl<'a> Children<'a> {
    /// Over `body`, the whole body of `parent`, which begins at absolute offset `at`.
    pub(crate) const fn new(parent: ElementId, at: u64, body: &'a [u8]) -> Self {
        Self { parent, at, rest: body }
    }

    /// Bytes not walked over yet.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next child.
    pub(crate) fn next(&mut self) -> Result<Option<Child<'a>>, ParseError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let parent_end = self.at.saturating_add(self.rest.len() as u64);
        let past = |end| Problem::PastParent { end, parent: self.parent, parent_end };
        let head = read_head(self.rest).map_err(|unread| match unread {
            Unread::Needs(more) => ParseError::new(self.at, self.parent, past(self.at.saturating_add(more as u64))),
            Unread::Invalid => ParseError::new(self.at, self.parent, Problem::NotAnElement),
        })?;
        let wrong = |problem| ParseError::new(self.at, head.id, problem);
        let size = head.size.ok_or_else(|| wrong(Problem::UnknownSize))?;
        let body_offset = self.at.saturating_add(head.len as u64);
        let end = body_offset.saturating_add(size);
        let inside = usize::try_from(size).ok().and_then(|size| self.rest.get(head.len..)?.split_at_checked(size));
        let (body, rest) = inside.ok_or_else(|| wrong(past(end)))?;
        let child = Child { id: head.id, offset: self.at, body_offset, body };
        (self.at, self.rest) = (end, rest);
        Ok(Some(child))
    }
}

/// Appends a size in as few bytes as hold it.
///
/// `size` must be below 2^56 − 1, which every length in memory is.
pub(crate) fn put_size(out: &mut Vec<u8>, size: usize) {
    let size = size as u64;
    let len = (1..8).find(|len| size < (1 << (7 * len)) - 1).unwrap_or(8);
    put_size_in(out, size, len);
}

/// Appends a size in exactly `len` bytes, 1 to 8.
pub(crate) fn put_size_in(out: &mut Vec<u8>, size: u64, len: usize) {
    debug_assert!((1..=8).contains(&len) && size < (1 << (7 * len)) - 1, "size {size} in {len} bytes");
    let marked = size | 1 << (7 * len);
    out.extend_from_slice(marked.to_be_bytes().get(8 - len..).unwrap_or_default());
}

/// Appends an id.
pub(crate) fn put_id(out: &mut Vec<u8>, id: ElementId) {
    let bytes = id.0.to_be_bytes();
    let skip = (id.0.leading_zeros() / 8) as usize;
    out.extend_from_slice(bytes.get(skip..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_of_reserved_shape_are_refused() {
        for bytes in [&[0x80][..], &[0xFF], &[0x40, 0], &[0x7F, 0xFF], &[0x08, 0, 0, 0, 1], &[0]] {
            assert_eq!(read_id(bytes), Err(Unread::Invalid), "{bytes:x?}");
        }
        assert_eq!(read_id(&[0x1A, 0x45, 0xDF]), Err(Unread::Needs(4)));
    }

    #[test]
    fn every_length_of_unknown_size_is_known() {
        for len in 1..=8 {
            let mut bytes = vec![0xFF; len];
            bytes[0] = 0xFF >> (len - 1);
            assert_eq!(read_vint(&bytes), Ok((None, len)));
        }
        assert_eq!(read_vint(&[0, 1, 2, 3, 4, 5, 6, 7, 8]), Err(Unread::Invalid));
    }

    proptest! {
        #[test]
        fn sizes_survive_the_way_there_and_back(size in 0..(1usize << 55), behind in 0..9usize) {
            let mut bytes = Vec::new();
            put_size(&mut bytes, size);
            let len = bytes.len();
            bytes.extend(std::iter::repeat_n(0xEE, behind));
            prop_assert_eq!(read_vint(&bytes), Ok((Some(size as u64), len)));
            prop_assert_eq!(read_vint(&bytes[..len - 1]), Err(Unread::Needs(if len == 1 { 1 } else { len })));
        }
    }
}
