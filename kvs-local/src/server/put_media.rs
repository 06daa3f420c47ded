//! PutMedia: media streams in while acks stream out.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::{Frame, Incoming};
use kvs_mkv::FragmentNumber;
use kvs_mkv::service::ErrorId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::aftermath::Aftermath;
use super::answerer::{Answerer, drain};
use super::listener::{Stop, stopped};
use super::sigv4::Payload;
use super::wire::{self, Answer};
use crate::clock::Clock;
use crate::control::{StreamRecord, StreamRef};
use crate::exception::ApiError;
use crate::ingest::{AckMode, Ingest, IngestConfig, IngestedFragment, Now, ProducerStart, Retention, TimecodeType};
use crate::limits;
use crate::media::Seat;

impl Answerer {
    /// Lets a producer in: the head of the answer goes out before the body is read, the body goes to a task of its own.
    pub(super) async fn put_media(self: &Arc<Self>, parts: &Parts, body: Incoming) -> Result<Answer, ApiError> {
        let session = match self.admit(parts).await {
            Ok(session) => session,
            Err(refusal) => {
                drain(body);
                return Err(refusal);
            }
        };
        let mut body = Upload { body, first: None };
        if parts.headers.contains_key(http::header::EXPECT) {
            body.ask_for_more().await;
        }
        let (acks, answer) = Channel::<Bytes, io::Error>::new(limits::WAITING_ACKS);
        drop(tokio::spawn(session.run(body, acks)));
        Ok(wire::streamed(wire::JSON, answer.boxed_unsync()))
    }

    async fn admit(self: &Arc<Self>, parts: &Parts) -> Result<Session, ApiError> {
        let wall = self.clock.wall();
        self.gate.check(parts, Payload::Streamed, wall)?;
        let wanted = stream(&parts.headers)?;
        let config = config(&parts.headers)?;
        let answerer = Arc::clone(self);
        let admitted = tokio::task::spawn_blocking(move || {
            let stream = answerer.registry.find(&wanted, wall)?;
            if !stream.takes_media(wall) {
                return Err(ApiError::no_stream());
            }
            let seat = answerer.media.sit_down(&stream.media_key())?;
            Ok((stream, seat))
        });
        let (stream, seat) = admitted.await.map_err(|_| super::answerer::internal())??;
        let retention = if stream.retention_hours == 0 { Retention::None } else { Retention::Kept };
        let config = config
            .retention(retention)
            .profile(self.profile)
            .first_sequence(seat.first_sequence)
            .seed(fastrand::u64(..));
        let permit = Arc::clone(&self.sessions).acquire_owned().await.map_err(|_| super::answerer::internal())?;
        let clock = self.clock.clone();
        let ingest = Ingest::new(config, now(&clock));
        let (answerer, stop) = (Arc::clone(self), self.stop.clone());
        Ok(Session {
            answerer,
            stream,
            seat: Some(seat),
            ingest,
            clock,
            stop,
            waiting: VecDeque::new(),
            storing: None,
            aftermath: None,
            _permit: permit,
        })
    }
}

pub(super) fn now(clock: &Clock) -> Now {
    Now { at: tokio::time::Instant::now().into_std(), wall: clock.wall() }
}

/// The stream that the headers name: by name or by ARN, not both.
fn stream(headers: &HeaderMap) -> Result<StreamRef, ApiError> {
    match (text(headers, "x-amzn-stream-name")?, text(headers, "x-amzn-stream-arn")?) {
        (Some(name), None) => Ok(StreamRef::by_name(name)),
        (None, Some(arn)) => Ok(StreamRef::by_arn(arn)),
        (Some(_), Some(_)) => Err(ApiError::invalid("x-amzn-stream-name and x-amzn-stream-arn exclude each other")),
        (None, None) => Err(ApiError::invalid("x-amzn-stream-name or x-amzn-stream-arn is needed")),
    }
}

fn config(headers: &HeaderMap) -> Result<IngestConfig, ApiError> {
    let timecodes = text(headers, "x-amzn-fragment-timecode-type")?
        .ok_or_else(|| ApiError::invalid("x-amzn-fragment-timecode-type is needed"))?;
    let timecodes: TimecodeType =
        timecodes.parse().map_err(|error| ApiError::invalid(format!("x-amzn-fragment-timecode-type: {error}")))?;
    let start = text(headers, "x-amzn-producer-start-timestamp")?.map_or(ProducerStart::Absent, ProducerStart::parse);
    let acks = match text(headers, "x-amzn-fragment-acknowledgment-required")? {
        Some("0") => AckMode::ErrorsOnly,
        _ => AckMode::All,
    };
    Ok(IngestConfig::new(timecodes).producer_start(start).acks(acks))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let plain = |value: &'a http::HeaderValue| value.to_str().map(str::trim);
    let value = headers.get(name).map(plain).transpose();
    value.map_err(|_| ApiError::invalid(format!("{name} is not plain text")))
}

