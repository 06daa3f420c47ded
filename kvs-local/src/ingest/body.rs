//! The body of a PutMedia request, read event by event and cut into fragments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_mkv::rules::{FragmentCheck, Violation};
use kvs_mkv::{Chunks, ElementId, Event, Frame, Limits, ParseError, Parser, Position, Problem, Tag, Track};
use kvs_types::{ErrorId, FragmentTimecodeType, tag_names};

use super::body_buffer::Tape;
use super::config::{IngestConfig, ProducerStart, Profile};
use super::number::Mint;
use super::open::{Frames, Open, Part};
use super::{AckedFragment, IngestedFragment, Now, limits};

/// What the body brought.
#[derive(Debug)]
pub(super) enum Happening {
    /// A cluster began.
    Opened(AckedFragment),
    /// A fragment is complete.
    Closed(Box<IngestedFragment>),
    /// The session cannot go on. Nothing follows.
    Refused(Refusal),
}

/// Why the session cannot go on, and with which fragment.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) id: ErrorId,
    pub(super) fragment: Option<AckedFragment>,
}

/// Parser, tape and rules of one body.
#[derive(Debug)]
pub(super) struct Body {
    parser: Parser,
    tape: Tape,
    mint: Mint,
    /// What is added to timecodes to make producer timestamps.
    origin: Duration,
    /// Longest fragment.
    longest: Duration,
    stage: Stage,
    happenings: VecDeque<Happening>,
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
    Fragment { session: Session, open: Box<Open> },
    /// The mark has ended a fragment; tags here go to the fragment that comes.
    Between { session: Session, tags: Vec<Vec<Tag>> },
    /// An error was reported, or the body is over.
    Over,
}

