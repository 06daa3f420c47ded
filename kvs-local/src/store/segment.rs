//! A segment file: a signature followed by records.
//!
//! A sealed segment has an index file, so that opening a large store reads no media. The index contains a checksum and the
//! length of its segment; if either is wrong, it is rebuilt.

use std::io;
use std::ops::Range;
use std::path::Path;

use bytes::{Buf, BufMut, Bytes};

use super::disk::{Disk, Durability};
use super::index::Entry;
use super::limits;
use super::record::{self, HEAD_BYTES, Head, Meta, number_at};
use crate::ingest::NumberParts;

/// First bytes of every segment file.
pub(super) const MARK: [u8; 16] = *b"KVS-LOCAL SEG 1\n";
const INDEX_MARK: [u8; 16] = *b"KVS-LOCAL IDX 1\n";
const ENTRY_BYTES: usize = 40;
/// Bytes per read: enough for the head and typical metadata of a record.
const PEEK_BYTES: usize = 4 << 10;

/// The contents of a segment file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) entries: Vec<Entry>,
    /// End of the last complete record. Bytes after it are incomplete or foreign.
    pub(super) end: u64,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) contents: Contents,
    /// Damaged bytes with whole records behind them.
    pub(super) gaps: Vec<Range<u64>>,
}

/// Scans the record heads and skips media, except for the last record: only it can be incomplete, since each record is on
/// disk before the next one starts. Behind a damaged head, the scan goes on at the next whole record.
pub(super) fn scan(disk: &dyn Disk, file: &Path, segment: u32) -> io::Result<Scan> {
    let len = disk.len(file)?.unwrap_or(0);
    let mut scan = Scan::default();
    if disk.read(file, 0, MARK.len())? == MARK {
        scan.contents.end = MARK.len() as u64;
    }
    // Whoever puts media can fill it with what looks like long heads.
    let mut effort = len.saturating_mul(SEARCH_EFFORT).max(LEAST_EFFORT);
    loop {
        let at = scan.contents.end;
        let found = match entry_at(disk, file, segment, at, len)? {
            Some((entry, next)) => Some((entry, at, next)),
            None if is_cut_off(disk, file, at, len)? => None,
            None => next_record(disk, file, segment, at.saturating_add(1), len, &mut effort)?,
        };
        let Some((entry, start, next)) = found else { break };
        if start > at {
            scan.gaps.push(at..start);
        }
        scan.contents.entries.push(entry);
        scan.contents.end = next;
    }
    drop_incomplete(disk, file, &mut scan)?;
    Ok(scan)
}

/// Whether intact metadata leads beyond the end of the file: a write that was cut off, with nothing after it. Its media is not
/// searched, since it may contain what looks like records. If the metadata itself is cut off, the search finds nothing: it is JSON,
/// which has no bytes of 0, as every head of a record has. If its length is damaged, the search finds the records behind it.
fn is_cut_off(disk: &dyn Disk, file: &Path, at: u64, len: u64) -> io::Result<bool> {
    let peek = disk.read(file, at, PEEK_BYTES)?;
    let Some(head) = Head::read(&peek).filter(|head| at.saturating_add(head.record_len()) > len) else {
        return Ok(false);
    };
    Ok(read_meta(disk, file, at, head, &peek)?.is_some())
}

/// Drops records without whole media from the end.
fn drop_incomplete(disk: &dyn Disk, file: &Path, scan: &mut Scan) -> io::Result<()> {
    let Scan { contents, gaps } = scan;
    while let Some(last) = contents.entries.last() {
        let at = u64::from(last.offset);
        if record_at(disk, file, at)?.is_some() {
            break;
        }
        contents.end = at;
        contents.entries.pop();
        // A gap before it is now part of the end.
        if let Some(gap) = gaps.pop_if(|gap| gap.end == at) {
            contents.end = gap.start;
        }
    }
    Ok(())
}

/// Returns the entry, the start and the end of the first whole record at or after an offset. Unlike elsewhere, its media must be
/// whole too: what is searched may itself be media.
fn next_record(
    disk: &dyn Disk,
    file: &Path,
    segment: u32,
    from: u64,
    len: u64,
    effort: &mut u64,
) -> io::Result<Option<(Entry, u64, u64)>> {
    let mut at = from;
    while at < len {
        let block = disk.read(file, at, SEARCH_BYTES)?;
        if !spend(effort, block.len() as u64) {
            return Ok(None);
        }
        for place in record::starts(&block) {
            let start = at.saturating_add(place as u64);
            if !spend(effort, PEEK_BYTES as u64) {
                return Ok(None);
            }
            let head = disk.read(file, start, HEAD_BYTES)?;
            let Some(head) = Head::read(&head).filter(|head| start.saturating_add(head.record_len()) <= len) else {
                continue;
            };
            if !spend(effort, head.record_len()) {
                return Ok(None);
            }
            if let Some((entry, next)) = entry_at(disk, file, segment, start, len)?
                && record_at(disk, file, start)?.is_some()
            {
                return Ok(Some((entry, start, next)));
            }
        }
        // The blocks overlap: a start may lie across their border.
        let step = block.len().saturating_sub(record::START_BYTES - 1).max(1);
        at = at.saturating_add(step as u64);
    }
    Ok(None)
}

