//! The loop between the core and the client.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvs_aws::{Client, Error, PutMediaExchange, StreamId};
use tokio::time::Sleep;

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
    io: Io,
    send_interval: Duration,
}

/// What the actions of the core work on.
struct Io {
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
        let io = Io {
            client,
            stream,
            transport: Transport::default(),
            response: None,
            opening: None,
            #[cfg(feature = "spool")]
            spool: None,
        };
        Self { shared, io, send_interval: Duration::ZERO }
    }

    pub(super) const fn with_send_interval(mut self, interval: Duration) -> Self {
        self.send_interval = interval;
        self
    }

    #[cfg(feature = "spool")]
    pub(super) fn with_spool(mut self, spool: Option<SpoolThread>) -> Self {
        self.io.spool = spool;
        self
    }

    pub(super) async fn run(mut self) {
        // One timer for all deadlines: moving it to a later time costs next to nothing, and most deadlines move with each frame.
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            let next = self.pass();
            self.shared.changed.notify_waiters();
            let Next::Wait { timeout } = next else { return };
            if let Some(at) = timeout.filter(|&at| timer.deadline() != at.into()) {
                timer.as_mut().reset(at.into());
            }
            self.wait(timeout.map(|_| timer.as_mut())).await;
        }
    }

    /// Does everything that the core wants done now and the connection has room for. Media is passed on in one hold of the lock;
    /// other actions may run foreign code, such as a subscriber of the log, and are rare.
    fn pass(&mut self) -> Next {
        let now = now();
        let mut core = self.shared.core();
        let mut has_sent = false;
        loop {
            while let Some(transmit) = core.poll_transmit(now) {
                match transmit {
                    Transmit::Body { chunks, .. } => self.io.transport.push(chunks),
                    Transmit::End { .. } => self.io.transport.push_end(),
                    action => {
                        drop(core);
                        self.io.act(action);
                        core = self.shared.core();
                    }
                }
            }
            match (self.io.transport.session(), self.io.transport.send_now()) {
                (Some(session), Ok(Some(bytes))) => {
                    has_sent = true;
                    core.handle_sent(session, bytes, now);
                }
                (_, Ok(_)) => break,
                // The response says why the session ended; it is read next.
                (_, Err(_)) => self.io.transport.stop_sending(),
            }
        }
        if core.has_events() {
            self.shared.reported.notify_waiters();
        }
        if core.is_finished() {
            return Next::End;
        }
        let rests = has_sent && !self.send_interval.is_zero();
        self.shared.set_resting(rests);
        let rested = rests.then(|| now + self.send_interval);
        Next::Wait { timeout: core.poll_timeout(now).into_iter().chain(rested).min() }
    }

    /// Waits for one input and passes it to the core.
    async fn wait(&mut self, mut timer: Option<Pin<&mut Sleep>>) {
        let session = self.io.transport.session();
        let (sender, acks) = self.io.transport.halves();
        #[cfg(feature = "spool")]
        let spooled = spool_response(&mut self.io.spool);
        #[cfg(not(feature = "spool"))]
        let spooled = pending::<()>();
        tokio::select! {
            biased;
            piece = acks.next() => self.on_acks(session, piece),
            (id, response) = ready(&mut self.io.response) => {
                self.io.response = None;
                let wall = self.io.client.service_time();
                let mut core = self.shared.core();
                // A camera's clock is often set only once the network is available; the service's time is known from its
                // responses.
                core.handle_clock(wall, now());
                core.handle_response(id, response, now());
            }
            (session, exchange) = ready(&mut self.io.opening) => {
                self.io.opening = None;
                self.on_opened(session, exchange);
            }
            sent = sender.send() => {
                if let (Some(session), Ok(bytes)) = (session, sent) {
                    self.shared.core().handle_sent(session, bytes, now());
                } else {
                    // The response says why the session ended; it is read next.
                    self.io.transport.stop_sending();
                }
            }
            response = spooled => {
                #[cfg(feature = "spool")]
                self.shared.core().handle_spool(response, now());
                #[cfg(not(feature = "spool"))]
                let () = response;
            }
            () = self.shared.work.notified() => {}
            () = ready(&mut timer) => self.shared.core().handle_timeout(now()),
        }
    }

    fn on_opened(&mut self, session: SessionId, exchange: Result<PutMediaExchange, Failure>) {
        match exchange {
            Ok(exchange) => {
                tracing::info!(stream = %self.io.stream, %session, "session open");
                self.io.transport.open(session, exchange);
                self.shared.core().handle_opened(session, now());
            }
            Err(failure) => {
                tracing::debug!(stream = %self.io.stream, %session, %failure, "session not opened");
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
        tracing::debug!(stream = %self.io.stream, %session, ?reason, "session ended");
        self.io.transport.abort(session);
        self.shared.core().handle_closed(session, reason, now());
    }
}

/// What follows a pass.
enum Next {
    Wait { timeout: Option<Instant> },
    End,
}

impl Io {
    /// Starts an action of the core.
    fn act(&mut self, transmit: Transmit) {
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
