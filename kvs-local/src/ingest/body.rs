//! Parses the body of a PutMedia request and splits it into fragments.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_mkv::rules::{FragmentCheck, Violation};
use kvs_mkv::{Chunks, ElementId, Event, EventRef, Limits, ParseError, Parser, Problem, Tag, Track};
use kvs_types::{ErrorId, FragmentTimecodeType, tag_names};

use super::acked_fragment::AckedFragment;
use super::body_buffer::BodyBuffer;
use super::config::{IngestConfig, ProducerStart, Profile};
use super::number::FragmentNumberAllocator;
use super::open_fragment::{FrameHead, Frames, OpenFragment, Part};
use super::{IngestedFragment, Now, limits};

/// What was found in the body.
#[derive(Debug)]
pub(super) enum IngestEvent {
    /// A cluster has started.
    Opened(AckedFragment),
    /// A fragment is complete.
    Closed(Box<IngestedFragment>),
    /// The session cannot continue. This is the last event.
    Rejected(Rejection),
}

/// Why the session cannot continue, and the fragment concerned.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) id: ErrorId,
    pub(super) fragment: Option<AckedFragment>,
}

/// The state of one body: parser, raw bytes, acceptance rules.
#[derive(Debug)]
pub(super) struct Body {
    parser: Parser,
    buffer: BodyBuffer,
    numbers: FragmentNumberAllocator,
    /// Added to timecodes to get producer timestamps.
    origin: Duration,
    /// Maximum duration of a fragment.
    longest: Duration,
    stage: Stage,
    events: VecDeque<IngestEvent>,
}

/// ```text
///   Head ──first cluster──> Fragment ──end-of-fragment mark──> Between
///                            │    ^                               │
///                            └────┘ next cluster                  │
///                                 ^───────────cluster─────────────┘
///   any ──error, end of body──> Over
/// ```
#[derive(Debug)]
enum Stage {
    /// Before the first cluster.
    Head { session: Option<Session>, tags: Vec<Vec<Tag>> },
    /// A fragment is open.
    Fragment { session: Session, open: Box<OpenFragment> },
    /// The end-of-fragment tag has ended a fragment; tags here belong to the next one.
    Between { session: Session, tags: Vec<Vec<Tag>> },
    /// An error was reported, or the body has ended.
    Over,
}

/// What is known once the tracks are parsed.
#[derive(Debug)]
struct Session {
    tracks: Arc<[Track]>,
    check: FragmentCheck,
    /// Empty until the first cluster.
    header: Chunks,
}

impl Body {
    pub(super) fn new(config: &IngestConfig) -> Self {
        Self {
            parser: Parser::new(Limits::default()),
            buffer: BodyBuffer::default(),
            numbers: FragmentNumberAllocator::new(config.first_sequence, config.seed),
            origin: match (config.timecode_type, config.producer_start) {
                (FragmentTimecodeType::Relative, ProducerStart::At(start)) => start,
                _ => Duration::ZERO,
            },
            longest: match config.profile {
                Profile::Current => kvs_types::limits::FRAGMENT_DURATION_MAX,
                Profile::Year2022 => limits::FRAGMENT_DURATION_MAX_2022,
            },
            stage: Stage::Head { session: None, tags: Vec::new() },
            events: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        if !matches!(self.stage, Stage::Over) {
            self.buffer.push(&bytes);
            self.parser.push(bytes);
        }
    }

    /// Returns the next event, `None` if more input is needed.
    pub(super) fn poll(&mut self, now: Now) -> Option<IngestEvent> {
        while self.events.is_empty() && !matches!(self.stage, Stage::Over) {
            let drained = match self.parser.next_event_ref() {
                Ok(Some(EventRef::Frame(frame))) => {
                    let head = FrameHead::of(&frame);
                    self.on_frame(head).map(|()| false)
                }
                Ok(Some(EventRef::Other(event))) => {
                    let span = self.parser.position().span;
                    self.on_event(event, &span, now).map(|()| false)
                }
                Ok(Some(other)) => Err(log_unexpected(&other)),
                Ok(None) => self.on_drained().map(|()| true),
                Err(error) => Err(log_parse_error(error)),
            };
            match drained {
                Ok(true) => break,
                Ok(false) => {}
                Err(id) => self.reject(id),
            }
        }
        self.events.pop_front()
    }

    /// Handles the end of the body, after all events were polled. The open fragment is complete if its last element is.
    pub(super) fn finish(&mut self) -> Option<IngestEvent> {
        let parser = std::mem::replace(&mut self.parser, Parser::new(Limits::default()));
        let closed = match parser.finish() {
            Ok(()) => self.close(self.buffer.end()),
            Err(error) => Err(log_parse_error(error)),
        };
        if let Err(id) = closed {
            self.reject(id);
        }
        self.stage = Stage::Over;
        self.events.pop_front()
    }

    /// Ends the body with an error. The open fragment is lost and named in the error.
    pub(super) fn reject(&mut self, id: ErrorId) {
        self.buffer = BodyBuffer::default();
        self.parser = Parser::new(Limits::default());
        let fragment = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Fragment { open, .. } => Some(open.acked),
            Stage::Head { .. } | Stage::Between { .. } | Stage::Over => None,
        };
        self.events.push_back(IngestEvent::Rejected(Rejection { id, fragment }));
    }

