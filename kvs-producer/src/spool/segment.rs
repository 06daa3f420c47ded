//! A segment file: a header that names the stream, then records.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use kvs_types::limits::STREAM_ARN_CHARS;

use super::disk::SpoolDisk;
use super::message::{Held, RecordKey};
use super::record::{HEAD_BYTES, Head, MAGIC};
use super::{journal, record};
use crate::report::spool::SpoolProblem;

/// First bytes of every segment file.
pub(super) const MARK: [u8; 16] = *b"KVS-SPOOL SEG 1\n";
/// What the marks of all versions begin with.
const FAMILY: &[u8] = b"KVS-SPOOL SEG ";
/// The mark, the length of the stream's name, the name, and a CRC-32 of them.
const HEADER_BYTES_MAX: usize = MARK.len() + 4 + STREAM_ARN_CHARS + 4;
/// Bytes per read while a damaged part is searched for the next record.
const SEARCH_BYTES: usize = 64 << 10;

/// What is known of a segment file.
#[derive(Debug)]
pub(super) struct Segment {
    /// Length of the file, and of the journal beside it.
    pub(super) len: u64,
    /// End of the records that count. Behind it may be a whole record whose sync failed: it is stored elsewhere.
    pub(super) records_end: u64,
    pub(super) journal: u64,
    /// What is not settled, including what the core holds.
    pub(super) held: Held,
    /// Number of fragments that the core holds.
    pub(super) taken: u64,
    /// One entry for each record, in the order of the file. Dropped while the segment is not in use, so that memory does not
    /// grow with the number of fragments.
    pub(super) entries: Option<Vec<Entry>>,
    /// The file cannot be read, or belongs to another stream: it is left alone.
    pub(super) is_left_alone: bool,
    /// The journal has every settled record. If not, only the entries in memory know.
    pub(super) is_marked: bool,
}

/// A record of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) at: u32,
    pub(super) head: Head,
    pub(super) state: EntryState,
}

/// Where a fragment of the spool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryState {
    /// On disk only.
    Waiting,
    /// On disk and with the core.
    Taken,
    /// Persisted or reported lost.
    Settled,
}

impl Segment {
    pub(super) const fn of_len(len: u64) -> Self {
        let held = Held { fragments: 0, frames: 0, bytes: 0, start: 0, latest: 0 };
        Self { len, records_end: len, journal: 0, held, taken: 0, entries: None, is_left_alone: false, is_marked: true }
    }

    /// Number of fragments that are on disk only.
    pub(super) const fn waiting(&self) -> u64 {
        if self.is_left_alone { 0 } else { self.held.fragments.saturating_sub(self.taken) }
    }

    pub(super) fn entry_mut(&mut self, at: u32) -> Option<&mut Entry> {
        let entries = self.entries.as_mut()?;
        let place = entries.binary_search_by_key(&at, |entry| entry.at).ok()?;
        entries.get_mut(place)
    }

    /// The first fragment that is on disk only.
    pub(super) fn first_waiting(&self) -> Option<Entry> {
        self.entries.as_ref()?.iter().find(|entry| entry.state == EntryState::Waiting).copied()
    }
}

/// The records of a segment file, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) entries: Vec<Entry>,
    pub(super) held: Held,
    pub(super) problems: Vec<SpoolProblem>,
}

/// What the header of a segment says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It belongs to the stream; records begin here.
    Own { records: u64 },
    /// It belongs to another stream.
    Other { stream: String },
    /// It is damaged or incomplete.
    Unknown,
}

pub(super) fn file_name(segment: u32) -> String {
    format!("{segment:010}.seg")
}

/// Returns the segment and the kind of a file of the spool, `None` for other names.
pub(super) fn parse_name(name: &str) -> Option<(u32, Kind)> {
    let (number, extension) = name.split_once('.')?;
    let kind = match extension {
        "seg" => Kind::Segment,
        "ack" => Kind::Journal,
        "lost" => Kind::Notice,
        _ => return None,
    };
    let is_ours = number.len() == 10 && number.bytes().all(|digit| digit.is_ascii_digit());
    is_ours.then(|| number.parse().ok()).flatten().map(|number| (number, kind))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Segment,
    Journal,
    Notice,
}

/// The header of a new segment.
pub(super) fn header(stream: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES_MAX);
    out.put_slice(&MARK);
    out.put_u32_le(u32::try_from(stream.len()).unwrap_or(u32::MAX));
    out.put_slice(stream.as_bytes());
    out.put_u32_le(crc32fast::hash(&out));
    out.freeze()
}

