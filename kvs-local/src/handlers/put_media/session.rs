//! One producer's connection: its body goes to the ingest core, the core's acks go out, its fragments go to disk.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::Sender;
use hyper::body::{Frame, Incoming};
use kvs_types::{ErrorId, FragmentNumber};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::super::dispatcher::{Answerer, drain};
use super::post_persist::Aftermath;
use crate::clock::Clock;
use crate::faults::{Befallen, Reading};
use crate::http::listener::{Stop, stopped};
use crate::ingest::{Ack, Ingest, IngestedFragment, Now};
use crate::limits;
use crate::quotas::{Flow, Meter};
use crate::stream::lease::{LeaseLost, PutLease};
use crate::stream::registry::StreamRecord;

/// Both clocks, read once.
pub(in crate::handlers) fn now(clock: &Clock) -> Now {
    Now { at: tokio::time::Instant::now().into_std(), wall: clock.wall() }
}

/// The body, with a piece of it that may have been read ahead.
#[derive(Debug)]
pub(super) struct Upload {
    body: Incoming,
    first: Option<Option<Result<Frame<Bytes>, hyper::Error>>>,
}

impl Upload {
    pub(super) const fn new(body: Incoming) -> Self {
        Self { body, first: None }
    }

    /// Makes hyper send `100 Continue`: it does so when the body is first asked for, but not any more once the head of the
    /// answer is out. libcurl, and with it the C producer, would wait a second for it.
    pub(super) async fn ask_for_more(&mut self) {
        if let Ok(frame) = tokio::time::timeout(limits::CONTINUE_TIME, self.body.frame()).await {
            self.first = Some(frame);
        }
    }

    /// The next piece. May be dropped and called again.
    async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        let frame = match self.first.take() {
            Some(first) => first,
            None => self.body.frame().await,
        };
        // Trailers say nothing here.
        frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()))
    }
}

/// One producer's connection.
pub(super) struct Session {
    answerer: Arc<Answerer>,
    stream: StreamRecord,
    /// Given back as soon as no more body comes, so that a producer that reconnects finds it free.
    lease: Option<PutLease>,
    ingest: Ingest,
    clock: Clock,
    stop: Stop,
    waiting: VecDeque<IngestedFragment>,
    storing: Option<Storing>,
    befallen: Befallen,
    /// Bytes of the body so far.
    read: u64,
    /// Fragments received so far.
    received: u32,
    /// How fast the body is read.
    flow: Meter,
    /// Held until the end.
    _permit: OwnedSemaphorePermit,
}

/// How storing ended: with what is to be done about the fragment now, if anything.
type Stored = Result<Option<Aftermath>, ErrorId>;

/// The storing that is under way, on a thread that may block.
struct Storing {
    number: FragmentNumber,
    done: JoinHandle<Stored>,
}

/// What a session waits for.
enum Happening {
    Body(Option<Result<Bytes, hyper::Error>>),
    Stored(FragmentNumber, Stored),
    Timeout,
    Lost(LeaseLost),
    Stopped,
}

