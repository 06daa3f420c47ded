//! The body as it came, cut where fragments begin and end.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use kvs_mkv::Chunks;

use super::limits::{SMALL_PIECE_BYTES, TAIL_BYTES};

/// What was pushed and not yet taken, addressed by absolute offsets in the body.
///
/// Large pieces are kept as they are; small ones are copied together, so that memory stays near the number of bytes held
/// even if the client sends them one by one.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Absolute offset of the first byte held.
    start: u64,
    /// Absolute offset behind the last byte held.
    end: u64,
    pieces: VecDeque<Bytes>,
    /// Small pieces that follow all of `pieces`.
    tail: BytesMut,
}

impl Tape {
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

    /// Absolute offset behind the last byte.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// How many bytes are held.
    pub(super) const fn held(&self) -> u64 {
        self.end - self.start
    }

    /// Takes everything before an absolute offset, which lies within what is held.
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
        self.pieces.pop_front().expect("offsets within the tape have bytes behind them")
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
    fn large_pieces_are_sliced_not_copied() {
        let mut tape = Tape::default();
        let piece = Bytes::from(vec![5; SMALL_PIECE_BYTES * 2]);
        tape.push(&piece);
        let first = tape.take_until(10);
        let rest = tape.take_until(tape.end());
        assert_eq!(first.pieces()[0].as_ptr(), piece.as_ptr());
        assert_eq!(rest.pieces()[0].as_ptr(), piece[10..].as_ptr());
    }

    #[test]
    fn a_body_in_single_bytes_is_held_in_few_pieces() {
        let mut tape = Tape::default();
        for _ in 0..TAIL_BYTES * 4 {
            tape.push(&Bytes::from_static(b"x"));
        }
        assert!(tape.take_until(tape.end()).pieces().len() <= 4);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_whatever_the_cuts(
            pieces in prop::collection::vec(prop_oneof![1..64_usize, Just(SMALL_PIECE_BYTES), Just(TAIL_BYTES)], 1..40),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let all: Vec<u8> = (0..pieces.iter().sum::<usize>()).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut cuts: Vec<u64> = cuts.iter().map(|cut| cut.index(all.len() + 1) as u64).collect();
            cuts.sort_unstable();
            cuts.push(all.len() as u64);
            let (mut tape, mut at, mut out) = (Tape::default(), 0, Vec::new());
            let mut cuts = cuts.into_iter().peekable();
            for len in pieces {
                tape.push(&Bytes::copy_from_slice(&all[at..at + len]));
                at += len;
                while let Some(cut) = cuts.next_if(|&cut| cut <= tape.end()) {
                    out.extend(tape.take_until(cut).iter().flatten().copied());
                    prop_assert_eq!(out.len() as u64, cut);
                }
            }
            prop_assert_eq!(out, all);
        }
    }
}
