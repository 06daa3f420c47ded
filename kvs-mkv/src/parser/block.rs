//! Blocks: their header, and the BlockGroup around a Block (RFC 9559 §10).

use std::time::Duration;

use super::level::Blocks;
use super::{Parser, Pending, Step};
use crate::ebml::{HEAD_BYTES, Head, Unread, read_head, read_vint};
use crate::{Chunks, ElementId, Event, Frame, ParseError, Problem, TrackNumber};

/// Flags of a block (RFC 9559 §10.2).
pub(crate) const KEYFRAME: u8 = 0x80;
pub(crate) const INVISIBLE: u8 = 0x08;
pub(crate) const DISCARDABLE: u8 = 0x01;
/// The two bits that state the kind of lacing.
pub(super) const LACING: u8 = 0x06;

/// The header of a block.
#[derive(Clone, Copy)]
pub(super) struct BlockHeader {
    track: TrackNumber,
    pts: Duration,
    pub(super) flags: u8,
    len: usize,
}

/// A block whose header was read; its payload is next in the input.
pub(super) struct Block {
    /// Offset and id of the element, for errors.
    offset: u64,
    id: ElementId,
    pub(super) header: BlockHeader,
    /// Bytes after the header.
    pub(super) size: usize,
}

/// A SimpleBlock with one frame, whose header is in the first piece of the input.
pub(super) struct PlainBlock {
    pub(super) track: TrackNumber,
    /// Presentation time in nanoseconds.
    pub(super) nanos: u64,
    pub(super) flags: u8,
    /// Bytes before the payload.
    pub(super) header: usize,
    /// Size of the element in bytes.
    pub(super) total: usize,
}

impl Block {
    pub(super) const fn wrong(&self, problem: Problem) -> ParseError {
        ParseError::new(self.offset, self.id, problem)
    }
}

impl PlainBlock {
    /// Returns whether the payload is not empty and ends before the end of a piece with `len` bytes.
    #[inline]
    pub(super) const fn is_within(&self, len: usize) -> bool {
        self.total < len && self.total > self.header
    }

    /// Returns the frame with this payload.
    #[inline]
    pub(super) const fn frame(&self, data: Chunks) -> Frame {
        Frame {
            track: self.track,
            pts: Duration::from_nanos(self.nanos),
            keyframe: self.flags & KEYFRAME != 0,
            invisible: self.flags & INVISIBLE != 0,
            discardable: self.flags & DISCARDABLE != 0,
            duration: None,
            data,
        }
    }
}

impl Parser {
    /// Recognizes a SimpleBlock with one frame whose header is in the first piece of the input. `None` does not mean an error:
    /// the general path decides.
    ///
    /// This fast path exists because almost every event of a live stream is such a block.
    #[inline]
    pub(super) fn plain_block(&self) -> Option<PlainBlock> {
        let Blocks { timecode, end } = self.blocks?;
        if self.skipping > 0 || !matches!(self.pending, Pending::Nothing) {
            return None;
        }
        let (head, body) = plain_head(self.input.front())?;
        let &[track, high, low, flags] = self.input.front().get(head..)?.first_chunk()?;
        let total = head.checked_add(body)?;
        // Larger track numbers, lacing and blocks past their parent take the general path, which also reports errors.
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

    /// Notes the position of the block that is read next.
    #[inline]
    pub(super) fn enter_plain(&mut self, block: &PlainBlock) {
        let start = self.input.position();
        self.need = 0;
        self.span = start..start + block.total as u64;
        self.payload_offset = start + block.header as u64;
    }

    /// Reads a SimpleBlock or BlockGroup, all of which must be there, in a cluster of this timecode.
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

    /// Reads the header of a block whose element head, at `offset`, was already read.
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

    /// Reads the children of a BlockGroup that ends at `end` (RFC 9559 §5.1.3.5).
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
                // A Block has no key frame flag: it is a key frame if it refers to no other (RFC 9559 §10.2).
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

    /// Reads the head of the next child of a BlockGroup that ends at `end`.
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

    /// Reads the next byte, which must be there.
    pub(super) fn next_byte(&mut self) -> u8 {
        let mut scratch = [0; HEAD_BYTES];
        let byte = self.input.peek(&mut scratch).first().copied().unwrap_or_default();
        self.input.skip(1);
        byte
    }
}

/// Returns the sizes of the head and the body of a SimpleBlock; `None` for other elements and unknown sizes.
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
    // All ones means "unknown" (RFC 8794 §6.2).
    if size == ones {
        return None;
    }
    Some((len as usize + 2, usize::try_from(size).ok()?))
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
