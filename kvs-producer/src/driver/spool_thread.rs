//! The thread of a spool: files are read and written there, so that the runtime never waits for a disk.

use std::future::pending;
use std::io;
use std::sync::mpsc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::spool::engine::Spool;
use crate::spool::message::{SpoolRequest, SpoolResponse};

/// The two ends of the thread's channels. Dropping it ends the thread after the request in progress.
///
/// The channels have no limit of their own: the core has at most a few requests open.
#[derive(Debug)]
pub(super) struct SpoolThread {
    requests: mpsc::Sender<SpoolRequest>,
    responses: UnboundedReceiver<SpoolResponse>,
}

impl SpoolThread {
    pub(super) fn start(mut spool: Spool) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel();
        let (outbox, responses) = unbounded_channel();
        std::thread::Builder::new().name("kvs-spool".to_owned()).spawn(move || {
            while let Ok(request) = inbox.recv() {
                for response in spool.handle(request) {
                    if outbox.send(response).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Self { requests, responses })
    }

    /// Queues a request. If the thread has ended there is no response, and the core goes on without the spool.
    pub(super) fn request(&self, request: SpoolRequest) {
        let _ = self.requests.send(request);
    }

    /// Returns the next response. Cancel-safe.
    pub(super) async fn next(&mut self) -> SpoolResponse {
        match self.responses.recv().await {
            Some(response) => response,
            None => pending().await,
        }
    }
}
