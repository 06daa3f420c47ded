//! The request body: messages from a bounded queue. It ends only with an explicit end message.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use crate::client_limits;

/// A message from the sender to the body.
pub(super) enum Message {
    Data(Pieces),
    End,
}

/// The sender was dropped before the end message.
#[derive(Debug, thiserror::Error)]
#[error("session aborted before the end of the media")]
pub(super) struct Aborted;

pub(super) struct PutBody {
    messages: mpsc::Receiver<Message>,
    ended: bool,
}

impl PutBody {
    pub(super) fn new() -> (Self, mpsc::Sender<Message>) {
        let (sender, messages) = mpsc::channel(client_limits::PUT_MEDIA_QUEUE);
        (Self { messages, ended: false }, sender)
    }
}

impl Body for PutBody {
    type Data = Pieces;
    type Error = Aborted;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Pieces>, Aborted>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let message = std::task::ready!(self.messages.poll_recv(cx));
        Poll::Ready(match message {
            Some(Message::Data(pieces)) => Some(Ok(Frame::data(pieces))),
            Some(Message::End) => {
                self.ended = true;
                None
            }
            // With an error hyper does not write the last chunk, so the service does not take a cut fragment for a complete one.
            None => {
                self.ended = true;
                Some(Err(Aborted))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// Pieces that are sent as one HTTP chunk without being copied together.
pub(super) struct Pieces {
    list: VecDeque<Bytes>,
    left: usize,
}

impl FromIterator<Bytes> for Pieces {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let list: VecDeque<_> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let left = list.iter().map(Bytes::len).sum();
        Self { list, left }
    }
}

impl Pieces {
    pub(super) const fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.list.front().map_or(&[], |piece| piece)
    }

    /// Fills in all pieces that fit. hyper continues with the next buffer after them, so leaving out a piece would reorder the
    /// media.
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.len().min(self.list.len());
        for (slice, piece) in slices.iter_mut().zip(&self.list) {
            *slice = IoSlice::new(piece);
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.left, "cannot advance by {count} past {} remaining bytes", self.left);
        self.left -= count;
        while let Some(front) = self.list.front_mut().filter(|_| count > 0) {
            let step = count.min(front.len());
            front.advance(step);
            count -= step;
            if front.is_empty() {
                self.list.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_order_for_any_step_size() {
        for step in 1..9 {
            let mut pieces: Pieces = ["ab", "", "cde", "f", "ghi"].into_iter().map(Bytes::from_static_str).collect();
            let mut out = Vec::new();
            while pieces.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 8];
                let filled = pieces.chunks_vectored(&mut slices);
                let all: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
                assert_eq!(all.len(), pieces.remaining());
                let taken = step.min(all.len());
                out.extend_from_slice(&all[..taken]);
                pieces.advance(taken);
            }
            assert_eq!(out, b"abcdefghi");
        }
    }

    trait FromStaticStr {
        fn from_static_str(text: &'static str) -> Self;
    }

    impl FromStaticStr for Bytes {
        fn from_static_str(text: &'static str) -> Self {
            Self::from_static(text.as_bytes())
        }
    }
}
