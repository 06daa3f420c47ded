//! Blocks: their header, their lacing, and the group around a Block (RFC 9559 §10).

use std::collections::VecDeque;
use std::time::Duration;

use super::level::Blocks;
use super::{Parser, Pending, Step};
use crate::ebml::{HEAD_BYTES, Head, Unread, read_head, read_vint};
use crate::limits::LACED_FRAMES;
use crate::{Chunks, ElementId, Event, Frame, ParseError, Problem, TrackNumber};

/// Bits of a block's flags (RFC 9559 §10.2).
pub(crate) const KEYFRAME: u8 = 0x80;
pub(crate) const INVISIBLE: u8 = 0x08;
pub(crate) const DISCARDABLE: u8 = 0x01;
const LACING: u8 = 0x06;
const XIPH: u8 = 0x02;
const FIXED: u8 = 0x04;

/// What a block says in front of its payload.
#[derive(Clone, Copy)]
struct BlockHeader {
    track: TrackNumber,
    pts: Duration,
    flags: u8,
    len: usize,
}

/// A block that stands in the input, its header read.
struct Block {
    /// Absolute offset and id of the element, for errors.
    offset: u64,
    id: ElementId,
    header: BlockHeader,
    /// Bytes behind the header.
    size: usize,
}

/// A SimpleBlock of one frame that is all there.
pub(super) struct PlainBlock {
    track: TrackNumber,
    /// When it is to be shown, in nanoseconds.
    nanos: u64,
    flags: u8,
    /// Bytes in front of the payload.
    header: usize,
    /// Bytes in all.
    pub(super) total: usize,
}

impl Block {
    const fn wrong(&self, problem: Problem) -> ParseError {
        ParseError::new(self.offset, self.id, problem)
    }
}

impl Parser {
    /// Looks for a SimpleBlock of one frame whose header lies in the first piece of the input; `None` is no judgement but
    /// leaves it to the general way.
    #[inline]
    pub(super) fn plain_block(&self) -> Option<PlainBlock> {
        let Blocks { timecode, end } = self.blocks?;
        if self.skipping > 0 || !matches!(self.pending, Pending::Nothing) {
            return None;
        }
        let (head, body) = plain_head(self.input.front())?;
        let &[track, high, low, flags] = self.input.front().get(head..)?.first_chunk()?;
        let total = head.checked_add(body)?;
        if body < 4
            || body > self.limits.block_bytes
            || self.input.position().saturating_add(total as u64) > end
            || flags & LACING != 0
            || matches!(track, 0..=0x80 | 0xFF)
        {
            return None;
        }
        let relative = i64::from(i16::from_be_bytes([high, low]));
        let nanos = timecode.checked_add_signed(relative)?.checked_mul(self.scale)?;
        let track = TrackNumber::new(u64::from(track & 0x7F)).ok()?;
        Some(PlainBlock { track, nanos, flags, header: head + 4, total })
    }

    /// Reads what [`plain_block`](Self::plain_block) found, which must be all there.
    #[inline]
    pub(super) fn plain_frame(&mut self, block: PlainBlock) -> Frame {
        let start = self.input.position();
        self.need = 0;
        self.span = start..start + block.total as u64;
        self.payload_offset = start + block.header as u64;
        Frame {
            data: self.input.take_behind(block.header, block.total),
            track: block.track,
            pts: Duration::from_nanos(block.nanos),
            keyframe: block.flags & KEYFRAME != 0,
            invisible: block.flags & INVISIBLE != 0,
            discardable: block.flags & DISCARDABLE != 0,
            duration: None,
        }
    }

    /// Reads a SimpleBlock or BlockGroup that is all there, in a cluster of this timecode.
    #[inline]
    pub(super) fn block(&mut self, at: u64, head: Head, timecode: u64) -> Result<Step, ParseError> {
        let body = self.consume_head(head);
        let end = body.saturating_add(head.size.unwrap_or_default());
        self.span = at..end;
        if head.id == ElementId::BLOCK_GROUP {
            return self.block_group(at, end, timecode);
        }
        let block = self.block_header(at, head, timecode)?;
        let mut frame = Frame::new(block.header.track, block.header.pts, Chunks::new());
        frame.keyframe = block.header.flags & KEYFRAME != 0;
        frame.invisible = block.header.flags & INVISIBLE != 0;
        frame.discardable = block.header.flags & DISCARDABLE != 0;
        if block.header.flags & LACING == 0 {
            self.payload_offset = self.input.position();
            frame.data = self.input.take(block.size);
            return Ok(Step::Event(Event::Frame(frame)));
        }
        let laces = self.laces(&block)?;
        self.put_laces(laces, &frame);
        Ok(Step::Again)
    }

