//! The loop between the core and the client.

use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use kvs_aws::{Client, Error, PutMediaExchange, StreamId};

use super::classify::failure;
use super::control_plane::{self, OpenFuture, ResponseFuture};
use super::shared::{Shared, now};
#[cfg(feature = "spool")]
use super::spool_thread::SpoolThread;
use super::transport::Transport;
use crate::io::failure::Failure;
use crate::io::session_id::SessionId;
use crate::io::transmit::Transmit;
use crate::report::reason::CloseReason;
#[cfg(feature = "spool")]
use crate::spool::message::SpoolResponse;

/// Drives one stream until its core is finished. Dropping the future drops the connection.
pub(super) struct Task {
    shared: Arc<Shared>,
    client: Client,
    stream: StreamId,
    transport: Transport,
    response: Option<ResponseFuture>,
    opening: Option<OpenFuture>,
    #[cfg(feature = "spool")]
    spool: Option<SpoolThread>,
}

impl Drop for Task {
    /// Wakes all that wait for the task, whatever has ended it, a panic included.
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Task {
    pub(super) fn new(shared: Arc<Shared>, client: Client, stream: StreamId) -> Self {
        Self {
            shared,
            client,
            stream,
            transport: Transport::default(),
            response: None,
            opening: None,
            #[cfg(feature = "spool")]
            spool: None,
        }
    }

    #[cfg(feature = "spool")]
    pub(super) fn with_spool(mut self, spool: Option<SpoolThread>) -> Self {
        self.spool = spool;
        self
    }

    pub(super) async fn run(mut self) {
        loop {
            self.transmit();
            self.shared.changed.notify_waiters();
            if self.shared.core().is_finished() {
                return;
            }
            self.wait().await;
        }
    }

    /// Starts everything that the core wants done now.
    fn transmit(&mut self) {
        loop {
            let Some(transmit) = self.shared.core().poll_transmit(now()) else { return };
            match transmit {
                Transmit::Control { id, request } => {
                    tracing::debug!(stream = %self.stream, request = request.name(), "sending request");
                    let (client, stream) = (self.client.clone(), self.stream.clone());
                    self.response = Some(control_plane::send(client, stream, id, request));
                }
                Transmit::Open { session, request } => {
                    tracing::debug!(stream = %self.stream, %session, endpoint = %request.endpoint, "connecting");
                    let (client, stream) = (self.client.clone(), self.stream.clone());
                    self.opening = Some(control_plane::open(client, stream, session, request));
                }
                Transmit::Body { chunks, .. } => self.transport.push(chunks),
                Transmit::End { .. } => self.transport.push_end(),
                #[cfg(feature = "spool")]
                Transmit::Spool(request) => {
                    if let Some(spool) = &self.spool {
                        spool.request(request);
                    }
                }
                Transmit::Abort { session } => {
                    self.opening = None;
                    self.transport.abort(session);
                }
            }
        }
    }

    /// Waits for one input and passes it to the core.
    async fn wait(&mut self) {
        let timeout = self.shared.core().poll_timeout(now());
        let session = self.transport.session();
        let (sender, acks) = self.transport.halves();
        #[cfg(feature = "spool")]
        let spooled = spool_response(&mut self.spool);
        #[cfg(not(feature = "spool"))]
        let spooled = pending::<()>();
        tokio::select! {
            biased;
            piece = acks.next() => self.on_acks(session, piece),
            (id, response) = ready(&mut self.response) => {
                self.response = None;
                let wall = self.client.service_time();
                let mut core = self.shared.core();
                // A camera's clock is often set only once the network is available; the service's time is known from its
                // responses.
                core.handle_clock(wall, now());
                core.handle_response(id, response, now());
            }
            (session, exchange) = ready(&mut self.opening) => {
                self.opening = None;
                self.on_opened(session, exchange);
            }
            sent = sender.send() => {
                if let (Some(session), Ok(bytes)) = (session, sent) {
                    self.shared.core().handle_sent(session, bytes, now());
                } else {
                    // The response says why the session ended; it is read next.
                    self.transport.stop_sending();
                }
            }
            response = spooled => {
                #[cfg(feature = "spool")]
                self.shared.core().handle_spool(response, now());
                #[cfg(not(feature = "spool"))]
                let () = response;
            }
            () = self.shared.work.notified() => {}
            () = sleep_until(timeout) => self.shared.core().handle_timeout(now()),
        }
    }

    fn on_opened(&mut self, session: SessionId, exchange: Result<PutMediaExchange, Failure>) {
        match exchange {
            Ok(exchange) => {
                tracing::info!(stream = %self.stream, %session, "session open");
                self.transport.open(session, exchange);
                self.shared.core().handle_opened(session, now());
            }
            Err(failure) => {
                tracing::debug!(stream = %self.stream, %session, %failure, "session not opened");
                self.shared.core().handle_closed(session, CloseReason::Failed(failure), now());
            }
        }
    }

    fn on_acks(&mut self, session: Option<SessionId>, piece: Result<Option<Bytes>, Error>) {
        let Some(session) = session else { return };
        let reason = match piece {
            Ok(Some(bytes)) => return self.shared.core().handle_ack(session, &bytes, now()),
            Ok(None) => CloseReason::Broken("the service ended the session".to_owned()),
            Err(error) if error.service().is_some() => CloseReason::Failed(failure(&error)),
            Err(error) => CloseReason::Broken(failure(&error).message),
        };
        tracing::debug!(stream = %self.stream, %session, ?reason, "session ended");
        self.transport.abort(session);
        self.shared.core().handle_closed(session, reason, now());
    }
}

async fn ready<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

#[cfg(feature = "spool")]
async fn spool_response(spool: &mut Option<SpoolThread>) -> SpoolResponse {
    match spool {
        Some(spool) => spool.next().await,
        None => pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}
