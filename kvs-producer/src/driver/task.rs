//! The loop that moves between the core and the client.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kvs_aws::{Client, StreamId};
use tokio::sync::Notify;

use super::classify::failure;
use super::control_plane::{self, Answering, Opening};
use super::transport::Wire;
use crate::io::failure::Failure;
use crate::io::session_id::SessionId;
use crate::io::transmit::Transmit;
use crate::producer_core::ProducerCore;
use crate::report::reason::CloseReason;

/// What the handle and the task share. The lock is held for single steps of the core, never over an await.
#[derive(Debug)]
pub(super) struct Shared {
    producer: Mutex<ProducerCore>,
    /// The task has something to do.
    pub(super) work: Notify,
    /// Something happened that a waiting user may be waiting for.
    pub(super) news: Notify,
    /// Nobody drives any more.
    closed: AtomicBool,
}

impl Shared {
    pub(super) fn new(producer: ProducerCore) -> Self {
        Self {
            producer: Mutex::new(producer),
            work: Notify::new(),
            news: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Says that nobody drives any more, and wakes whoever waits for something to happen.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.news.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn producer(&self) -> MutexGuard<'_, ProducerCore> {
        // A panic inside the core would be a bug of the core; what it left is still the best there is to report.
        self.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time as tokio has it, so that tests can stop it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Drives one stream until its core is finished. Dropping the future drops the connection.
pub(super) struct Task {
    shared: Arc<Shared>,
    client: Client,
    stream: StreamId,
    wire: Wire,
    answering: Option<Answering>,
    opening: Option<Opening>,
}

impl Task {
    pub(super) fn new(shared: Arc<Shared>, client: Client, stream: StreamId) -> Self {
        Self { shared, client, stream, wire: Wire::default(), answering: None, opening: None }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.transmit();
            self.shared.news.notify_waiters();
            if self.shared.producer().is_finished() {
                return;
            }
            self.wait().await;
        }
    }

    /// Does all that the core wants done now.
    fn transmit(&mut self) {
        loop {
            let Some(transmit) = self.shared.producer().poll_transmit(now()) else { return };
            match transmit {
                Transmit::Control { id, request: call } => {
                    tracing::debug!(stream = %self.stream, call = call.name(), "calling");
                    self.answering = Some(control_plane::call(self.client.clone(), self.stream.clone(), id, call));
                }
                Transmit::Open { session, request } => {
                    tracing::debug!(stream = %self.stream, %session, endpoint = %request.endpoint, "connecting");
                    self.opening =
                        Some(control_plane::open(self.client.clone(), self.stream.clone(), session, request));
                }
                Transmit::Body { chunks, .. } => self.wire.push(chunks),
                Transmit::End { .. } => self.wire.push_end(),
                Transmit::Abort { session } => {
                    self.opening = None;
                    self.wire.abort(session);
                }
            }
        }
    }

    /// Sleeps until one thing happened, and tells the core.
    async fn wait(&mut self) {
        let timeout = self.shared.producer().poll_timeout(now());
        let session = self.wire.session();
        let (sender, acks) = self.wire.halves();
        tokio::select! {
            biased;
            piece = acks.next() => self.on_acks(session, piece),
            (id, answer) = ready(&mut self.answering) => {
                self.answering = None;
                let wall = self.client.service_time();
                let mut producer = self.shared.producer();
                // A camera's clock is often set only once the network is there, and the service's is known by its answers.
                producer.handle_clock(wall, now());
                producer.handle_response(id, answer, now());
            }
            (session, exchange) = ready(&mut self.opening) => {
                self.opening = None;
                self.on_opened(session, exchange);
            }
            sent = sender.send() => {
                if let (Some(session), Ok(bytes)) = (session, sent) {
                    self.shared.producer().handle_sent(session, bytes, now());
                } else {
                    // The half that acks come out of tells why: it is read next.
                    self.wire.mute();
                }
            }
            () = self.shared.work.notified() => {}
            () = sleep_until(timeout) => self.shared.producer().handle_timeout(now()),
        }
    }

    fn on_opened(&mut self, session: SessionId, exchange: Result<kvs_aws::PutMediaExchange, Failure>) {
        match exchange {
            Ok(exchange) => {
                tracing::info!(stream = %self.stream, %session, "session open");
                self.wire.opened(session, exchange);
                self.shared.producer().handle_opened(session, now());
            }
            Err(failure) => {
                tracing::debug!(stream = %self.stream, %session, %failure, "session not opened");
                self.shared.producer().handle_closed(session, CloseReason::Failed(failure), now());
            }
        }
    }

    fn on_acks(&mut self, session: Option<SessionId>, piece: Result<Option<bytes::Bytes>, kvs_aws::Error>) {
        let Some(session) = session else { return };
        let reason = match piece {
            Ok(Some(bytes)) => return self.shared.producer().handle_ack(session, &bytes, now()),
            Ok(None) => CloseReason::Broken("the service ended the session".to_owned()),
            Err(error) if error.service().is_some() => CloseReason::Failed(failure(&error)),
            Err(error) => CloseReason::Broken(failure(&error).message),
        };
        tracing::debug!(stream = %self.stream, %session, ?reason, "session ended");
        self.wire.abort(session);
        self.shared.producer().handle_closed(session, reason, now());
    }
}

async fn ready<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}
