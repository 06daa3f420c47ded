//! The connection in use, and the data that waits to be sent on it.

use std::collections::VecDeque;
use std::future::pending;

use bytes::Bytes;
use kvs_aws::{Error, PutMediaAcks, PutMediaExchange, PutMediaSender, SendPermit, SessionEnded};
use kvs_mkv::Chunks;

use crate::io::session_id::SessionId;

/// The two halves of one PutMedia exchange.
#[derive(Debug, Default)]
pub(super) struct Transport {
    open: Option<SessionId>,
    sender: Sender,
    acks: Option<PutMediaAcks>,
}

/// The half that sends media, with the data that waits.
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

impl Transport {
    pub(super) fn open(&mut self, session: SessionId, exchange: PutMediaExchange) {
        let (sender, acks) = exchange.split();
        self.sender = Sender { half: Some(sender), queue: VecDeque::new() };
        self.acks = Some(acks);
        self.open = Some(session);
    }

    pub(super) const fn session(&self) -> Option<SessionId> {
        self.open
    }

    /// Drops the connection immediately.
    pub(super) fn abort(&mut self, session: SessionId) {
        if self.open == Some(session) {
            *self = Self::default();
        }
    }

    /// Drops the data that waits. The half is kept: dropping it would close the connection with acknowledgements unread.
    pub(super) fn stop_sending(&mut self) {
        self.sender.queue.clear();
    }

    pub(super) fn push(&mut self, chunks: Chunks) {
        self.sender.queue.push_back(Piece::Body(chunks));
    }

    pub(super) fn push_end(&mut self) {
        self.sender.queue.push_back(Piece::End);
    }

    /// Sends waiting data as far as there is room now. Returns the number of bytes, `None` without data or room.
    pub(super) fn send_now(&mut self) -> Result<Option<usize>, SessionEnded> {
        self.sender.send_now()
    }

    /// Returns both halves, to be awaited concurrently.
    pub(super) fn halves(&mut self) -> (&mut Sender, Acks<'_>) {
        (&mut self.sender, Acks(self.acks.as_mut()))
    }
}

/// The half that receives acknowledgements.
pub(super) struct Acks<'a>(Option<&'a mut PutMediaAcks>);

impl Acks<'_> {
    /// Returns the next bytes of the response. Pending forever without a connection.
    pub(super) async fn next(self) -> Result<Option<Bytes>, Error> {
        match self.0 {
            Some(acks) => acks.next().await,
            None => pending().await,
        }
    }
}

impl Sender {
    fn send_now(&mut self) -> Result<Option<usize>, SessionEnded> {
        let Some(half) = self.half.as_mut().filter(|_| !self.queue.is_empty()) else { return Ok(None) };
        Ok(half.try_reserve()?.map(|permit| fill(permit, &mut self.queue)))
    }

    /// Sends waiting data as soon as there is room and returns the number of bytes. Cancel-safe.
    pub(super) async fn send(&mut self) -> Result<usize, SessionEnded> {
        let Some(half) = self.half.as_mut().filter(|_| !self.queue.is_empty()) else { return pending().await };
        let permit = half.reserve().await?;
        Ok(fill(permit, &mut self.queue))
    }
}

/// Combines small blocks into one HTTP chunk: audio frames would otherwise need a chunk each.
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

/// The largest TLS record (RFC 8446, section 5.1).
const CHUNK_BYTES: usize = 16 << 10;
