//! A live byte stream: start codes cut it into NAL units as its pieces come.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::annex_b::{START_CODE_BYTES, find_start_code, trailing_zeros};
use crate::Chunks;

/// A NAL unit of a byte stream, without its start code and the zeros behind it.
#[derive(Clone, Debug)]
pub(in crate::codec) struct StreamUnit {
    /// Offset in the stream of its start code, `00 00 01`.
    pub(in crate::codec) at: u64,
    pub(in crate::codec) data: Chunks,
}

impl StreamUnit {
    /// Returns the offset in the stream of the first byte behind it.
    pub(in crate::codec) const fn end(&self) -> u64 {
        self.at.saturating_add((START_CODE_BYTES as u64).saturating_add(self.data.len() as u64))
    }

    /// Returns the first bytes, at most `N`, in one piece: a slice of the unit if its first piece is long enough.
    pub(in crate::codec) fn head<'a, const N: usize>(&'a self, space: &'a mut [u8; N]) -> &'a [u8] {
        head(&self.data, &[], space)
    }
}

/// Returns the first bytes of `data` with `rest` behind it, at most `N`.
fn head<'a, const N: usize>(data: &'a Chunks, rest: &[u8], space: &'a mut [u8; N]) -> &'a [u8] {
    match data.pieces() {
        [first, ..] if first.len() >= N => return first.get(..N).unwrap_or(first),
        [only] if rest.is_empty() => return only,
        _ => {}
    }
    let mut len = 0;
    for (to, from) in space.iter_mut().zip(data.iter().flatten().chain(rest)) {
        *to = *from;
        len += 1;
    }
    space.get(..len).unwrap_or_default()
}

/// A NAL unit without end: this many bytes have come since its start code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) struct Endless {
    pub(in crate::codec) at: u64,
}

/// Cuts a byte stream into NAL units (H.264 B.1, H.265 B.2), however it is divided into pieces.
#[derive(Debug, Default)]
pub(in crate::codec) struct NalStream {
    /// What is not yet searched.
    input: VecDeque<Bytes>,
    /// Offset of the first byte of `input`.
    position: u64,
    /// Zeros directly before `position`. They are part of a start code, or stuffing behind the unit (`trailing_zero_8bits`),
    /// or they belong to the unit, which they are not added to before another byte follows.
    zeros: usize,
    /// The unit whose end has not come.
    unit: Option<Open>,
    is_ended: bool,
}

/// A NAL unit whose end has not come.
#[derive(Debug)]
struct Open {
    at: u64,
    data: Chunks,
    /// Small pieces behind `data`, copied together: a list entry per byte would cost more than the bytes.
    gathered: BytesMut,
}

impl NalStream {
    pub(in crate::codec) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.input.push_back(piece);
        }
    }

    /// Says that nothing more comes: the last unit is complete.
    pub(in crate::codec) const fn end(&mut self) {
        self.is_ended = true;
    }

    /// Returns the next unit that is complete and not empty.
    pub(in crate::codec) fn next(&mut self, most: usize) -> Result<Option<StreamUnit>, Endless> {
        loop {
            let Some(front) = self.input.front_mut() else {
                let last = self.unit.take_if(|_| self.is_ended);
                return Ok(last.and_then(Open::complete));
            };
            let found = next_code(front, self.zeros);
            let (code, behind) = found.unwrap_or((front.len(), front.len()));
            let before = front.slice(..code);
            front.advance(behind);
            if front.is_empty() {
                self.input.pop_front();
            }
            self.position = self.position.saturating_add(behind as u64);
            let zeros = trailing_zeros(&before);
            let is_zero = zeros == before.len();
            if let Some(unit) = self.unit.as_mut().filter(|_| !is_zero) {
                unit.add_zeros(self.zeros, most);
                unit.add(before.slice(..before.len().saturating_sub(zeros)));
                if unit.len() > most {
                    return Err(Endless { at: unit.at });
                }
            }
            if found.is_none() {
                self.zeros = if is_zero { self.zeros.saturating_add(zeros) } else { zeros };
                continue;
            }
            self.zeros = 0;
            let at = self.position.saturating_sub(START_CODE_BYTES as u64);
            let ended = self.unit.replace(Open { at, data: Chunks::new(), gathered: BytesMut::new() });
            if let Some(unit) = ended.and_then(Open::complete) {
                return Ok(Some(unit));
            }
        }
    }

    /// Returns the offset of the start code and the first `N` bytes of the unit whose end has not come; `None` if there are
    /// fewer.
    pub(in crate::codec) fn open<'a, const N: usize>(&'a self, space: &'a mut [u8; N]) -> Option<(u64, &'a [u8])> {
        let unit = self.unit.as_ref().filter(|unit| unit.len() >= N)?;
        Some((unit.at, head(&unit.data, &unit.gathered, space)))
    }

    /// Returns the bytes that are kept.
    pub(in crate::codec) fn held(&self) -> usize {
        let waiting: usize = self.input.iter().map(Bytes::len).sum();
        waiting.saturating_add(self.unit.as_ref().map_or(0, Open::len))
    }
}

/// Finds the next start code: where it begins in this piece, and the first byte behind it. `zeros` came before the piece.
fn next_code(piece: &[u8], zeros: usize) -> Option<(usize, usize)> {
    match piece {
        [1, ..] if zeros >= 2 => return Some((0, 1)),
        [0, 1, ..] if zeros >= 1 => return Some((0, 2)),
        _ => {}
    }
    let code = find_start_code(piece)?;
    Some((code, code.saturating_add(START_CODE_BYTES)))
}