    /// Returns whether a fragment is open.
    pub(super) const fn is_inside_fragment(&self) -> bool {
        matches!(self.stage, Stage::Fragment { .. })
    }

    fn on_event(&mut self, event: Event, span: &Range<u64>, now: Now) -> Result<(), ErrorId> {
        self.settle_mark(span.end)?;
        match event {
            Event::Segment(_) => self.on_segment(span.start),
            Event::Tracks(tracks) => self.on_tracks(&tracks),
            Event::Tags(tags) => self.on_tags(tags, span.end),
            Event::Cluster { at } => self.on_cluster(at, span.start, now),
            Event::ClusterEnd => self.on_cluster_end(span.end),
            other => Err(log_unexpected(&other)),
        }
    }

    /// Called when all pushed bytes are parsed: closes a marked fragment, and checks that no part has grown too large.
    fn on_drained(&mut self) -> Result<(), ErrorId> {
        self.settle_mark(u64::MAX)?;
        let (most, id) = match &self.stage {
            Stage::Head { .. } => (limits::HEADER_BYTES, ErrorId::INVALID_MKV_DATA),
            Stage::Fragment { open, .. } if matches!(open.part, Part::Cluster) => {
                (limits::FRAGMENT_RAW_BYTES, ErrorId::MAX_FRAGMENT_SIZE_REACHED)
            }
            Stage::Fragment { .. } | Stage::Between { .. } => (limits::TRAILING_BYTES, ErrorId::INVALID_MKV_DATA),
            Stage::Over => return Ok(()),
        };
        let len = self.buffer.len();
        if len > most {
            tracing::info!(len, most, "part of the body exceeds its size limit");
            return Err(id);
        }
        Ok(())
    }

    fn on_segment(&self, offset: u64) -> Result<(), ErrorId> {
        match &self.stage {
            Stage::Head { session: None, .. } if offset == 0 => Ok(()),
            _ => {
                tracing::info!(offset, "unexpected second segment");
                Err(ErrorId::INVALID_MKV_DATA)
            }
        }
    }

    fn on_tracks(&mut self, tracks: &[Track]) -> Result<(), ErrorId> {
        let Stage::Head { session: session @ None, .. } = &mut self.stage else {
            tracing::info!("unexpected second tracks element");
            return Err(ErrorId::INVALID_MKV_DATA);
        };
        let check = FragmentCheck::new(tracks).map_err(log_violation)?;
        *session = Some(Session { tracks: tracks.into(), check, header: Chunks::new() });
        Ok(())
    }

    /// Tags before the first cluster belong to the header, tags after a cluster to its fragment. Tags after the end-of-fragment
    /// tag belong to the next fragment, since the previous one is already acked.
    fn on_tags(&mut self, mut tags: Vec<Tag>, end: u64) -> Result<(), ErrorId> {
        match &mut self.stage {
            Stage::Fragment { session, .. } => session.check.tags(&tags),
            Stage::Head { .. } | Stage::Between { .. } | Stage::Over => tags.iter().try_for_each(FragmentCheck::tag),
        }
        .map_err(log_violation)?;
        let all = tags.len();
        tags.retain(|tag| tag.name != tag_names::END_OF_FRAGMENT);
        let marks = tags.len() < all;
        match &mut self.stage {
            Stage::Head { tags: groups, .. } | Stage::Between { tags: groups, .. } => {
                keep(groups, tags);
                let count = groups.iter().map(Vec::len).sum::<usize>();
                if count > limits::HEADER_TAGS {
                    tracing::info!(count, limit = limits::HEADER_TAGS, "too many tags before a cluster");
                    return Err(ErrorId::FRAGMENT_METADATA_LIMIT_REACHED);
                }
            }
            Stage::Fragment { open, .. } => {
                keep(&mut open.tags, tags);
                if marks {
                    open.mark(end);
                }
            }
            Stage::Over => {}
        }
        Ok(())
    }

