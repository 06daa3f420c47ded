//! A PutMedia session: feeds the body to the ingest core, sends its acks and stores its fragments.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use kvs_types::__internal::RateLimiter;
use kvs_types::{ErrorId, FragmentNumber};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::post_persist::{PostPersist, PostPersistActions};
use super::upload::Upload;
use crate::api::wire::{self, Response};
use crate::clock::Clock;
use crate::faults::{InjectedFaults, ReadAction};
use crate::ingest::{Ack, Ingest, IngestedFragment};
use crate::limits;
use crate::quotas::{Flow, Quota};
use crate::shutdown::Shutdown;
use crate::status::{Activity, ConnectedProducer};
use crate::stream::registry::StreamRecord;
use crate::stream::{LeaseEnd, PutLease, StreamHub};

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct SessionContext {
    pub(crate) hub: Arc<StreamHub>,
    pub(crate) post_persist: PostPersist,
    pub(crate) quota: Arc<Quota>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
}

/// A PutMedia session.
pub(in crate::handlers) struct Session {
    context: Arc<SessionContext>,
    stream: StreamRecord,
    connected: ConnectedProducer,
    /// Released as soon as no more body comes, so that a producer that reconnects finds it free.
    lease: Option<PutLease>,
    ingest: Ingest,
    waiting: VecDeque<IngestedFragment>,
    storing: Option<Storing>,
    faults: InjectedFaults,
    /// Bytes of the body so far.
    read: u64,
    /// Fragments received so far.
    received: u32,
    /// Limits the rate at which the body is read.
    inflow: RateLimiter,
    /// Last field, so that everything else is dropped before the permit returns: shutdown waits for it.
    _permit: OwnedSemaphorePermit,
}

/// The result of storing a fragment: the actions that are due now, if any.
type Stored = Result<Option<PostPersistActions>, ErrorId>;

/// A fragment that is being stored on a thread that may block.
struct Storing {
    number: FragmentNumber,
    done: JoinHandle<Stored>,
}

/// What a session waits for.
#[expect(clippy::large_enum_variant, reason = "one event at a time, on the stack")]
enum SessionEvent {
    Body(Option<Result<Bytes, hyper::Error>>),
    Stored(FragmentNumber, Stored),
    Timeout,
    LeaseLost(LeaseEnd),
    Shutdown,
}

impl Session {
    pub(super) fn new(
        context: Arc<SessionContext>,
        stream: StreamRecord,
        lease: PutLease,
        ingest: Ingest,
        faults: InjectedFaults,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let connected = context.activity.producer(&stream.name, context.clock.wall());
        Self {
            context,
            stream,
            connected,
            lease: Some(lease),
            ingest,
            waiting: VecDeque::new(),
            storing: None,
            faults,
            read: 0,
            received: 0,
            inflow: RateLimiter::new(),
            _permit: permit,
        }
    }

    /// Starts the session in a task of its own and returns the response, whose head is sent before the body is read.
    pub(in crate::handlers) async fn start(self, body: Incoming, expects_continue: bool) -> Response {
        let mut upload = Upload::new(body);
        if expects_continue {
            upload.send_continue().await;
        }
        let (acks, response) = Channel::<Bytes, io::Error>::new(limits::WAITING_ACKS);
        // The causes of error acks are logged by the ingest core, which does not know the stream.
        let span = tracing::info_span!("put_media", stream = self.stream.name);
        drop(tokio::spawn(self.run(upload, acks).instrument(span)));
        wire::streamed(wire::JSON, response.boxed_unsync())
    }

    /// Runs until the last ack is sent or, if the client has gone, until everything received is stored.
    async fn run(mut self, mut upload: Upload, acks: Sender<Bytes, io::Error>) {
        let mut acks = Some(acks);
        loop {
            self.flush(&mut acks).await;
            if self.ingest.is_finished() {
                break;
            }
            let mut event = self.next_event(&mut upload).await;
            // Before the PERSISTED ack: a client that has seen it may rely on its images and messages being queued.
            if let SessionEvent::Stored(_, Ok(actions)) = &mut event
                && let Some(actions) = actions.take()
            {
                self.context.post_persist.run(actions).await;
            }
            let action = self.read_action(&event);
            self.handle(event);
            match action {
                ReadAction::Continue { pause } if pause.is_zero() => {}
                ReadAction::Continue { pause } => tokio::time::sleep(pause).await,
                ReadAction::Disconnect => self.disconnect(&mut acks),
            }
        }
        tracing::debug!(stream = self.stream.name, "PutMedia session ended");
        self.lease = None;
        // Like the service, end the response before the client has ended its body. What the client still sends is read for
        // a while, so that a reset does not destroy the last ack.
        drop(acks);
        upload.discard();
    }

    /// Sends acks and starts to store complete fragments.
    async fn flush(&mut self, acks: &mut Option<Sender<Bytes, io::Error>>) {
        // Before the acks: an injected error ack must not wait for the client's next bytes.
        while let Some(fragment) = self.ingest.poll_fragment() {
            self.received = self.received.saturating_add(1);
            match self.faults.error_ack(self.received) {
                Some(id) => self.ingest.handle_stored(&fragment.number, Err(ErrorId(id)), self.context.clock.now()),
                None => self.waiting.push_back(fragment),
            }
        }
        while let Some(ack) = self.ingest.poll_ack() {
            log_error_ack(&ack);
            self.context.activity.acked(&self.stream.name, &ack, self.context.clock.wall());
            let Some(sender) = acks else { continue };
            if !send_ack(sender, &ack, &self.faults).await {
                *acks = None;
                self.lease = None;
                self.ingest.handle_broken(self.context.clock.now());
            }
        }
        // Fragments behind a refused one are not stored, since no ack reports them as stored.
        if self.storing.is_none() && !self.ingest.is_finished() {
            self.storing = self.waiting.pop_front().map(|fragment| self.store(fragment));
        }
    }