impl Open {
    fn len(&self) -> usize {
        self.data.len().saturating_add(self.gathered.len())
    }

    fn add(&mut self, bytes: Bytes) {
        let is_small = bytes.len() < SMALL && self.data.pieces().len() >= FEW;
        if is_small {
            if self.gathered.is_empty() {
                self.gathered.reserve(GATHERED);
            }
            self.gathered.extend_from_slice(&bytes);
        }
        if !is_small || self.gathered.len() >= GATHERED - SMALL {
            self.data.push(std::mem::take(&mut self.gathered).freeze());
        }
        if !is_small {
            self.data.push(bytes);
        }
    }

    /// Adds zeros; if that makes more than `most` bytes, only so many that they are more.
    fn add_zeros(&mut self, count: usize, most: usize) {
        let mut left = count.min(most.saturating_add(1).saturating_sub(self.len()));
        while left > 0 {
            let part = left.min(ZEROS.len());
            self.add(Bytes::from_static(ZEROS.get(..part).unwrap_or_default()));
            left = left.saturating_sub(part);
        }
    }

    /// Returns the unit unless it is empty.
    fn complete(mut self) -> Option<StreamUnit> {
        self.data.push(self.gathered.freeze());
        (!self.data.is_empty()).then_some(StreamUnit { at: self.at, data: self.data })
    }
}

static ZEROS: [u8; 4096] = [0; 4096];
/// Pieces of a unit that are kept as they come. Later ones that are small are gathered.
const FEW: usize = 8;
/// Size in bytes below which a piece is small.
const SMALL: usize = 512;
/// Bytes that are gathered into one piece.
const GATHERED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn units(pieces: &[&[u8]]) -> Vec<(u64, Vec<u8>)> {
        let mut stream = NalStream::default();
        let mut units = Vec::new();
        let mut take = |stream: &mut NalStream| {
            while let Some(unit) = stream.next(1 << 20).unwrap() {
                units.push((unit.at, unit.data.into_bytes().to_vec()));
            }
        };
        for piece in pieces {
            stream.push(Bytes::copy_from_slice(piece));
            take(&mut stream);
        }
        stream.end();
        take(&mut stream);
        assert_eq!(stream.held(), 0);
        units
    }

    #[test]
    fn every_division_gives_the_same_units() {
        let stream = b"\x55\0\0\0\x01\x67\x42\0\0\x03\0\0\0\x01\x68\0\0\x01\0\0\x01\x65\x88\0\0\0\0\0\x01\x41\x9a\0\0";
        let expected = vec![
            (2, b"\x67\x42\0\0\x03".to_vec()),
            (11, b"\x68".to_vec()),
            (18, b"\x65\x88".to_vec()),
            (26, b"\x41\x9a".to_vec()),
        ];
        assert_eq!(units(&[stream]), expected);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(units(&pieces), expected, "cut at {first} and {second}");
            }
        }
        assert_eq!(units(&stream.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn unit_is_a_slice_of_the_input_and_small_pieces_are_gathered() {
        let piece = Bytes::from_static(b"\0\0\x01\x65\x88\x84\0\0\x01\x41");
        let mut stream = NalStream::default();
        stream.push(piece.clone());
        let unit = stream.next(100).unwrap().unwrap();
        assert_eq!(unit.data.pieces()[0].as_ptr(), piece[3..].as_ptr());
        let mut long = NalStream::default();
        long.push(Bytes::from_static(b"\0\0\x01"));
        for _ in 0..100_000 {
            long.push(Bytes::from_static(b"\x41"));
            assert!(long.next(1 << 20).unwrap().is_none());
        }
        long.end();
        let unit = long.next(1 << 20).unwrap().unwrap();
        assert!(unit.data.len() == 100_000 && unit.data.pieces().len() < 50, "{}", unit.data.pieces().len());
    }

    #[test]
    fn unit_without_end_is_an_error_that_names_its_start() {
        let mut stream = NalStream::default();
        stream.push(Bytes::from_static(b"\x09\0\0\x01\x41"));
        assert!(stream.next(100).unwrap().is_none());
        stream.push(Bytes::from(vec![7; 100]));
        assert_eq!(stream.next(100).unwrap_err(), Endless { at: 1 });
    }

    #[test]
    fn zeros_behind_a_unit_are_counted_and_not_kept() {
        let mut stream = NalStream::default();
        stream.push(Bytes::from_static(b"\0\0\x01\x41"));
        for _ in 0..1000 {
            stream.push(Bytes::from(vec![0; 1 << 16]));
            assert!(stream.next(100).unwrap().is_none());
            assert_eq!(stream.held(), 1);
        }
        stream.push(Bytes::from_static(b"\x01\x42"));
        assert_eq!(stream.next(100).unwrap().unwrap().data.into_bytes(), &b"\x41"[..]);
        assert_eq!(units(&[b"\0\0\x01\x41\0", b"\0", b"\0", b"\x42\0"]), [(0, b"\x41\0\0\0\x42".to_vec())]);
        stream.push(Bytes::from(vec![0; 1 << 16]));
        stream.push(Bytes::from_static(b"\x43"));
        assert_eq!(stream.next(100).unwrap_err(), Endless { at: (1000 << 16) + 2 });
    }
}