    fn on_cluster(&mut self, at: Duration, start: u64, now: Now) -> Result<(), ErrorId> {
        self.close(start)?;
        let (mut session, tags) = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Head { session: Some(session), tags } | Stage::Between { session, tags } => (session, tags),
            stage => {
                tracing::info!(offset = start, "cluster before the tracks");
                self.stage = stage;
                return Err(ErrorId::INVALID_MKV_DATA);
            }
        };
        let mut early = self.buffer.take_until(start);
        session.check.start();
        if session.header.is_empty() {
            session.header = std::mem::take(&mut early);
        } else {
            tags.iter().try_for_each(|group| session.check.tags(group)).map_err(log_violation)?;
        }
        let producer_timestamp = self.producer_timestamp(at)?;
        let number = self.numbers.allocate(now.wall);
        let acked = AckedFragment { timecode_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX), number };
        self.events.push_back(IngestEvent::Opened(acked.clone()));
        let open = OpenFragment {
            acked,
            timecode: at,
            producer_timestamp,
            server_timestamp: whole_ms(now.wall),
            start,
            part: Part::Cluster,
            early,
            tags,
            frames: Frames::default(),
        };
        self.stage = Stage::Fragment { session, open: Box::new(open) };
        Ok(())
    }

    fn on_frame(&mut self, frame: FrameHead) -> Result<(), ErrorId> {
        self.settle_mark(frame.end)?;
        let Stage::Fragment { session, open } = &mut self.stage else { return Err(ErrorId::INVALID_MKV_DATA) };
        session.check.frame(frame.track, frame.pts, frame.len).map_err(log_violation)?;
        open.frames.push(frame, open.start, self.longest)
    }

    fn on_cluster_end(&mut self, end: u64) -> Result<(), ErrorId> {
        let Stage::Fragment { open, .. } = &mut self.stage else { return Err(ErrorId::INVALID_MKV_DATA) };
        if matches!(open.part, Part::Cluster) {
            open.part = Part::Tags { cluster: self.buffer.take_until(end) };
        }
        Ok(())
    }

    /// Closes a fragment with an end-of-fragment tag once the parser is past the element with the tag.
    fn settle_mark(&mut self, seen: u64) -> Result<(), ErrorId> {
        match &self.stage {
            Stage::Fragment { open, .. } => match open.part {
                Part::Marked { end, .. } if end < seen => self.close(end),
                Part::Cluster | Part::Tags { .. } | Part::Marked { .. } => Ok(()),
            },
            Stage::Head { .. } | Stage::Between { .. } | Stage::Over => Ok(()),
        }
    }

    /// Closes the open fragment, if there is one.
    fn close(&mut self, end: u64) -> Result<(), ErrorId> {
        let Stage::Fragment { session, .. } = &mut self.stage else { return Ok(()) };
        session.check.finish().map_err(log_violation)?;
        if let Stage::Fragment { session, open } = std::mem::replace(&mut self.stage, Stage::Over) {
            let rest = self.buffer.take_until(end);
            let fragment = open.complete(session.header.clone(), Arc::clone(&session.tracks), rest);
            self.events.push_back(IngestEvent::Closed(Box::new(fragment)));
            self.stage = Stage::Between { session, tags: Vec::new() };
        }
        Ok(())
    }

    fn producer_timestamp(&self, at: Duration) -> Result<SystemTime, ErrorId> {
        let since = self.origin.checked_add(at).filter(|since| *since <= limits::PRODUCER_TIMESTAMP_MAX);
        since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)).ok_or_else(|| {
            tracing::info!(timecode = ?at, start = ?self.origin, "producer timestamp after the year 9999");
            ErrorId::INVALID_PRODUCER_TIMESTAMP
        })
    }
}

fn keep(groups: &mut Vec<Vec<Tag>>, tags: Vec<Tag>) {
    if !tags.is_empty() {
        groups.push(tags);
    }
}

fn log_unexpected(event: &dyn fmt::Debug) -> ErrorId {
    tracing::info!(?event, "unexpected element in a PutMedia body");
    ErrorId::INVALID_MKV_DATA
}

fn log_violation(violation: Violation) -> ErrorId {
    tracing::info!(%violation, "fragment violates a rule");
    violation.error_id()
}

/// Returns the error id for a parse error, and logs its offset. Some sizes have an error id of their own.
fn log_parse_error(error: ParseError) -> ErrorId {
    tracing::info!(%error, "body is not Matroska that the service accepts");
    match (error.problem, error.element) {
        (Problem::TooLarge { .. }, ElementId::SIMPLE_BLOCK | ElementId::BLOCK_GROUP) => {
            ErrorId::MAX_FRAGMENT_SIZE_REACHED
        }
        (Problem::TooLarge { .. } | Problem::TooMany { .. }, ElementId::TAGS | ElementId::TAG) => {
            ErrorId::FRAGMENT_METADATA_LIMIT_REACHED
        }
        (Problem::TooMany { .. }, ElementId::TRACKS) => ErrorId::MORE_THAN_ALLOWED_TRACKS_FOUND,
        _ => ErrorId::INVALID_MKV_DATA,
    }
}

/// Truncates to milliseconds: fragment numbers and service tags have no finer resolution, and all places must agree.
fn whole_ms(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(SystemTime::UNIX_EPOCH)
}
