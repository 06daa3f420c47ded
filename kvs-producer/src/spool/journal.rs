//! The journal beside a segment: which of its records are settled, eight bytes each.
//!
//! ```text
//!   0  4   offset of the record in the segment, little endian like all numbers
//!   4  4   CRC-32 of the offset and of the record's head
//! ```
//!
//! The head is part of the checksum because the number of a segment may be used again: a journal that comes back after power
//! loss must not mark the records of another segment.
//!
//! It is not synced: an entry that is lost with the power means that a fragment is sent a second time.

use std::io;

use bytes::Bytes;

use super::disk::{Durability, SpoolDisk};
use super::record::Head;
use super::segment::{Entry, EntryState};

const ENTRY_BYTES: usize = 8;
/// Largest journal that is read: more entries than a segment has records.
const JOURNAL_BYTES: usize = 8 << 20;

pub(super) fn file_name(segment: u32) -> String {
    format!("{segment:010}.ack")
}

fn entry(at: u32, head: &Head) -> [u8; ENTRY_BYTES] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&at.to_le_bytes());
    crc.update(&head.to_bytes());
    let mut out = [0; ENTRY_BYTES];
    let (offset, check) = out.split_at_mut(4);
    offset.copy_from_slice(&at.to_le_bytes());
    check.copy_from_slice(&crc.finalize().to_le_bytes());
    out
}

/// Appends an entry to a journal of `len` bytes and returns its new length. An incomplete entry before it is filled up.
pub(super) fn append(disk: &mut dyn SpoolDisk, segment: u32, len: u64, at: u32, head: &Head) -> io::Result<u64> {
    let gap = (len.next_multiple_of(ENTRY_BYTES as u64) - len) as usize;
    let mut out = vec![0; gap];
    out.extend_from_slice(&entry(at, head));
    let more = out.len() as u64;
    disk.append(&file_name(segment), len, &[Bytes::from(out)], Durability::Written)?;
    Ok(len + more)
}

/// Marks the settled records among those of a segment. Entries that match none are skipped.
pub(super) fn apply(disk: &dyn SpoolDisk, segment: u32, entries: &mut [Entry]) -> io::Result<()> {
    let bytes = match disk.read(&file_name(segment), 0, JOURNAL_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        bytes => bytes?,
    };
    for chunk in bytes.chunks_exact(ENTRY_BYTES) {
        let Some(at) = chunk.first_chunk().map(|at| u32::from_le_bytes(*at)) else { continue };
        if let Ok(place) = entries.binary_search_by_key(&at, |entry| entry.at)
            && let Some(found) = entries.get_mut(place)
            && chunk == entry(at, &found.head)
        {
            found.state = EntryState::Settled;
        }
    }
    Ok(())
}
