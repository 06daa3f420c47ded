//! The pushed bytes that are not read yet, in their pieces.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::Chunks;
use crate::ebml::HEAD_BYTES;
use crate::limits::{GATHER_BYTES, SMALL_PIECE, SPARE_PIECES};

/// A queue of pieces, read from the front without joining them.
///
/// ```text
///   front ── rest[0] ── rest[1] ── … ── gathered
/// ```
/// A short piece that waits behind others is copied into `gathered`. Otherwise a list of one-byte pieces, or the buffers that
/// they were cut from, would use many times the memory of their bytes.
#[derive(Debug, Default)]
pub(crate) struct Input {
    front: Bytes,
    rest: VecDeque<Bytes>,
    gathered: BytesMut,
    len: usize,
    position: u64,
}

impl Input {
    /// Appends a piece.
    #[inline]
    pub(crate) fn push(&mut self, piece: Bytes) {
        let waiting = self.len;
        self.len = waiting.saturating_add(piece.len());
        if waiting == 0 {
            self.front = piece;
        } else if piece.len() >= SMALL_PIECE {
            self.seal_gathered();
            self.rest.push_back(piece);
        } else {
            self.gather(&piece);
        }
    }

    fn gather(&mut self, piece: &[u8]) {
        if self.gathered.capacity() - self.gathered.len() < piece.len() {
            self.seal_gathered();
            self.gathered = BytesMut::with_capacity(GATHER_BYTES);
        }
        self.gathered.extend_from_slice(piece);
    }

    #[inline]
    fn seal_gathered(&mut self) {
        if !self.gathered.is_empty() {
            self.rest.push_back(self.gathered.split().freeze());
        }
    }

    /// Returns the number of unread bytes.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns the offset of the next byte from the start of the stream.
    #[inline]
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Returns the memory used, in bytes.
    pub(crate) fn held(&self) -> usize {
        let gathering = self.gathered.capacity() - self.gathered.len();
        self.len.saturating_add(gathering).saturating_add(self.rest.capacity().saturating_mul(size_of::<Bytes>()))
    }

    /// Releases the capacity of a list that was once long.
    pub(crate) fn settle(&mut self) {
        if self.rest.capacity() > 2 * self.rest.len() + SPARE_PIECES {
            self.rest.shrink_to(2 * self.rest.len());
        }
    }

    /// Drops all bytes.
    pub(crate) fn clear(&mut self) {
        *self = Self { position: self.position, ..Self::default() };
    }

    /// Returns the next bytes: at least [`HEAD_BYTES`], or all that are there.
    #[inline]
    pub(crate) fn peek<'a>(&'a self, scratch: &'a mut [u8; HEAD_BYTES]) -> &'a [u8] {
        if self.front.len() >= HEAD_BYTES || self.front.len() == self.len {
            return &self.front;
        }
        self.peek_across(scratch)
    }

    fn peek_across<'a>(&'a self, scratch: &'a mut [u8; HEAD_BYTES]) -> &'a [u8] {
        // Only element heads, at most 12 bytes, are read across pieces, so a copy is cheap.
        let pieces = std::iter::once(&self.front[..]).chain(self.rest.iter().map(|piece| &piece[..]));
        let bytes = pieces.chain(std::iter::once(&self.gathered[..])).flatten();
        let mut found = 0;
        for (place, &byte) in scratch.iter_mut().zip(bytes) {
            *place = byte;
            found += 1;
        }
        scratch.get(..found).unwrap_or_default()
    }

    /// Returns the first piece.
    #[inline]
    pub(crate) fn front(&self) -> &[u8] {
        &self.front
    }

    /// Reads `count` bytes, which must be there, and returns those after the first `skip`, which must be in the first piece.
    #[inline]
    pub(crate) fn take_behind(&mut self, skip: usize, count: usize) -> Chunks {
        if count <= self.front.len() {
            let mut piece = self.take_front(count);
            piece.advance(skip);
            return Chunks::from(piece);
        }
        self.advance_front(skip);
        self.take(count - skip)
    }

    /// Reads `count` bytes, which must be there, as slices of the pushed pieces.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Chunks {
        debug_assert!(count <= self.len, "{count} of {} bytes", self.len);
        if count <= self.front.len() {
            return Chunks::from(self.take_front(count));
        }
        self.take_across(count)
    }

    fn take_across(&mut self, count: usize) -> Chunks {
        let mut pieces = Vec::with_capacity(self.pieces_of(count));
        let mut left = count - self.front.len();
        pieces.push(std::mem::take(&mut self.front));
        while self.rest.front().is_some_and(|piece| piece.len() <= left) {
            let Some(piece) = self.rest.pop_front() else { break };
            left -= piece.len();
            pieces.push(piece);
        }
        self.refill();
        if left > 0 {
            pieces.push(self.front.split_to(left));
        }
        self.len -= count;
        self.position = self.position.saturating_add(count as u64);
        if self.front.is_empty() {
            self.refill();
        }
        Chunks::from_pieces(pieces, count)
    }

    /// Returns the number of pieces with the next `count` bytes, or one more.
    fn pieces_of(&self, count: usize) -> usize {
        let mut covered = self.front.len();
        let mut pieces = 1;
        for piece in &self.rest {
            if covered >= count {
                return pieces;
            }
            covered = covered.saturating_add(piece.len());
            pieces += 1;
        }
        pieces + 1
    }

    /// Drops up to `count` bytes and returns how many.
    pub(crate) fn skip(&mut self, count: u64) -> u64 {
        let all = usize::try_from(count).unwrap_or(usize::MAX).min(self.len);
        let mut left = all;
        while left > 0 {
            let step = left.min(self.front.len());
            self.advance_front(step);
            left -= step;
        }
        all as u64
    }

    #[inline]
    fn take_front(&mut self, count: usize) -> Bytes {
        let piece =
            if count == self.front.len() { std::mem::take(&mut self.front) } else { self.front.split_to(count) };
        self.after_front(count);
        piece
    }

    #[inline]
    fn advance_front(&mut self, count: usize) {
        self.front.advance(count);
        self.after_front(count);
    }

    #[inline]
    fn after_front(&mut self, count: usize) {
        self.len -= count;
        self.position = self.position.saturating_add(count as u64);
        if self.front.is_empty() {
            self.refill();
        }
    }

    fn refill(&mut self) {
        self.front = match self.rest.pop_front() {
            Some(piece) => piece,
            None => self.gathered.split().freeze(),
        };
    }
}