    /// Returns what injected faults and quotas require after an event.
    fn read_action(&mut self, event: &SessionEvent) -> ReadAction {
        let bytes = match event {
            SessionEvent::Body(Some(Ok(bytes))) => bytes.len() as u64,
            SessionEvent::LeaseLost(LeaseEnd::Replaced) => return ReadAction::Disconnect,
            _ => return ReadAction::Continue { pause: Duration::ZERO },
        };
        let from = self.read;
        self.read = from.saturating_add(bytes);
        self.connected.received(bytes);
        let paced = self.context.quota.pace(&mut self.inflow, Flow::In, bytes, self.context.clock.now().at);
        match self.faults.on_body(from, self.read) {
            ReadAction::Continue { pause } => ReadAction::Continue { pause: pause.max(paced) },
            ReadAction::Disconnect => ReadAction::Disconnect,
        }
    }

    /// Closes the connection without ending the response.
    fn disconnect(&mut self, acks: &mut Option<Sender<Bytes, io::Error>>) {
        if let Some(acks) = acks.take() {
            acks.abort(io::Error::other("closed by the fault script or by another producer of the stream"));
        }
        self.lease = None;
        self.ingest.handle_broken(self.context.clock.now());
    }

    fn store(&self, fragment: IngestedFragment) -> Storing {
        let (context, key, stream) = (Arc::clone(&self.context), self.stream.media_key(), self.stream.arn.clone());
        let (number, wall) = (fragment.number.clone(), self.context.clock.wall());
        let done = tokio::task::spawn_blocking(move || {
            context.hub.append(&key, &fragment).map(|_| context.post_persist.plan(&stream, &fragment, wall))
        });
        Storing { number, done }
    }

    async fn next_event(&mut self, upload: &mut Upload) -> SessionEvent {
        let takes_body = self.ingest.takes_body();
        let timeout = self.ingest.poll_timeout().map(tokio::time::Instant::from_std);
        let storing = &mut self.storing;
        let open = self.lease.is_some();
        tokio::select! {
            biased;
            (number, result) = poll_fn(|cx| poll_storing(storing, cx)) => SessionEvent::Stored(number, result),
            end = lost(self.lease.as_mut()), if open => SessionEvent::LeaseLost(end),
            () = self.context.shutdown.requested(), if open => SessionEvent::Shutdown,
            piece = upload.next(), if takes_body => SessionEvent::Body(piece),
            () = sleep_until(timeout), if timeout.is_some() => SessionEvent::Timeout,
        }
    }

    fn handle(&mut self, event: SessionEvent) {
        let now = self.context.clock.now();
        match event {
            SessionEvent::Body(Some(Ok(bytes))) => self.ingest.handle_body(bytes, now),
            SessionEvent::Body(None) => {
                self.lease = None;
                self.ingest.handle_end(now);
            }
            SessionEvent::Body(Some(Err(error))) => {
                tracing::debug!(%error, stream = self.stream.name, "PutMedia body ended early");
                self.lease = None;
                self.ingest.handle_broken(now);
            }
            SessionEvent::Stored(number, stored) => {
                if stored.is_ok() {
                    self.connected.stored();
                }
                self.ingest.handle_stored(&number, stored.map(drop), now);
            }
            SessionEvent::Timeout => self.ingest.handle_timeout(now),
            SessionEvent::LeaseLost(LeaseEnd::StreamDeleted) => {
                self.lease = None;
                self.ingest.handle_error(ErrorId::STREAM_NOT_ACTIVE, now);
            }
            // `read_action` disconnects.
            SessionEvent::LeaseLost(LeaseEnd::Replaced) => {}
            SessionEvent::Shutdown => {
                self.lease = None;
                self.ingest.handle_error(ErrorId::INTERNAL_ERROR, now);
            }
        }
    }
}

/// Logs an error ack: id, code, meaning and fragment. The line before it has the cause, if it is in the body.
fn log_error_ack(ack: &Ack) {
    let Some(error) = &ack.error else { return };
    let meaning = error.id.meaning().unwrap_or("unknown error id");
    let (fragment, timecode) = (ack.fragment_number.as_ref().map(FragmentNumber::as_str), ack.fragment_timecode);
    tracing::warn!(id = error.id.0, code = error.code, fragment, timecode, "error ack: {meaning}");
}

/// Sends an ack, with injected faults applied; returns `false` if the client has gone.
async fn send_ack(acks: &mut Sender<Bytes, io::Error>, ack: &Ack, faults: &InjectedFaults) -> bool {
    let output = faults.on_ack(ack.event_type.as_str(), ack.to_line().into());
    if !output.delay.is_zero() {
        tokio::time::sleep(output.delay).await;
    }
    for piece in output.pieces {
        if acks.send_data(piece).await.is_err() {
            return false;
        }
    }
    true
}

/// Waits for the fragment that is being stored, or forever if there is none.
fn poll_storing(storing: &mut Option<Storing>, cx: &mut Context<'_>) -> Poll<(FragmentNumber, Stored)> {
    let Some(Storing { done, .. }) = storing else { return Poll::Pending };
    let result = ready!(Pin::new(done).poll(cx));
    let number = storing.take().map(|storing| storing.number).expect("the fragment was just polled");
    // An error means that storing panicked.
    Poll::Ready((number, result.unwrap_or(Err(ErrorId::INTERNAL_ERROR))))
}

/// Waits until the lease is lost, or forever if there is none.
async fn lost(lease: Option<&mut PutLease>) -> LeaseEnd {
    match lease {
        Some(lease) => lease.lost().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
