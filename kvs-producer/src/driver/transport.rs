//! The connection in use, and what waits for it.

use std::collections::VecDeque;
use std::future::pending;

use bytes::Bytes;
use kvs_aws::{Error, PutMediaAcks, PutMediaExchange, PutMediaSender, SendPermit, SessionEnded};
use kvs_mkv::Chunks;

use crate::io::session_id::SessionId;

/// The two halves of one exchange.
#[derive(Debug, Default)]
pub(super) struct Wire {
    open: Option<SessionId>,
    sender: Sender,
    acks: Option<PutMediaAcks>,
}

/// The half that media goes into, with what waits for it.
#[derive(Debug, Default)]
pub(super) struct Sender {
    half: Option<PutMediaSender>,
    queue: VecDeque<Piece>,
}

#[derive(Debug)]
enum Piece {
    Body(Chunks),
    End,
}

impl Wire {
    pub(super) fn opened(&mut self, session: SessionId, exchange: PutMediaExchange) {
        let (sender, acks) = exchange.split();
        self.sender = Sender { half: Some(sender), queue: VecDeque::new() };
        self.acks = Some(acks);
        self.open = Some(session);
    }

    pub(super) const fn session(&self) -> Option<SessionId> {
        self.open
    }

    /// Drops the connection at once.
    pub(super) fn abort(&mut self, session: SessionId) {
        if self.open == Some(session) {
            *self = Self::default();
        }
    }

    /// Sends nothing of what waits. The half is kept: dropping it would close the connection with acks unread.
    pub(super) fn mute(&mut self) {
        self.sender.queue.clear();
    }

    pub(super) fn push(&mut self, chunks: Chunks) {
        self.sender.queue.push_back(Piece::Body(chunks));
    }

    pub(super) fn push_end(&mut self) {
        self.sender.queue.push_back(Piece::End);
    }

    /// Both halves, to be waited for side by side.
    pub(super) fn halves(&mut self) -> (&mut Sender, Acks<'_>) {
        (&mut self.sender, Acks(self.acks.as_mut()))
    }
}

/// The half that acks come out of.
pub(super) struct Acks<'a>(Option<&'a mut PutMediaAcks>);

impl Acks<'_> {
    /// The next bytes; never, where there is no connection.
    pub(super) async fn next(self) -> Result<Option<Bytes>, Error> {
        match self.0 {
            Some(acks) => acks.next().await,
            None => pending().await,
        }
    }
}

impl Sender {
    /// Sends what waits, as soon as there is room; says how many bytes. Cancel-safe.
    pub(super) async fn send(&mut self) -> Result<usize, SessionEnded> {
        let Some(half) = self.half.as_mut().filter(|_| !self.queue.is_empty()) else { return pending().await };
        let permit = half.reserve().await?;
        Ok(fill(permit, &mut self.queue))
    }
}

/// One HTTP chunk takes as many small blocks as fit: sound would otherwise cost a chunk each.
fn fill(permit: SendPermit<'_>, queue: &mut VecDeque<Piece>) -> usize {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    while let Some(Piece::Body(next)) = queue.front() {
        if bytes > 0 && bytes + next.len() > CHUNK_BYTES {
            break;
        }
        bytes += next.len();
        if let Some(Piece::Body(next)) = queue.pop_front() {
            chunk.extend(next);
        }
    }
    if chunk.is_empty() {
        queue.pop_front();
        permit.end();
    } else {
        permit.send(chunk);
    }
    bytes
}

/// About what one TLS record and one write to the socket carry well.
const CHUNK_BYTES: usize = 16 << 10;
