//! The format of one fragment in a segment file.
//!
//! ```text
//!   0  4   "KVSF"
//!   4  4   length of the metadata, little endian like all numbers
//!   8  4   length of the media
//!  12  4   CRC-32 of the preceding twelve bytes and the metadata
//!  16  …   metadata: JSON
//!   …  …   media: header, cluster, trailing, as received
//!   …  4   CRC-32 of the media
//! ```

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_mkv::Tag;
use kvs_types::__internal::{epoch_millis, from_epoch_millis_checked};
use kvs_types::FragmentNumber;
use serde::{Deserialize, Serialize};

use super::index::Entry;
use super::limits;
use crate::ingest::{IngestedFragment, NumberParts};

/// The metadata of a fragment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) number: String,
    pub(super) timecode_ms: u64,
    pub(super) producer_ms: u64,
    pub(super) duration_ms: u64,
    /// Lengths of the three parts of the media.
    pub(super) header: u32,
    pub(super) cluster: u32,
    pub(super) trailing: u32,
    /// Groups of names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<Vec<(String, String)>>,
}

/// The fixed-size head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) meta: u32,
    pub(super) media: u32,
    crc: u32,
}

/// A record ready to be written.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) pieces: Vec<Bytes>,
    pub(super) len: u64,
    meta: Meta,
    parts: NumberParts,
}

pub(super) const HEAD_BYTES: usize = 16;
/// Bytes that every record starts with.
pub(super) const START_BYTES: usize = MAGIC.len();
const MAGIC: [u8; 4] = *b"KVSF";
const CRC_BYTES: u64 = 4;

impl Meta {
    fn of(fragment: &IngestedFragment) -> Option<Self> {
        let pair = |tag: &Tag| (tag.name.clone(), tag.value.clone());
        Some(Self {
            number: fragment.number.to_string(),
            timecode_ms: millis(fragment.timecode),
            producer_ms: epoch_millis(fragment.producer_timestamp),
            duration_ms: millis(fragment.duration),
            header: u32::try_from(fragment.header.len()).ok()?,
            cluster: u32::try_from(fragment.cluster.len()).ok()?,
            trailing: u32::try_from(fragment.trailing.len()).ok()?,
            tags: fragment.tags.iter().map(|group| group.iter().map(pair).collect()).collect(),
        })
    }

    /// Returns the size of the media in bytes.
    pub(super) fn media_len(&self) -> u64 {
        u64::from(self.header) + u64::from(self.cluster) + u64::from(self.trailing)
    }

    pub(super) fn parts(&self) -> Option<NumberParts> {
        NumberParts::of(&self.number.parse::<FragmentNumber>().ok()?)
    }

    /// Returns the index entry for this record at `offset` of `segment`.
    pub(super) fn entry(&self, segment: u32, offset: u32) -> Option<Entry> {
        Some(Entry {
            parts: self.parts()?,
            producer_ms: self.producer_ms,
            duration_ms: u32::try_from(self.duration_ms).unwrap_or(u32::MAX),
            media: u32::try_from(self.media_len()).ok()?,
            segment,
            offset,
        })
    }
}

impl Head {
    /// Parses a head of sixteen bytes; `None` if it is not the start of a record of allowed size.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(&MAGIC)?;
        let [meta, media, crc] = [0, 4, 8].map(|at| number_at(bytes, at));
        let head = Self { meta: meta?, media: media?, crc: crc? };
        (head.meta <= limits::META_BYTES && head.media <= limits::MEDIA_BYTES).then_some(head)
    }

    /// Returns the size of the whole record in bytes.
    pub(super) fn record_len(&self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.meta) + u64::from(self.media) + CRC_BYTES
    }

    /// Parses the metadata; `None` if the checksum does not match.
    pub(super) fn meta(&self, bytes: &[u8]) -> Option<Meta> {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.first_bytes());
        crc.update(bytes);
        if bytes.len() as u64 != u64::from(self.meta) || crc.finalize() != self.crc {
            return None;
        }
        let meta: Meta = serde_json::from_slice(bytes).ok()?;
        (meta.media_len() == u64::from(self.media)).then_some(meta)
    }

    fn first_bytes(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        for (place, part) in bytes.chunks_exact_mut(4).zip([MAGIC, self.meta.to_le_bytes(), self.media.to_le_bytes()]) {
            place.copy_from_slice(&part);
        }
        bytes
    }
}

impl Record {
    /// Creates the record of a fragment; `None` if it is too large or its number does not have the format of the service.
    pub(super) fn of(fragment: &IngestedFragment) -> Option<Self> {
        let meta = Meta::of(fragment)?;
        let parts = meta.parts()?;
        let text = serde_json::to_vec(&meta).ok()?;
        let mut head =
            Head { meta: u32::try_from(text.len()).ok()?, media: u32::try_from(meta.media_len()).ok()?, crc: 0 };
        if head.meta > limits::META_BYTES || head.media > limits::MEDIA_BYTES {
            return None;
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&head.first_bytes());
        crc.update(&text);
        head.crc = crc.finalize();

        let mut front = Vec::with_capacity(HEAD_BYTES + text.len());
        front.extend_from_slice(&head.first_bytes());
        front.extend_from_slice(&head.crc.to_le_bytes());
        front.extend_from_slice(&text);
        let media = [&fragment.header, &fragment.cluster, &fragment.trailing].into_iter().flatten();
        let mut crc = crc32fast::Hasher::new();
        let mut pieces = vec![Bytes::from(front)];
        for piece in media {
            crc.update(piece);
            pieces.push(piece.clone());
        }
        pieces.push(Bytes::copy_from_slice(&crc.finalize().to_le_bytes()));
        Some(Self { pieces, len: head.record_len(), meta, parts })
    }

    pub(super) const fn parts(&self) -> NumberParts {
        self.parts
    }

    pub(super) fn entry(&self, segment: u32, offset: u32) -> Option<Entry> {
        self.meta.entry(segment, offset)
    }
}

/// Parses a whole record; `None` if a checksum does not match.
pub(super) fn read(record: Bytes) -> Option<(Meta, Bytes)> {
    let head = Head::read(&record)?;
    if record.len() as u64 != head.record_len() {
        return None;
    }
    let meta_end = HEAD_BYTES.checked_add(usize::try_from(head.meta).ok()?)?;
    let media_end = meta_end.checked_add(usize::try_from(head.media).ok()?)?;
    let meta = head.meta(record.get(HEAD_BYTES..meta_end)?)?;
    let written = number_at(&record, media_end)?;
    let media = record.slice(meta_end..media_end);
    (crc32fast::hash(&media) == written).then_some((meta, media))
}

/// Returns the offsets at which a record may start.
pub(super) fn starts(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(START_BYTES).enumerate().filter(|(_, window)| *window == MAGIC).map(|(at, _)| at)
}

/// Reads the little-endian number at an offset.
pub(super) fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Times that the platform cannot represent become 1970.
pub(super) fn time_of(millis: u64) -> SystemTime {
    from_epoch_millis_checked(millis).unwrap_or(SystemTime::UNIX_EPOCH)
}