    /// Reads the header of the block whose element head `head`, at `offset`, was read already.
    #[inline]
    fn block_header(&mut self, offset: u64, head: Head, timecode: u64) -> Result<Block, ParseError> {
        let size = usize::try_from(head.size.unwrap_or_default()).unwrap_or(usize::MAX);
        let mut scratch = [0; HEAD_BYTES];
        let seen = self.input.peek(&mut scratch);
        let seen = seen.get(..size).unwrap_or(seen);
        let header = read_block_header(seen, timecode, self.scale, size);
        let header = header.map_err(|problem| ParseError::new(offset, head.id, problem))?;
        self.input.skip(header.len as u64);
        Ok(Block { offset, id: head.id, header, size: size - header.len })
    }

    /// Reads the children of a BlockGroup that ends at `end` and is all there (RFC 9559 §5.1.3.5).
    fn block_group(&mut self, at: u64, end: u64, timecode: u64) -> Result<Step, ParseError> {
        let mut laces = None;
        let mut keyframe = true;
        let mut duration = None;
        while self.input.position() < end {
            let child_at = self.input.position();
            let child = self.group_child(at, end)?;
            let size = child.size.unwrap_or_default();
            self.consume_head(child);
            match child.id {
                ElementId::BLOCK if laces.is_none() => {
                    let block = self.block_header(child_at, child, timecode)?;
                    laces = Some((self.laces(&block)?, block.header));
                    continue;
                }
                ElementId::BLOCK => {
                    let twice = Problem::Unexpected { within: ElementId::BLOCK_GROUP };
                    return Err(ParseError::new(child_at, child.id, twice));
                }
                ElementId::REFERENCE_BLOCK => keyframe = false,
                ElementId::BLOCK_DURATION => duration = Some(self.block_duration(child_at, size)?),
                _ => {}
            }
            let rest = child_at.saturating_add(child.len as u64).saturating_add(size) - self.input.position();
            self.input.skip(rest);
        }
        let missing = Problem::Missing { child: ElementId::BLOCK };
        let (laces, header) = laces.ok_or(ParseError::new(at, ElementId::BLOCK_GROUP, missing))?;
        let mut frame = Frame::new(header.track, header.pts, Chunks::new()).with_keyframe(keyframe);
        frame.invisible = header.flags & INVISIBLE != 0;
        let count = u32::try_from(laces.len()).unwrap_or(u32::MAX).max(1);
        frame.duration = duration.map(|whole| whole / count);
        self.put_laces(laces, &frame);
        Ok(Step::Again)
    }

    /// The head of the next child of a BlockGroup that ends at `end`.
    fn group_child(&self, at: u64, end: u64) -> Result<Head, ParseError> {
        let child_at = self.input.position();
        let left = end - child_at;
        let mut scratch = [0; HEAD_BYTES];
        let seen = self.input.peek(&mut scratch);
        let seen = usize::try_from(left).ok().and_then(|left| seen.get(..left)).unwrap_or(seen);
        let past =
            |end_of_child| Problem::PastParent { end: end_of_child, parent: ElementId::BLOCK_GROUP, parent_end: end };
        let head = read_head(seen).map_err(|unread| match unread {
            Unread::Invalid => ParseError::new(child_at, ElementId::BLOCK_GROUP, Problem::NotAnElement),
            Unread::Needs(bytes) => {
                ParseError::new(at, ElementId::BLOCK_GROUP, past(child_at.saturating_add(bytes as u64)))
            }
        })?;
        self.check_inside(child_at, head, Some((ElementId::BLOCK_GROUP, end)))?;
        Ok(head)
    }

    fn block_duration(&mut self, at: u64, size: u64) -> Result<Duration, ParseError> {
        let wrong = |problem| ParseError::new(at, ElementId::BLOCK_DURATION, problem);
        if size > 8 {
            return Err(wrong(Problem::WrongLength { length: size }));
        }
        let mut units = 0;
        for _ in 0..size {
            units = units << 8 | u64::from(self.next_byte());
        }
        let nanos = units.checked_mul(self.scale).ok_or_else(|| wrong(Problem::TimeOutOfRange))?;
        Ok(Duration::from_nanos(nanos))
    }

