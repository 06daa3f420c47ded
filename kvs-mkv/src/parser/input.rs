//! The pushed bytes that are not read yet, in their pieces.

use bytes::{Buf, Bytes, BytesMut};

use crate::Chunks;
use crate::ebml::HEAD_BYTES;
use crate::limits::{GATHER_BYTES, SMALL_PIECE, SPARE_PIECES};

/// A queue of pieces, read from the front without joining them.
///
/// ```text
///   front ── rest[next] ── rest[next + 1] ── … ── gathered
/// ```
/// A short piece that waits behind others is copied into `gathered`. Otherwise a list of one-byte pieces, or the buffers that
/// they were cut from, would use many times the memory of their bytes.
///
/// A frame usually ends in the last piece that was pushed. Then `rest` itself becomes the list of its pieces; `rest[0]` is kept
/// free for `front`.
#[derive(Debug, Default)]
pub(crate) struct Input {
    front: Bytes,
    rest: Vec<Bytes>,
    /// Index of the piece behind `front`. Those before it are empty, at least one if `rest` is not empty.
    next: usize,
    /// Pieces of the last frame, for the capacity of the next list.
    usual: usize,
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
            self.push_back(piece);
        } else {
            self.gather(&piece);
        }
    }

    #[inline]
    fn push_back(&mut self, piece: Bytes) {
        if self.rest.len() == self.rest.capacity() || self.rest.is_empty() {
            self.make_room();
        }
        self.rest.push(piece);
    }

    #[inline(never)]
    fn make_room(&mut self) {
        if self.rest.is_empty() {
            self.rest.reserve(self.usual.clamp(2, SPARE_PIECES));
            self.rest.push(Bytes::new());
            self.next = 1;
        } else if self.next > self.rest.len() / 2 {
            self.forget_read();
        }
    }

    /// Drops the places of the pieces that were read.
    fn forget_read(&mut self) {
        self.rest.drain(1..self.next);
        self.next = 1;
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
            let gathered = self.gathered.split().freeze();
            self.push_back(gathered);
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
        if self.next > 1 {
            self.forget_read();
        }
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
        let pieces = std::iter::once(&self.front[..]).chain(self.waiting().iter().map(|piece| &piece[..]));
        let bytes = pieces.chain(std::iter::once(&self.gathered[..])).flatten();
        let mut found = 0;
        for (place, &byte) in scratch.iter_mut().zip(bytes) {
            *place = byte;
            found += 1;
        }
        scratch.get(..found).unwrap_or_default()
    }

    /// Returns the pieces behind the first one that are not gathered.
    fn waiting(&self) -> &[Bytes] {
        self.rest.get(self.next..).unwrap_or_default()
    }

    /// Returns the first piece.
    #[inline]
    pub(crate) fn front(&self) -> &[u8] {
        &self.front
    }

    /// Returns the next `count` bytes, which must be there, as slices of the pieces; none of them is empty.
    pub(crate) fn next_pieces(&self, count: usize) -> impl Iterator<Item = &[u8]> {
        let mut left = count;
        let pieces = std::iter::once(&self.front).chain(self.waiting()).map(|piece| &piece[..]);
        pieces.chain(std::iter::once(&self.gathered[..])).map_while(move |piece| {
            let slice = piece.get(..left).unwrap_or(piece);
            left -= slice.len();
            (!slice.is_empty()).then_some(slice)
        })
    }

    /// Drops `count` bytes, which must be there.
    #[inline]
    pub(crate) fn skip_whole(&mut self, count: usize) {
        if count < self.front.len() {
            self.advance_front(count);
        } else {
            self.skip(count as u64);
        }
    }

    /// Reads `count` bytes, fewer than the first piece has, and returns those after the first `skip`.
    #[inline]
    pub(crate) fn take_inside(&mut self, skip: usize, count: usize) -> Bytes {
        self.front.advance(skip);
        let taken = self.front.split_to(count - skip);
        self.len -= count;
        self.position = self.position.saturating_add(count as u64);
        taken
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

    #[inline(never)]
    fn take_across(&mut self, count: usize) -> Chunks {
        let last = self.rest.last().map_or(0, Bytes::len);
        // Bytes of the last piece; the others are needed whole.
        let left = count.checked_sub(self.len - self.gathered.len() - last).filter(|left| (1..=last).contains(left));
        let chunks = match left {
            Some(left) if self.next == 1 => self.take_all_but_last(left, count),
            _ => self.take_some(count),
        };
        self.len -= count;
        self.position = self.position.saturating_add(count as u64);
        if self.front.is_empty() {
            self.refill();
        }
        chunks
    }

    /// Takes all pieces, and `left` bytes of the last one in `rest`.
    fn take_all_but_last(&mut self, left: usize, count: usize) -> Chunks {
        let front = std::mem::take(&mut self.front);
        self.next = 0;
        let Some(mut last) = self.rest.pop() else { return Chunks::from(front) };
        let end = if left == last.len() { std::mem::take(&mut last) } else { last.split_to(left) };
        self.front = last;
        let [first, _, ..] = &mut self.rest[..] else {
            // The capacity stays.
            self.rest.clear();
            return Chunks::from_two([front, end]);
        };
        *first = front;
        self.usual = self.rest.len() + 2;
        self.rest.push(end);
        Chunks::from_pieces(std::mem::take(&mut self.rest), count)
    }

    fn take_some(&mut self, count: usize) -> Chunks {
        let mut pieces = Vec::with_capacity(self.pieces_of(count));
        let mut left = count;
        while self.front.len() < left {
            left -= self.front.len();
            pieces.push(std::mem::take(&mut self.front));
            self.refill();
        }
        pieces.push(self.front.split_to(left));
        Chunks::from_pieces(pieces, count)
    }

    /// Returns the number of pieces with the next `count` bytes, or one more.
    fn pieces_of(&self, count: usize) -> usize {
        let mut covered = self.front.len();
        let mut pieces = 1;
        for piece in self.waiting() {
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

    /// Drops `count` bytes, which must be in the first piece.
    #[inline]
    pub(crate) fn advance_front(&mut self, count: usize) {
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

    #[inline(never)]
    fn refill(&mut self) {
        let Some(piece) = self.rest.get_mut(self.next) else {
            // Splitting an empty buffer would allocate, or count twice.
            self.front = if self.gathered.is_empty() { Bytes::new() } else { self.gathered.split().freeze() };
            return;
        };
        self.front = std::mem::take(piece);
        self.next += 1;
        if self.next == self.rest.len() {
            self.rest.clear();
            self.next = 0;
        }
    }
}