pub(super) fn read_owner(disk: &dyn SpoolDisk, file: &str, stream: &str) -> io::Result<Owner> {
    let bytes = disk.read(file, 0, HEADER_BYTES_MAX)?;
    Ok(match parse_header(&bytes) {
        Some((owner, records)) if owner == stream => Owner::Own { records },
        Some((owner, _)) => Owner::Other { stream: owner },
        None => Owner::Unknown,
    })
}

fn parse_header(bytes: &[u8]) -> Option<(String, u64)> {
    let rest = bytes.strip_prefix(&MARK)?;
    let length = usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?;
    if length > STREAM_ARN_CHARS {
        return None;
    }
    let end = MARK.len() + 4 + length;
    let (checked, crc) = (bytes.get(..end)?, bytes.get(end..end + 4)?);
    if crc != crc32fast::hash(checked).to_le_bytes() {
        return None;
    }
    let name = std::str::from_utf8(bytes.get(MARK.len() + 4..end)?).ok()?;
    Some((name.to_owned(), end as u64 + 4))
}

/// Finds the records of a segment: reads heads and skips documents. After a damaged head it searches for the next one, so
/// damage costs the records that it hit. The document of the last record is checked too, because only it can be
/// incomplete: each record is on disk before the next one is begun.
pub(super) fn scan(disk: &dyn SpoolDisk, segment: u32, records: u64, len: u64) -> io::Result<Scan> {
    let file = file_name(segment);
    let mut scan = Scan::default();
    let mut at = records;
    while at < len {
        if let Some(head) = head_at(disk, &file, at, len)? {
            let offset = u32::try_from(at).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            scan.entries.push(Entry { at: offset, head, state: EntryState::Waiting });
            at += head.record_len();
            continue;
        }
        let next = search(disk, &file, at + 1, len)?;
        let (file, bytes) = (file.clone(), next.unwrap_or(len) - at);
        scan.problems.push(match next {
            Some(_) => SpoolProblem::Damaged { file, at, bytes },
            None => SpoolProblem::Incomplete { file, at, bytes },
        });
        at = next.unwrap_or(len);
    }
    drop_incomplete(disk, &file, len, &mut scan)?;
    journal::apply(disk, segment, &mut scan.entries)?;
    for entry in scan.entries.iter().filter(|entry| entry.state == EntryState::Waiting) {
        scan.held.add(&entry.head.held());
    }
    Ok(scan)
}

fn drop_incomplete(disk: &dyn SpoolDisk, file: &str, len: u64, scan: &mut Scan) -> io::Result<()> {
    let Some(last) = scan.entries.last().copied() else { return Ok(()) };
    let at = u64::from(last.at);
    if at + last.head.record_len() == len && read(disk, file, last)?.is_none() {
        scan.entries.pop();
        scan.problems.push(SpoolProblem::Incomplete { file: file.to_owned(), at, bytes: len - at });
    }
    Ok(())
}

/// Reads a fragment; `None` if it is damaged.
pub(super) fn read(disk: &dyn SpoolDisk, file: &str, entry: Entry) -> io::Result<Option<super::message::Parcel>> {
    let most = usize::try_from(entry.head.record_len()).unwrap_or(usize::MAX);
    let bytes = disk.read(file, u64::from(entry.at), most)?;
    Ok(record::decode(bytes.into()))
}

fn head_at(disk: &dyn SpoolDisk, file: &str, at: u64, len: u64) -> io::Result<Option<Head>> {
    let bytes = disk.read(file, at, HEAD_BYTES)?;
    Ok(Head::read(&bytes).filter(|head| at.saturating_add(head.record_len()) <= len))
}

/// Whether a file with an unreadable header has records, or is a segment of another version.
pub(super) fn has_records(disk: &dyn SpoolDisk, file: &str, len: u64) -> io::Result<bool> {
    let mark = disk.read(file, 0, MARK.len())?;
    let is_other_version = mark.starts_with(FAMILY) && mark.len() == MARK.len() && mark != MARK;
    Ok(is_other_version || search(disk, file, 0, len)?.is_some())
}

/// Returns the offset of the next sound head at or after `from`.
fn search(disk: &dyn SpoolDisk, file: &str, mut from: u64, len: u64) -> io::Result<Option<u64>> {
    while from < len {
        let bytes = disk.read(file, from, SEARCH_BYTES)?;
        for (offset, _) in bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC) {
            let at = from + offset as u64;
            if head_at(disk, file, at, len)?.is_some() {
                return Ok(Some(at));
            }
        }
        if bytes.len() < SEARCH_BYTES {
            return Ok(None);
        }
        // A mark may lie across two reads.
        from += (bytes.len() - MAGIC.len() + 1) as u64;
    }
    Ok(None)
}

pub(super) fn key(segment: u32, entry: &Entry) -> RecordKey {
    RecordKey { segment, at: entry.at }
}
