//! One fragment in a segment file: a head of fixed size, then the fragment as a Matroska document of its own.
//!
//! ```text
//!   0  4   "KVSP"
//!   4  4   length of the document; little endian like all numbers
//!   8  4   CRC-32 of the document
//!  12  4   number of frames
//!  16  8   cluster timecode in ms since the Unix epoch
//!  24  8   time of the latest frame, likewise
//!  32  8   payload bytes
//!  40  8   what relative timecodes count from, likewise; 0 with absolute ones
//!  48  8   number of the fragment in the run that wrote it
//!  56  4   1 if an end-of-fragment tag completes the fragment
//!  60  4   CRC-32 of the preceding 60 bytes
//!  64  …   the document: header, cluster with absolute times, tags
//! ```
//!
//! The document is what [`kvs_mkv::Writer`] writes and [`kvs_mkv::Parser`] reads. A player opens it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kvs_mkv::{BlockBuffer, BlockPosition, Chunks, Event, Limits, Parser, SegmentInfo, Writer};
use kvs_types::limits::FRAGMENT_BYTES;

use super::message::{Held, Parcel};
use crate::buffer::epoch::Epoch;
use crate::buffer::fragment::FragmentEnd;
use crate::limits::{FRAGMENT_OVERHEAD, FRAME_OVERHEAD};
use crate::report::span::FragmentId;
use crate::tags::TagSet;
use crate::time::millis;

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    document: u32,
    document_crc: u32,
    frames: u32,
    start: u64,
    latest: u64,
    bytes: u64,
    origin: u64,
    id: u64,
    end: FragmentEnd,
}

pub(super) const HEAD_BYTES: usize = 64;
pub(super) const MAGIC: [u8; 4] = *b"KVSP";
/// Largest document: the largest fragment (50 MB), header, tags and block heads.
const DOCUMENT_BYTES: u32 = FRAGMENT_BYTES as u32 + (4 << 20);
const CHECKED: usize = HEAD_BYTES - 4;

impl Head {
    /// Reads the head at the start of `bytes`; `None` if it is incomplete, damaged, or something else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let mut rest = head.strip_prefix(&MAGIC)?;
        let read = Self {
            document: rest.get_u32_le(),
            document_crc: rest.get_u32_le(),
            frames: rest.get_u32_le(),
            start: rest.get_u64_le(),
            latest: rest.get_u64_le(),
            bytes: rest.get_u64_le(),
            origin: rest.get_u64_le(),
            id: rest.get_u64_le(),
            end: if rest.get_u32_le() & 1 == 1 { FragmentEnd::Mark } else { FragmentEnd::NextCluster },
        };
        let is_sound = rest.get_u32_le() == crc32fast::hash(head.get(..CHECKED)?)
            && read.document <= DOCUMENT_BYTES
            && read.bytes <= u64::from(read.document);
        is_sound.then_some(read)
    }

    pub(super) fn to_bytes(self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEAD_BYTES);
        out.put_slice(&MAGIC);
        out.put_u32_le(self.document);
        out.put_u32_le(self.document_crc);
        out.put_u32_le(self.frames);
        out.put_u64_le(self.start);
        out.put_u64_le(self.latest);
        out.put_u64_le(self.bytes);
        out.put_u64_le(self.origin);
        out.put_u64_le(self.id);
        out.put_u32_le(u32::from(self.end == FragmentEnd::Mark));
        out.put_u32_le(crc32fast::hash(&out));
        out.freeze()
    }

    /// Size of the whole record in bytes.
    pub(super) const fn record_len(&self) -> u64 {
        HEAD_BYTES as u64 + self.document as u64
    }

    /// What the fragment counts against the buffer of the producer once it is read.
    pub(super) const fn memory(&self) -> usize {
        (self.document as usize)
            .saturating_add((self.frames as usize).saturating_mul(FRAME_OVERHEAD))
            .saturating_add(FRAGMENT_OVERHEAD)
    }

    pub(super) fn held(&self) -> Held {
        Held { fragments: 1, frames: u64::from(self.frames), bytes: self.bytes, start: self.start, latest: self.latest }
    }
}