impl Session {
    pub(super) fn new(
        answerer: Arc<Answerer>,
        stream: StreamRecord,
        lease: PutLease,
        ingest: Ingest,
        befallen: Befallen,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            stream,
            lease: Some(lease),
            ingest,
            clock: answerer.clock.clone(),
            stop: answerer.stop.clone(),
            waiting: VecDeque::new(),
            storing: None,
            befallen,
            read: 0,
            received: 0,
            flow: Meter::default(),
            _permit: permit,
            answerer,
        }
    }

    /// Runs until the last ack is out, or until all is stored of a client that is gone.
    pub(super) async fn run(mut self, mut body: Upload, acks: Sender<Bytes, io::Error>) {
        let mut acks = Some(acks);
        loop {
            self.put_out(&mut acks).await;
            if self.ingest.is_finished() {
                break;
            }
            let mut happening = self.next(&mut body).await;
            // Before its ack: who has seen that may rely on images and messages being on their way.
            if let Happening::Stored(_, Ok(aftermath)) = &mut happening
                && let Some(aftermath) = aftermath.take()
            {
                self.answerer.deliver(aftermath).await;
            }
            let reading = self.reading(&happening);
            self.take(happening);
            match reading {
                Reading::On { pause } if pause.is_zero() => {}
                Reading::On { pause } => tokio::time::sleep(pause).await,
                Reading::Cut => self.cut(&mut acks),
            }
        }
        tracing::debug!(stream = self.stream.name, "a producer's connection is over");
        self.lease = None;
        // Ending the answer before the client has ended its body is what the service does after an error; what the client
        // still sends is read away for a while so that it can read the last ack.
        drop(acks);
        drain(body.body);
    }

    /// Sends acks and starts storing what is complete.
    async fn put_out(&mut self, acks: &mut Option<Sender<Bytes, io::Error>>) {
        while let Some(ack) = self.ingest.poll_ack() {
            let Some(sender) = acks else { continue };
            if !send(sender, &ack, &self.befallen).await {
                *acks = None;
                self.lease = None;
                self.ingest.handle_broken(now(&self.clock));
            }
        }
        while let Some(fragment) = self.ingest.poll_fragment() {
            self.received = self.received.saturating_add(1);
            match self.befallen.error_ack(self.received) {
                Some(id) => self.ingest.handle_stored(&fragment.number, Err(ErrorId(id)), now(&self.clock)),
                None => self.waiting.push_back(fragment),
            }
        }
        // What came behind a fragment that was refused is not kept: no ack says that it is.
        if self.storing.is_none() && !self.ingest.is_finished() {
            self.storing = self.waiting.pop_front().map(|fragment| self.store(fragment));
        }
    }

    /// How reading goes on after this: as scripted faults and rates have it.
    fn reading(&mut self, happening: &Happening) -> Reading {
        let bytes = match happening {
            Happening::Body(Some(Ok(bytes))) => bytes.len() as u64,
            Happening::Lost(LeaseLost::Replaced) => return Reading::Cut,
            _ => return Reading::On { pause: Duration::ZERO },
        };
        let from = self.read;
        self.read = from.saturating_add(bytes);
        let paced = self.answerer.ledger.pace(&mut self.flow, Flow::In, bytes, now(&self.clock).at);
        match self.befallen.on_body(from, self.read) {
            Reading::On { pause } => Reading::On { pause: pause.max(paced) },
            Reading::Cut => Reading::Cut,
        }
    }

    /// Breaks the connection.
    fn cut(&mut self, acks: &mut Option<Sender<Bytes, io::Error>>) {
        if let Some(acks) = acks.take() {
            acks.abort(io::Error::other("cut by the fault script, or by another producer of the stream"));
        }
        self.lease = None;
        self.ingest.handle_broken(now(&self.clock));
    }

    fn store(&self, fragment: IngestedFragment) -> Storing {
        let (answerer, key, stream) = (Arc::clone(&self.answerer), self.stream.media_key(), self.stream.arn.clone());
        let (number, wall) = (fragment.number.clone(), self.clock.wall());
        let done = tokio::task::spawn_blocking(move || {
            answerer.media.append(&key, &fragment).map(|_| answerer.aftermath(&stream, &fragment, wall))
        });
        Storing { number, done }
    }

    async fn next(&mut self, body: &mut Upload) -> Happening {
        let takes_body = self.ingest.takes_body();
        let timeout = self.ingest.poll_timeout().map(tokio::time::Instant::from_std);
        let storing = &mut self.storing;
        let open = self.lease.is_some();
        tokio::select! {
            biased;
            (number, result) = poll_fn(|cx| poll_storing(storing, cx)) => Happening::Stored(number, result),
            loss = lost(self.lease.as_mut()), if open => Happening::Lost(loss),
            () = stopped(self.stop.clone()), if open => Happening::Stopped,
            piece = body.next(), if takes_body => Happening::Body(piece),
            () = sleep_until(timeout), if timeout.is_some() => Happening::Timeout,
        }
    }

    fn take(&mut self, happening: Happening) {
        let now = now(&self.clock);
        match happening {
            Happening::Body(Some(Ok(bytes))) => self.ingest.handle_body(bytes, now),
            Happening::Body(None) => {
                self.lease = None;
                self.ingest.handle_end(now);
            }
            Happening::Body(Some(Err(error))) => {
                tracing::debug!(%error, stream = self.stream.name, "a producer's body broke off");
                self.lease = None;
                self.ingest.handle_broken(now);
            }
            Happening::Stored(number, stored) => self.ingest.handle_stored(&number, stored.map(drop), now),
            Happening::Timeout => self.ingest.handle_timeout(now),
            Happening::Lost(LeaseLost::Deleted) => {
                self.lease = None;
                self.ingest.handle_error(ErrorId::STREAM_NOT_ACTIVE, now);
            }
            // The connection is cut.
            Happening::Lost(LeaseLost::Replaced) => {}
            Happening::Stopped => {
                self.lease = None;
                self.ingest.handle_error(ErrorId::INTERNAL_ERROR, now);
            }
        }
    }
}

/// Sends an ack as it is, or as scripted faults leave it; `false` when nobody reads any more.
async fn send(acks: &mut Sender<Bytes, io::Error>, ack: &Ack, befallen: &Befallen) -> bool {
    let outgoing = befallen.on_ack(ack.event_type(), &ack.line());
    if !outgoing.delay.is_zero() {
        tokio::time::sleep(outgoing.delay).await;
    }
    for piece in outgoing.pieces {
        if acks.send_data(piece).await.is_err() {
            return false;
        }
    }
    true
}

/// Waits for the storing that is under way; for ever if there is none.
fn poll_storing(storing: &mut Option<Storing>, cx: &mut Context<'_>) -> Poll<(FragmentNumber, Stored)> {
    let Some(Storing { done, .. }) = storing else { return Poll::Pending };
    let result = ready!(Pin::new(done).poll(cx));
    let number = storing.take().map(|storing| storing.number).expect("it was there a moment ago");
    // A storing that panicked is the service's fault.
    Poll::Ready((number, result.unwrap_or(Err(ErrorId::INTERNAL_ERROR))))
}

/// Waits until the lease is lost; for ever if there is none.
async fn lost(lease: Option<&mut PutLease>) -> LeaseLost {
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