/// What holds from the tracks on.
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
            tape: Tape::default(),
            mint: Mint::new(config.first_sequence, config.seed),
            origin: match (config.timecode_type, config.producer_start) {
                (FragmentTimecodeType::Relative, ProducerStart::At(start)) => start,
                _ => Duration::ZERO,
            },
            longest: match config.profile {
                Profile::Current => kvs_types::limits::FRAGMENT_DURATION_MAX,
                Profile::Year2022 => limits::FRAGMENT_DURATION_MAX_2022,
            },
            stage: Stage::Head { session: None, tags: Vec::new() },
            happenings: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        if !matches!(self.stage, Stage::Over) {
            self.tape.push(&bytes);
            self.parser.push(bytes);
        }
    }

    /// The next thing that happened, `None` when more input is needed.
    pub(super) fn poll(&mut self, now: Now) -> Option<Happening> {
        while self.happenings.is_empty() && !matches!(self.stage, Stage::Over) {
            let drained = match self.parser.next_event_with_position() {
                Ok(Some((event, position))) => self.on_event(event, &position, now).map(|()| false),
                Ok(None) => self.on_drained().map(|()| true),
                Err(error) => Err(log_parse_error(error)),
            };
            match drained {
                Ok(true) => break,
                Ok(false) => {}
                Err(id) => self.refuse(id),
            }
        }
        self.happenings.pop_front()
    }

    /// The body is over, all happenings polled: what is open is complete if the last element is.
    pub(super) fn finish(&mut self) -> Option<Happening> {
        let parser = std::mem::replace(&mut self.parser, Parser::new(Limits::default()));
        let closed = match parser.finish() {
            Ok(()) => self.close(self.tape.end(), None),
            Err(error) => Err(log_parse_error(error)),
        };
        if let Err(id) = closed {
            self.refuse(id);
        }
        self.stage = Stage::Over;
        self.happenings.pop_front()
    }

    /// Ends the body with an error that names the open fragment, which is lost.
    pub(super) fn refuse(&mut self, id: ErrorId) {
        self.tape = Tape::default();
        self.parser = Parser::new(Limits::default());
        let fragment = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Fragment { open, .. } => Some(open.acked),
            Stage::Head { .. } | Stage::Between { .. } | Stage::Over => None,
        };
        self.happenings.push_back(Happening::Refused(Refusal { id, fragment }));
    }

    /// Whether a fragment is open.
    pub(super) const fn is_inside_fragment(&self) -> bool {
        matches!(self.stage, Stage::Fragment { .. })
    }

    fn on_event(&mut self, event: Event, position: &Position, now: Now) -> Result<(), ErrorId> {
        let span = &position.span;
        self.settle_mark(span.end)?;
        match event {
            Event::Segment(_) => self.on_segment(span.start),
            Event::Tracks(tracks) => self.on_tracks(&tracks),
            Event::Tags(tags) => self.on_tags(tags, span.end),
            Event::Cluster { at } => self.on_cluster(at, span.start, now),
            Event::Frame(frame) => self.on_frame(&frame, position.payload.unwrap_or(span.start)),
            Event::ClusterEnd => self.on_cluster_end(span.end),
            other => {
                tracing::debug!(?other, "an element with no place in a PutMedia body");
                Err(ErrorId::INVALID_MKV_DATA)
            }
        }
    }

    /// All events of what was pushed are out: the mark may have been the last, and no part may have grown without bound.
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
        let held = self.tape.held();
        if held > most {
            tracing::debug!(held, most, "more bytes than this part of a body may have");
            return Err(id);
        }
        Ok(())
    }

    fn on_segment(&self, offset: u64) -> Result<(), ErrorId> {
        match &self.stage {
            Stage::Head { session: None, .. } if offset == 0 => Ok(()),
            _ => {
                tracing::debug!(offset, "a second segment");
                Err(ErrorId::INVALID_MKV_DATA)
            }
        }
    }

    fn on_tracks(&mut self, tracks: &[Track]) -> Result<(), ErrorId> {
        let Stage::Head { session: session @ None, .. } = &mut self.stage else {
            tracing::debug!("tracks a second time");
            return Err(ErrorId::INVALID_MKV_DATA);
        };
        let check = FragmentCheck::new(tracks).map_err(log_violation)?;
        *session = Some(Session { tracks: tracks.into(), check, header: Chunks::new() });
        Ok(())
    }

    /// Tags before the first cluster are the header's, after a cluster the fragment's; behind the end-of-fragment mark they
    /// are the next fragment's, since the one before is already acked.
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
                    tracing::debug!(count, limit = limits::HEADER_TAGS, "more tags than may stand before a cluster");
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
        self.close(start, Some(at))?;
        let (mut session, tags) = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Head { session: Some(session), tags } | Stage::Between { session, tags } => (session, tags),
            stage => {
                tracing::debug!(offset = start, "a cluster before the tracks");
                self.stage = stage;
                return Err(ErrorId::INVALID_MKV_DATA);
            }
        };
        let mut early = self.tape.take_until(start);
        session.check.start();
        if session.header.is_empty() {
            session.header = std::mem::take(&mut early);
        } else {
            tags.iter().try_for_each(|group| session.check.tags(group)).map_err(log_violation)?;
        }
        let producer_timestamp = self.producer_timestamp(at)?;
        let number = self.mint.mint(now.wall);
        let acked = AckedFragment { timecode_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX), number };
        self.happenings.push_back(Happening::Opened(acked.clone()));
        let open = Open {
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

    fn on_frame(&mut self, frame: &Frame, payload: u64) -> Result<(), ErrorId> {
        let Stage::Fragment { session, open } = &mut self.stage else { return Err(ErrorId::INVALID_MKV_DATA) };
        let offset = payload.saturating_sub(open.start);
        session.check.frame(frame.track, frame.pts, frame.data.len() as u64).map_err(log_violation)?;
        open.frames.push(frame, offset, self.longest)
    }

    fn on_cluster_end(&mut self, end: u64) -> Result<(), ErrorId> {
        let Stage::Fragment { open, .. } = &mut self.stage else { return Err(ErrorId::INVALID_MKV_DATA) };
        if matches!(open.part, Part::Cluster) {
            open.part = Part::Tags { cluster: self.tape.take_until(end) };
        }
        Ok(())
    }

    /// Closes a fragment with a mark once something beyond the mark's element is at hand.
    fn settle_mark(&mut self, seen: u64) -> Result<(), ErrorId> {
        match &self.stage {
            Stage::Fragment { open, .. } => match open.part {
                Part::Marked { end, .. } if end < seen => self.close(end, None),
                Part::Cluster | Part::Tags { .. } | Part::Marked { .. } => Ok(()),
            },
            Stage::Head { .. } | Stage::Between { .. } | Stage::Over => Ok(()),
        }
    }

    /// The open fragment, if there is one, ends here.
    fn close(&mut self, end: u64, next: Option<Duration>) -> Result<(), ErrorId> {
        let Stage::Fragment { session, .. } = &mut self.stage else { return Ok(()) };
        session.check.finish().map_err(log_violation)?;
        if let Stage::Fragment { session, open } = std::mem::replace(&mut self.stage, Stage::Over) {
            let rest = self.tape.take_until(end);
            let fragment = open.complete(session.header.clone(), Arc::clone(&session.tracks), rest, next);
            self.happenings.push_back(Happening::Closed(Box::new(fragment)));
            self.stage = Stage::Between { session, tags: Vec::new() };
        }
        Ok(())
    }

    fn producer_timestamp(&self, at: Duration) -> Result<SystemTime, ErrorId> {
        let since = self.origin.checked_add(at).filter(|since| *since <= limits::PRODUCER_TIMESTAMP_MAX);
        since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)).ok_or_else(|| {
            tracing::debug!(timecode = ?at, start = ?self.origin, "a producer timestamp beyond the year 9999");
            ErrorId::INVALID_PRODUCER_TIMESTAMP
        })
    }
}

fn keep(groups: &mut Vec<Vec<Tag>>, tags: Vec<Tag>) {
    if !tags.is_empty() {
        groups.push(tags);
    }
}

fn log_violation(violation: Violation) -> ErrorId {
    tracing::debug!(%violation, "a fragment breaks a rule");
    violation.error_id()
}

/// What a body is refused for; the log line says at which byte. What is too large has an ack of its own.
fn log_parse_error(error: ParseError) -> ErrorId {
    tracing::debug!(%error, "body is no Matroska that the service takes");
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

/// Fragment numbers and service tags carry whole milliseconds; so do all other places, that they agree.
fn whole_ms(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(SystemTime::UNIX_EPOCH)
}