/// Writes a fragment as the pieces of a record, its payload without a copy. Returns `None` if it cannot be expressed.
pub(super) fn encode(parcel: Parcel) -> Option<(Head, Vec<Bytes>)> {
    // The UID is never sent: a session writes its own header.
    let mut writer = Writer::new(SegmentInfo::new([1; 16]), parcel.epoch.tracks.clone()).ok()?;
    let frames = u32::try_from(parcel.frames).ok()?;
    let mut pieces = vec![Bytes::new(), writer.start_segment()];
    pieces.push(writer.start_cluster(Duration::from_millis(parcel.start)).ok()?);
    let mut blocks = Chunks::new();
    writer.buffered_blocks(&parcel.blocks, &mut BlockPosition::default(), usize::MAX, &mut blocks).ok()?;
    pieces.extend(blocks);
    for group in parcel.tags.groups() {
        pieces.push(writer.tags(group).ok()?);
    }
    let mut crc = crc32fast::Hasher::new();
    pieces.iter().for_each(|piece| crc.update(piece));
    let document = u32::try_from(pieces.iter().map(|piece| piece.len() as u64).sum::<u64>()).ok()?;
    let head = Head {
        document,
        document_crc: crc.finalize(),
        frames,
        start: parcel.start,
        latest: parcel.latest,
        bytes: parcel.bytes,
        origin: parcel.epoch.origin,
        id: parcel.id.0,
        end: parcel.end,
    };
    if document > DOCUMENT_BYTES {
        return None;
    }
    *pieces.first_mut()? = head.to_bytes();
    Some((head, pieces))
}

/// Reads the fragment of a record; `None` if its bytes do not match the head in every respect.
pub(super) fn decode(record: Bytes) -> Option<Parcel> {
    let head = Head::read(&record)?;
    if record.len() as u64 != head.record_len() {
        return None;
    }
    let document = record.slice(HEAD_BYTES..);
    if crc32fast::hash(&document) != head.document_crc {
        return None;
    }
    let parcel = parse(&head, document)?;
    let is_as_stated = parcel.frames > 0
        && parcel.frames == u64::from(head.frames)
        && parcel.bytes == head.bytes
        && parcel.latest == head.latest;
    is_as_stated.then_some(parcel)
}

fn parse(head: &Head, document: Bytes) -> Option<Parcel> {
    let mut parser = Parser::new(Limits::default());
    parser.push(document);
    let (mut tracks, mut clusters, mut groups) = (None, 0, Vec::new());
    let mut blocks = BlockBuffer::new(Duration::from_millis(head.start));
    let (mut frames, mut bytes, mut earliest, mut latest) = (0, 0, head.start, head.start);
    let mut used = Vec::new();
    while let Some(event) = parser.next_event().ok()? {
        match event {
            Event::Tracks(read) => tracks = Some(read),
            Event::Cluster { at } if millis(at) == head.start => clusters += 1,
            // The room for this many frames was granted.
            Event::Frame(mut frame) if clusters == 1 && frames < u64::from(head.frames) => {
                let at = millis(frame.pts);
                frames += 1;
                bytes += frame.data.len() as u64;
                (earliest, latest) = (earliest.min(at), latest.max(at));
                if !used.contains(&frame.track) {
                    used.push(frame.track);
                }
                blocks.push(&mut frame).ok()?;
            }
            Event::Tags(group) if clusters == 1 => groups.push(group),
            Event::Segment(_) | Event::ClusterEnd => {}
            _ => return None,
        }
    }
    parser.finish().ok()?;
    let tracks = tracks.filter(|_| clusters == 1)?;
    // What a header cannot express is never sent, whatever the record says.
    Writer::new(SegmentInfo::new([1; 16]), tracks.clone()).ok()?;
    if !used.iter().all(|number| tracks.iter().any(|track| track.number == *number)) {
        return None;
    }
    Some(Parcel {
        id: FragmentId(head.id),
        epoch: Arc::new(Epoch::recovered(tracks, head.origin)),
        start: head.start,
        earliest,
        latest,
        blocks,
        frames,
        bytes,
        tags: TagSet::from_groups(groups)?,
        end: head.end,
    })
}
