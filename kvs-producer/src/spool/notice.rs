//! The notice of a segment that made room for newer ones: which media is lost with it.
//!
//! ```text
//!   0  8   number of fragments; little endian like all numbers
//!   8  8   number of frames
//!  16  8   payload bytes
//!  24  8   time of the earliest frame in ms since the Unix epoch
//!  32  8   time of the latest frame, likewise
//!  40  4   CRC-32 of the preceding 40 bytes
//! ```
//!
//! It is synced before the segment is removed, and removed once the application was told. If the process or the power ends in
//! between, the next run reports the loss.

use std::io;

use bytes::{BufMut, BytesMut};

use super::disk::{Durability, SpoolDisk};
use super::message::Held;

const CHECKED: usize = 40;
pub(super) const NOTICE_BYTES: u64 = CHECKED as u64 + 4;

pub(super) fn file_name(segment: u32) -> String {
    format!("{segment:010}.lost")
}

pub(super) fn write(disk: &mut dyn SpoolDisk, segment: u32, held: &Held) -> io::Result<()> {
    let mut out = BytesMut::with_capacity(CHECKED + 4);
    for number in [held.fragments, held.frames, held.bytes, held.start, held.latest] {
        out.put_u64_le(number);
    }
    out.put_u32_le(crc32fast::hash(&out));
    disk.append(&file_name(segment), 0, &[out.freeze()], Durability::Synced)
}

/// Reads a notice; `None` if it is incomplete or damaged.
pub(super) fn read(disk: &dyn SpoolDisk, segment: u32) -> io::Result<Option<Held>> {
    Ok(parse(&disk.read(&file_name(segment), 0, CHECKED + 4)?))
}

fn parse(bytes: &[u8]) -> Option<Held> {
    let (checked, crc) = bytes.split_at_checked(CHECKED)?;
    if crc != crc32fast::hash(checked).to_le_bytes() {
        return None;
    }
    let number = |at: usize| Some(u64::from_le_bytes(*checked.get(at..)?.first_chunk()?));
    Some(Held {
        fragments: number(0)?,
        frames: number(8)?,
        bytes: number(16)?,
        start: number(24)?,
        latest: number(32)?,
    })
}
