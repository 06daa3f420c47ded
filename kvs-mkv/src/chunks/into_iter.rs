//! Iteration over the pieces of a payload.

use bytes::Bytes;

use super::{Chunks, List};

impl IntoIterator for Chunks {
    type Item = Bytes;
    type IntoIter = ChunksIntoIter;

    fn into_iter(self) -> ChunksIntoIter {
        ChunksIntoIter(match self.list {
            List::Empty => Pieces::Few([Bytes::new(), Bytes::new()].into_iter()),
            List::One([first]) => Pieces::Few([first, Bytes::new()].into_iter()),
            List::Two(two) => Pieces::Few(two.into_iter()),
            List::Many(list) => Pieces::Many(list.into_iter()),
        })
    }
}

/// The pieces of a [`Chunks`] by value and in order; none of them is empty.
#[derive(Debug)]
pub struct ChunksIntoIter(Pieces);

#[derive(Debug)]
enum Pieces {
    /// Missing pieces are empty.
    Few(std::array::IntoIter<Bytes, 2>),
    Many(std::vec::IntoIter<Bytes>),
}

impl Iterator for ChunksIntoIter {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Pieces::Few(few) => few.find(|piece| !piece.is_empty()),
            Pieces::Many(many) => many.next(),
        }
    }
}

impl<'a> IntoIterator for &'a Chunks {
    type Item = &'a Bytes;
    type IntoIter = std::slice::Iter<'a, Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
