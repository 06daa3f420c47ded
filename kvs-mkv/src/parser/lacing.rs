//! Lacing: several frames in one block (RFC 9559 §10.3).

use std::collections::VecDeque;
use std::time::Duration;

use super::block::{Block, LACING};
use super::{Parser, Pending};
use crate::ebml::{HEAD_BYTES, read_vint};
use crate::limits::LACED_FRAMES;
use crate::{Chunks, Frame, ParseError, Problem};

const XIPH: u8 = 0x02;
const FIXED: u8 = 0x04;

impl Parser {
    /// Separates the payloads of a block (RFC 9559 §10.3).
    pub(super) fn laces(&mut self, block: &Block) -> Result<Laces, ParseError> {
        let lacing = block.header.flags & LACING;
        if lacing == 0 {
            return Ok([(self.input.position(), self.input.take(block.size))].into());
        }
        let mut left = block.size;
        let count = usize::from(self.lace_byte(block, &mut left)?) + 1;
        debug_assert!(count <= LACED_FRAMES, "a byte and one is at most 256");
        let sizes = match lacing {
            XIPH => self.xiph_sizes(block, count, &mut left)?,
            FIXED if left % count == 0 => vec![left / count; count],
            FIXED => return Err(block.wrong(Problem::Lacing)),
            _ => self.ebml_sizes(block, count, &mut left)?,
        };
        Ok(sizes.into_iter().map(|size| (self.input.position(), self.input.take(size))).collect())
    }

    /// Reads the sizes of all frames but the last as sums of bytes, each ended by a byte below 255 (RFC 9559 §10.3.2).
    fn xiph_sizes(&mut self, block: &Block, count: usize, left: &mut usize) -> Result<Vec<usize>, ParseError> {
        let mut sizes = Vec::with_capacity(count);
        for _ in 1..count {
            let mut size = 0;
            loop {
                let byte = self.lace_byte(block, left)?;
                // Cannot overflow: at most 255 for each byte of a block in memory.
                size += usize::from(byte);
                if byte < 255 {
                    break;
                }
            }
            sizes.push(size);
        }
        last_size(sizes, *left).ok_or(block.wrong(Problem::Lacing))
    }

    /// Reads the first size as a number, the others as differences (RFC 9559 §10.3.3).
    fn ebml_sizes(&mut self, block: &Block, count: usize, left: &mut usize) -> Result<Vec<usize>, ParseError> {
        let mut sizes = Vec::with_capacity(count);
        let mut size = 0i64;
        for nth in 1..count {
            let (value, bits) = self.lace_vint(block, left)?;
            // In a difference, all ones does not mean "unknown", and half of the range is negative.
            let middle = if nth == 1 { 0 } else { (1i64 << (bits - 1)) - 1 };
            size = size.checked_add(value - middle).ok_or(block.wrong(Problem::Lacing))?;
            sizes.push(usize::try_from(size).map_err(|_| block.wrong(Problem::Lacing))?);
        }
        last_size(sizes, *left).ok_or(block.wrong(Problem::Lacing))
    }

    fn lace_byte(&mut self, block: &Block, left: &mut usize) -> Result<u8, ParseError> {
        *left = left.checked_sub(1).ok_or(block.wrong(Problem::Lacing))?;
        Ok(self.next_byte())
    }

    /// Reads a variable-size integer of the lacing and returns it with the number of its value bits.
    fn lace_vint(&mut self, block: &Block, left: &mut usize) -> Result<(i64, u32), ParseError> {
        let mut scratch = [0; HEAD_BYTES];
        let seen = self.input.peek(&mut scratch);
        let seen = seen.get(..*left).unwrap_or(seen);
        let (value, len) = read_vint(seen).map_err(|_| block.wrong(Problem::Lacing))?;
        let bits = 7 * u32::try_from(len).unwrap_or(8);
        let value = value.map_or((1i64 << bits) - 1, |value| i64::try_from(value).unwrap_or(i64::MAX));
        self.input.skip(len as u64);
        *left -= len;
        Ok((value, bits))
    }

    /// Queues the payloads of one block as frames like `first`.
    ///
    /// Only the first frame of a laced block has a time (RFC 9559 §10.3). Each later one is moved by the duration of a frame:
    /// from the block, else the default of the track, else zero.
    pub(super) fn put_laces(&mut self, laces: Laces, first: &Frame) {
        let track = first.track.get();
        let default = self.default_durations.iter().find(|(number, _)| *number == track);
        let step = first.duration.or(default.map(|&(_, nanos)| Duration::from_nanos(nanos))).unwrap_or_default();
        let mut pts = first.pts;
        let frames = laces.into_iter().map(|(offset, data)| {
            let frame = Frame { data, pts, ..first.clone() };
            pts = pts.saturating_add(step);
            (offset, frame)
        });
        self.pending = Pending::Frames(frames.collect());
    }
}

/// The payloads of one block with their offsets in the stream.
pub(super) type Laces = VecDeque<(u64, Chunks)>;

/// Appends the size of the last frame, which is what the others leave of `left` (RFC 9559 §10.3).
fn last_size(mut sizes: Vec<usize>, left: usize) -> Option<Vec<usize>> {
    let used = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size))?;
    sizes.push(left.checked_sub(used)?);
    Some(sizes)
}
