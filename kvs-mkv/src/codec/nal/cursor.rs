//! A read position in bytes that are contiguous or divided into pieces.

use bytes::Bytes;

use crate::Chunks;

/// A read position; copying it is a bookmark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    /// The unread part of the current piece.
    rest: &'a [u8],
    later: &'a [Bytes],
    position: usize,
    left: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { rest: data, later: &[], position: 0, left: data.len() }
    }

    pub(super) fn of_pieces(chunks: &'a Chunks) -> Self {
        let (rest, later) = match chunks.pieces().split_first() {
            Some((first, later)) => (first.as_ref(), later),
            None => (Default::default(), chunks.pieces()),
        };
        Self { rest, later, position: 0, left: chunks.len() }
    }

    /// Returns the number of bytes already read.
    pub(super) const fn position(&self) -> usize {
        self.position
    }

    /// Returns the number of unread bytes.
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// Returns the next `count` bytes if they are in one piece, without reading them.
    #[inline]
    pub(super) fn peek(&mut self, count: usize) -> Option<&'a [u8]> {
        self.enter_next_piece();
        self.rest.get(..count)
    }

    /// Reads one byte.
    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.enter_next_piece();
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.advance(1);
        Some(byte)
    }

    /// Reads a big-endian number of `count` bytes, which must be there.
    #[inline]
    pub(super) fn number(&mut self, count: usize) -> usize {
        if let Some((number, rest)) = self.rest.split_at_checked(count) {
            self.rest = rest;
            self.advance(count);
            return number.iter().fold(0, |value, &byte| value << 8 | usize::from(byte));
        }
        (0..count).filter_map(|_| self.byte()).fold(0, |value, byte| value << 8 | usize::from(byte))
    }

    /// Skips `count` bytes, which must be there.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) {
        debug_assert!(count <= self.left, "{count} of {} bytes", self.left);
        let mut remaining = count;
        while remaining > self.rest.len() {
            remaining = remaining.saturating_sub(self.rest.len());
            let Some((next, later)) = self.later.split_first() else { break };
            (self.rest, self.later) = (next, later);
        }
        self.rest = self.rest.get(remaining..).unwrap_or_default();
        self.advance(count);
    }

    /// Reads a NAL unit with a length of four bytes if all of it is in the current piece. Returns its first byte, its length, and
    /// its start.
    #[inline]
    pub(super) fn unit_in_piece(&mut self) -> Option<(u8, usize, Self)> {
        let (length, tail) = self.rest.split_first_chunk::<4>()?;
        let len = u32::from_be_bytes(*length) as usize;
        let (unit, rest) = tail.split_at_checked(len)?;
        let header = *unit.first()?;
        let begin = Self { rest: tail, later: self.later, position: self.position + 4, left: self.left - 4 };
        *self = Self { rest, later: self.later, position: begin.position + len, left: begin.left - len };
        Some((header, len, begin))
    }

    #[inline]
    fn enter_next_piece(&mut self) {
        while self.rest.is_empty() {
            let Some((next, later)) = self.later.split_first() else { return };
            (self.rest, self.later) = (next, later);
        }
    }

    #[inline]
    const fn advance(&mut self, count: usize) {
        self.position = self.position.saturating_add(count);
        self.left = self.left.saturating_sub(count);
    }
}