    /// Queues the payloads of one block as frames like `first`, each later than the one before by what is known of their
    /// duration: the block's, else the track's default, else nothing.
    fn put_laces(&mut self, laces: Laces, first: &Frame) {
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

    /// Takes the payloads of a block apart (RFC 9559 §10.3).
    fn laces(&mut self, block: &Block) -> Result<Laces, ParseError> {
        let lacing = block.header.flags & LACING;
        if lacing == 0 {
            return Ok([(self.input.position(), self.input.take(block.size))].into());
        }
        let mut left = block.size;
        let count = usize::from(self.lace_byte(block, &mut left)?) + 1;
        debug_assert!(count <= LACED_FRAMES, "a byte and one is at most 256");
        let sizes = match lacing {
            XIPH => self.xiph_sizes(block, count, &mut left)?,
            FIXED if left.is_multiple_of(count) => vec![left / count; count],
            FIXED => return Err(block.wrong(Problem::Lacing)),
            _ => self.ebml_sizes(block, count, &mut left)?,
        };
        Ok(sizes.into_iter().map(|size| (self.input.position(), self.input.take(size))).collect())
    }

    /// Sizes of all frames but the last as sums of bytes, a byte below 255 ending each (RFC 9559 §10.3.2).
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

    /// The first size as it is, the others as differences (RFC 9559 §10.3.3).
    fn ebml_sizes(&mut self, block: &Block, count: usize, left: &mut usize) -> Result<Vec<usize>, ParseError> {
        let mut sizes = Vec::with_capacity(count);
        let mut size = 0i64;
        for nth in 1..count {
            let (value, bits) = self.lace_vint(block, left)?;
            // All-ones is no "unknown" in a difference of sizes; half the range is negative.
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

    /// A variable-size integer of the lacing, and how many value bits it has.
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

    /// The next byte, which must be there.
    fn next_byte(&mut self) -> u8 {
        let mut scratch = [0; HEAD_BYTES];
        let byte = self.input.peek(&mut scratch).first().copied().unwrap_or_default();
        self.input.skip(1);
        byte
    }
}

/// How long the head of a SimpleBlock and its body are.
#[inline]
fn plain_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let &[id, s0, s1, s2, s3, s4, s5, s6, s7] = bytes.first_chunk()?;
    let len = s0.leading_zeros();
    if id != 0xA3 || len > 7 {
        return None;
    }
    let value = u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]) >> (56 - 8 * len);
    let ones = (1 << (7 * len + 7)) - 1;
    let size = value & ones;
    // All ones is "unknown".
    if size == ones {
        return None;
    }
    Some((len as usize + 2, usize::try_from(size).ok()?))
}

/// Payloads of one block, with their absolute offsets.
type Laces = VecDeque<(u64, Chunks)>;

/// Adds the size of the last frame, which is what the others leave of `left`.
fn last_size(mut sizes: Vec<usize>, left: usize) -> Option<Vec<usize>> {
    let used = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size))?;
    sizes.push(left.checked_sub(used)?);
    Some(sizes)
}

/// Reads track number, relative timecode and flags (RFC 9559 §10.1) of a block of `size` bytes.
#[inline]
fn read_block_header(bytes: &[u8], timecode: u64, scale: u64, size: usize) -> Result<BlockHeader, Problem> {
    let short = Problem::ShortBlock { length: size as u64 };
    let (number, len) = read_vint(bytes).map_err(|unread| match unread {
        Unread::Needs(_) => short,
        Unread::Invalid => Problem::NotAnElement,
    })?;
    let value = number.unwrap_or_default();
    let track = TrackNumber::new(value).map_err(|_| Problem::Value { value })?;
    let Some(&[high, low, flags]) = bytes.get(len..).and_then(<[u8]>::first_chunk) else { return Err(short) };
    let relative = i64::from(i16::from_be_bytes([high, low]));
    let nanos = timecode.checked_add_signed(relative).and_then(|units| units.checked_mul(scale));
    let pts = Duration::from_nanos(nanos.ok_or(Problem::TimeOutOfRange)?);
    Ok(BlockHeader { track, pts, flags, len: len + 3 })
}