/// The body, with a piece of it that may have been read ahead.
#[derive(Debug)]
struct Upload {
    body: Incoming,
    first: Option<Option<Result<Frame<Bytes>, hyper::Error>>>,
}

impl Upload {
    /// Makes hyper send `100 Continue`: it does so when the body is first asked for, but not any more once the head of the
    /// answer is out. libcurl, and with it the C producer, would wait a second for it.
    async fn ask_for_more(&mut self) {
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
struct Session {
    answerer: Arc<Answerer>,
    stream: StreamRecord,
    /// Given back as soon as no more body comes, so that a producer that reconnects finds it free.
    seat: Option<Seat>,
    ingest: Ingest,
    clock: Clock,
    stop: Stop,
    waiting: VecDeque<IngestedFragment>,
    storing: Option<Storing>,
    /// Of the fragment that was stored last; begun once its ack is out.
    aftermath: Option<Aftermath>,
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
    Deleted,
    Stopped,
}

impl Session {
    /// Runs until the last ack is out, or until all is stored of a client that is gone.
    async fn run(mut self, mut body: Upload, acks: Sender<Bytes, io::Error>) {
        let mut acks = Some(acks);
        loop {
            self.put_out(&mut acks).await;
            if let Some(aftermath) = self.aftermath.take() {
                self.answerer.deliver(aftermath).await;
            }
            if self.ingest.is_finished() {
                break;
            }
            let happening = self.next(&mut body).await;
            self.take(happening);
        }
        tracing::debug!(stream = self.stream.name, "a producer's connection is over");
        self.seat = None;
        // Ending the answer before the client has ended its body is what the service does after an error; what the client
        // still sends is read away for a while so that it can read the last ack.
        drop(acks);
        drain(body.body);
    }

    /// Sends acks and starts storing what is complete.
    async fn put_out(&mut self, acks: &mut Option<Sender<Bytes, io::Error>>) {
        while let Some(ack) = self.ingest.poll_ack() {
            let Some(sender) = acks else { continue };
            if sender.send_data(ack.line()).await.is_err() {
                *acks = None;
                self.seat = None;
                self.ingest.handle_broken(now(&self.clock));
            }
        }
        while let Some(fragment) = self.ingest.poll_fragment() {
            self.waiting.push_back(fragment);
        }
        if self.storing.is_none() {
            self.storing = self.waiting.pop_front().map(|fragment| self.store(fragment));
        }
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
        let open = self.seat.is_some();
        tokio::select! {
            biased;
            (number, result) = poll_fn(|cx| poll_storing(storing, cx)) => Happening::Stored(number, result),
            () = deleted(self.seat.as_mut()), if open => Happening::Deleted,
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
                self.seat = None;
                self.ingest.handle_end(now);
            }
            Happening::Body(Some(Err(error))) => {
                tracing::debug!(%error, stream = self.stream.name, "a producer's body broke off");
                self.seat = None;
                self.ingest.handle_broken(now);
            }
            Happening::Stored(number, stored) => {
                let stored = stored.map(|aftermath| self.aftermath = aftermath);
                self.ingest.handle_stored(&number, stored, now);
            }
            Happening::Timeout => self.ingest.handle_timeout(now),
            Happening::Deleted => {
                self.seat = None;
                self.ingest.handle_error(ErrorId::STREAM_NOT_ACTIVE, now);
            }
            Happening::Stopped => {
                self.seat = None;
                self.ingest.handle_error(ErrorId::INTERNAL_ERROR, now);
            }
        }
    }
}

/// Waits for the storing that is under way; for ever if there is none.
fn poll_storing(storing: &mut Option<Storing>, cx: &mut Context<'_>) -> Poll<(FragmentNumber, Stored)> {
    let Some(Storing { done, .. }) = storing else { return Poll::Pending };
    let result = ready!(Pin::new(done).poll(cx));
    let number = storing.take().map(|storing| storing.number).expect("it was there a moment ago");
    // A storing that panicked is the service's fault.
    Poll::Ready((number, result.unwrap_or(Err(ErrorId::INTERNAL_ERROR))))
}

/// Waits until the stream is deleted.
async fn deleted(seat: Option<&mut Seat>) {
    if let Some(seat) = seat {
        while seat.alive.changed().await.is_ok() {}
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
