//! A payload as a buffer that is read from the front.

use bytes::Buf;

use super::{Chunks, List};

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.pieces().first().map_or(&[], |piece| piece)
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.len, "cannot advance by {count} past {} remaining bytes", self.len);
        self.len -= count;
        let mut left = count;
        match &mut self.list {
            List::Empty => {}
            List::One([piece]) => piece.advance(left),
            List::Two([first, second]) => {
                if left < first.len() {
                    first.advance(left);
                } else {
                    second.advance(left - first.len());
                    self.list = List::One([std::mem::take(second)]);
                }
            }
            List::Many(list) => {
                let mut spent = 0;
                for piece in list.iter_mut() {
                    let step = left.min(piece.len());
                    piece.advance(step);
                    left -= step;
                    if !piece.is_empty() {
                        break;
                    }
                    spent += 1;
                }
                list.drain(..spent);
            }
        }
        if self.len == 0 {
            self.list = List::Empty;
        }
    }
}