/// Takes the cost of a read from what the search may still read.
const fn spend(effort: &mut u64, bytes: u64) -> bool {
    match effort.checked_sub(bytes) {
        Some(left) => {
            *effort = left;
            true
        }
        None => false,
    }
}

/// Bytes per read in the search for the next record.
const SEARCH_BYTES: usize = 1 << 20;
/// How often the bytes of a segment may be read again in the search: our choice.
pub(super) const SEARCH_EFFORT: u64 = 8;
/// What the search may read in a small segment: each gap reads a block.
pub(super) const LEAST_EFFORT: u64 = 64 << 20;

/// Returns the entry of the record at an offset and the offset of the next one, if head and metadata are intact and the media
/// lies within the file.
fn entry_at(disk: &dyn Disk, file: &Path, segment: u32, at: u64, len: u64) -> io::Result<Option<(Entry, u64)>> {
    let peek = disk.read(file, at, PEEK_BYTES)?;
    let Some(head) = Head::read(&peek) else { return Ok(None) };
    let next = at.saturating_add(head.record_len());
    if next > len {
        return Ok(None);
    }
    let meta = read_meta(disk, file, at, head, &peek)?;
    let offset = u32::try_from(at).ok();
    Ok(meta.zip(offset).and_then(|(meta, offset)| meta.entry(segment, offset)).map(|entry| (entry, next)))
}

fn read_meta(disk: &dyn Disk, file: &Path, at: u64, head: Head, peek: &[u8]) -> io::Result<Option<Meta>> {
    let count = usize::try_from(head.meta).unwrap_or(usize::MAX);
    if let Some(bytes) = peek.get(HEAD_BYTES..HEAD_BYTES.saturating_add(count)) {
        return Ok(head.meta(bytes));
    }
    Ok(head.meta(&disk.read(file, at.saturating_add(HEAD_BYTES as u64), count)?))
}

/// Reads the record at an offset; `None` if a checksum does not match.
pub(super) fn record_at(disk: &dyn Disk, file: &Path, at: u64) -> io::Result<Option<(Meta, Bytes)>> {
    let head = disk.read(file, at, HEAD_BYTES)?;
    let Some(head) = Head::read(&head) else { return Ok(None) };
    let len = usize::try_from(head.record_len()).unwrap_or(usize::MAX);
    Ok(record::read(disk.read(file, at, len)?.into()))
}

/// Writes the index of a sealed segment.
pub(super) fn write_index(disk: &dyn Disk, file: &Path, contents: &Contents, segment_len: u64) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(MARK.len() + 24 + contents.entries.len() * ENTRY_BYTES);
    bytes.put_slice(&INDEX_MARK);
    bytes.put_u64_le(segment_len);
    bytes.put_u64_le(contents.end);
    bytes.put_u32_le(u32::try_from(contents.entries.len()).unwrap_or(u32::MAX));
    for entry in &contents.entries {
        bytes.put_u64_le(entry.parts.sequence);
        bytes.put_u64_le(entry.parts.server_ms);
        bytes.put_u32_le(entry.parts.random);
        bytes.put_u64_le(entry.producer_ms);
        bytes.put_u32_le(entry.duration_ms);
        bytes.put_u32_le(entry.media);
        bytes.put_u32_le(entry.offset);
    }
    bytes.put_u32_le(crc32fast::hash(&bytes));
    // Not synced: a lost index is rebuilt from its segment.
    disk.replace(file, &bytes, Durability::Written)
}

/// Reads the index of a segment of this length; `None` if it is missing or does not match.
pub(super) fn read_index(disk: &dyn Disk, file: &Path, segment: u32, segment_len: u64) -> io::Result<Option<Contents>> {
    if disk.len(file)?.is_none() {
        return Ok(None);
    }
    let most = INDEX_MARK.len() + 24 + limits::SEGMENT_FRAGMENTS as usize * ENTRY_BYTES;
    Ok(parse_index(&disk.read(file, 0, most)?, segment, segment_len))
}

fn parse_index(bytes: &[u8], segment: u32, segment_len: u64) -> Option<Contents> {
    let (body, _) = bytes.split_last_chunk::<4>()?;
    if number_at(bytes, body.len())? != crc32fast::hash(body) {
        return None;
    }
    let mut body = body.strip_prefix(&INDEX_MARK)?;
    let (len, end) = (body.try_get_u64_le().ok()?, body.try_get_u64_le().ok()?);
    let count = usize::try_from(body.try_get_u32_le().ok()?).ok()?;
    if len != segment_len || body.len() != count.checked_mul(ENTRY_BYTES)? {
        return None;
    }
    let entries = body.chunks_exact(ENTRY_BYTES).map(|bytes| parse_entry(bytes, segment)).collect::<Option<_>>()?;
    Some(Contents { entries, end })
}

fn parse_entry(mut bytes: &[u8], segment: u32) -> Option<Entry> {
    Some(Entry {
        parts: NumberParts::new(
            bytes.try_get_u64_le().ok()?,
            bytes.try_get_u64_le().ok()?,
            bytes.try_get_u32_le().ok()?,
        ),
        producer_ms: bytes.try_get_u64_le().ok()?,
        duration_ms: bytes.try_get_u32_le().ok()?,
        media: bytes.try_get_u32_le().ok()?,
        segment,
        offset: bytes.try_get_u32_le().ok()?,
    })
}
