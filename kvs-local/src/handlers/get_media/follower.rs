//! A GetMedia connection.

use std::error::Error;
use std::sync::Arc;

use tokio::sync::watch;

use super::reader::{MediaReader, Read};
use crate::clock::Clock;
use crate::handlers::media_response::MediaSender;
use crate::shutdown::Shutdown;
use crate::stream::registry::StreamRecord;
use crate::stream::{ReadLease, StreamHub};

/// Follows a stream for one client.
pub(super) struct Follower {
    pub(super) stream: StreamRecord,
    pub(super) reader: MediaReader,
    pub(super) arrivals: watch::Receiver<u64>,
    pub(super) hub: Arc<StreamHub>,
    pub(super) clock: Clock,
    pub(super) shutdown: Shutdown,
    /// Released at the end.
    pub(super) _lease: ReadLease,
}

impl Follower {
    /// Sends media until none arrives for a while, the stream is deleted, the service stops or the client has gone.
    pub(super) async fn run(mut self, mut read: Read, mut sender: MediaSender) {
        loop {
            let continues = match read {
                Read::Media { bytes, .. } => {
                    let size = bytes.len() as u64;
                    let sent = sender.send(bytes).await;
                    sender.pace(size, 1).await;
                    sent
                }
                Read::Wait { until } => self.wait(until.into()).await,
                Read::End => false,
            };
            if !continues {
                break;
            }
            (self, read) = match self.read().await {
                Ok(next) => next,
                Err(error) => return sender.abort(&*error),
            };
        }
        tracing::debug!(stream = self.stream.name, "GetMedia connection ended");
        // Before the response ends: a client that reconnects at once must find the lease free.
        drop(self);
    }

    /// Reads what comes next, on a thread that may block.
    pub(super) async fn read(mut self) -> Result<(Self, Read), Box<dyn Error + Send + Sync>> {
        // Before reading, so that a fragment stored between reading and waiting still wakes this reader.
        self.arrivals.mark_unchanged();
        let read = tokio::task::spawn_blocking(move || {
            let read = self.reader.read(self.hub.store(), &self.stream.media_key(), self.clock.now())?;
            Ok((self, read))
        });
        read.await?
    }

    /// Waits for a fragment or the deadline; returns `false` if the stream was deleted or the service stops.
    async fn wait(&mut self, until: tokio::time::Instant) -> bool {
        tokio::select! {
            changed = self.arrivals.changed() => changed.is_ok(),
            () = tokio::time::sleep_until(until) => true,
            () = self.shutdown.requested() => false,
        }
    }
}
