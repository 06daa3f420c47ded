//! The raw bytes of a body, split where fragments start and end.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use kvs_mkv::Chunks;

use super::limits::{SMALL_PIECE_BYTES, TAIL_BYTES};

/// Bytes that were pushed and not yet taken, addressed by offsets in the body.
///
/// Large pieces are kept without copying. Small ones are copied together: each `Bytes` keeps its whole allocation alive, so a
/// client that sends single bytes would otherwise cost far more memory than bytes.
#[derive(Debug, Default)]
pub(super) struct BodyBuffer {
    /// Offset of the first byte in the buffer.
    start: u64,
    /// Offset after the last byte in the buffer.
    end: u64,
    pieces: VecDeque<Bytes>,
    /// Small pieces, after all of `pieces`.
    tail: BytesMut,
}

impl BodyBuffer {
    pub(super) fn push(&mut self, piece: &Bytes) {
        self.end = self.end.saturating_add(piece.len() as u64);
        if piece.len() >= SMALL_PIECE_BYTES {
            self.seal_tail();
            self.pieces.push_back(piece.clone());
            return;
        }
        if self.tail.capacity() == 0 {
            self.tail.reserve(piece.len());
        }
        self.tail.extend_from_slice(piece);
        if self.tail.len() >= TAIL_BYTES {
            self.seal_tail();
        }
    }

    /// Returns the offset after the last byte.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Returns the number of bytes in the buffer.
    pub(super) const fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Takes everything before an offset, which is clamped to the buffer.
    pub(super) fn take_until(&mut self, offset: u64) -> Chunks {
        let mut left = offset.clamp(self.start, self.end) - self.start;
        self.start += left;
        let mut taken = Chunks::new();
        while left > 0 {
            let piece = self.next_piece();
            let len = piece.len() as u64;
            if len <= left {
                left -= len;
                taken.push(piece);
            } else {
                let cut = usize::try_from(left).expect("a cut inside a piece fits its length");
                taken.push(piece.slice(..cut));
                self.pieces.push_front(piece.slice(cut..));
                left = 0;
            }
        }
        taken
    }

    fn next_piece(&mut self) -> Bytes {
        if self.pieces.is_empty() {
            self.seal_tail();
        }
        self.pieces.pop_front().expect("offsets within the buffer have bytes after them")
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slices_large_pieces_without_copying() {
        let mut buffer = BodyBuffer::default();
        let piece = Bytes::from(vec![5; SMALL_PIECE_BYTES * 2]);
        buffer.push(&piece);
        let first = buffer.take_until(10);
        let rest = buffer.take_until(buffer.end());
        assert_eq!(first.pieces()[0].as_ptr(), piece.as_ptr());
        assert_eq!(rest.pieces()[0].as_ptr(), piece[10..].as_ptr());
    }

    #[test]
    fn stores_single_bytes_in_few_pieces() {
        let mut buffer = BodyBuffer::default();
        for _ in 0..TAIL_BYTES * 4 {
            buffer.push(&Bytes::from_static(b"x"));
        }
        assert!(buffer.take_until(buffer.end()).pieces().len() <= 4);
    }

    proptest! {
        #[test]
        fn returns_all_bytes_for_any_cuts(
            pieces in prop::collection::vec(prop_oneof![1..64_usize, Just(SMALL_PIECE_BYTES), Just(TAIL_BYTES)], 1..40),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let all: Vec<u8> = (0..pieces.iter().sum::<usize>()).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut cuts: Vec<u64> = cuts.iter().map(|cut| cut.index(all.len() + 1) as u64).collect();
            cuts.sort_unstable();
            cuts.push(all.len() as u64);
            let (mut buffer, mut at, mut out) = (BodyBuffer::default(), 0, Vec::new());
            let mut cuts = cuts.into_iter().peekable();
            for len in pieces {
                buffer.push(&Bytes::copy_from_slice(&all[at..at + len]));
                at += len;
                while let Some(cut) = cuts.next_if(|&cut| cut <= buffer.end()) {
                    out.extend(buffer.take_until(cut).iter().flatten().copied());
                    prop_assert_eq!(out.len() as u64, cut);
                }
            }
            prop_assert_eq!(out, all);
        }
    }
}
