//! A connection that reports a failed write only after everything that had arrived was read.
//!
//! When a peer resets a connection, acknowledgements may lie in the receive buffer, where the system lets them be read. hyper
//! gives up the connection at the first failed write, before it has passed them on; then the producer sends again what the
//! service has already stored.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::Sleep;

/// How long a failed write is withheld: what has arrived is read within microseconds, and then reading ends too.
const READING: Duration = Duration::from_secs(1);

/// Withholds the error of a write until the reading side has ended.
pub(super) struct ReadFirst<C> {
    connection: C,
    failed: Option<Failed>,
}

struct Failed {
    kind: io::ErrorKind,
    until: Pin<Box<Sleep>>,
}

impl<C> ReadFirst<C> {
    pub(super) const fn new(connection: C) -> Self {
        Self { connection, failed: None }
    }

    /// Passes on a result of a write, but an error only after the time for reading.
    fn withhold<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(error)) => {
                let until = Box::pin(tokio::time::sleep(READING));
                self.failed = Some(Failed { kind: error.kind(), until });
                self.failure(cx).unwrap_or(Poll::Pending)
            }
            other => other,
        }
    }

    /// The result of every write after a failed one.
    fn failure<T>(&mut self, cx: &mut Context<'_>) -> Option<Poll<io::Result<T>>> {
        let Failed { kind, until } = self.failed.as_mut()?;
        Some(until.as_mut().poll(cx).map(|()| Err((*kind).into())))
    }
}

impl<C: Read + Unpin> Read for ReadFirst<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, room)
    }
}

impl<C: Write + Unpin> Write for ReadFirst<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(failure) = self.failure(cx) {
            return failure;
        }
        let written = Pin::new(&mut self.connection).poll_write(cx, bytes);
        self.withhold(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(failure) = self.failure(cx) {
            return failure;
        }
        let written = Pin::new(&mut self.connection).poll_write_vectored(cx, slices);
        self.withhold(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(failure) = self.failure(cx) {
            return failure;
        }
        let flushed = Pin::new(&mut self.connection).poll_flush(cx);
        self.withhold(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(failure) = self.failure(cx) {
            return failure;
        }
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
