//! The push parser: bytes in, in any pieces; events out.

mod block;
mod masters;

/// What the flags of a block mean, for the writer too.
pub(crate) mod block_flags {
    pub(crate) use super::block::{DISCARDABLE, INVISIBLE, KEYFRAME};
}

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use crate::ebml::{Children, HEAD_BYTES, Head, Unread, read_head, read_id};
use crate::input::Input;
use crate::{ElementId, Event, Frame, Limits, ParseError, Problem, SegmentInfo};

/// Reads a Matroska stream that arrives piece by piece.
///
/// Push what arrived, then take events until there is none; any cut of the input gives the same events. A frame's
/// payload is a list of slices of what was pushed. Several documents in a row, as GetMedia sends them, are one input.
///
/// Held in memory is the one element that is not complete yet, never more than [`Limits::worst_case`] once
/// [`next_event`](Self::next_event) has returned `Ok(None)`. After an error the input is let go and every call gives the
/// same error again.
///
/// Sizes marked unknown are closed by what follows: a Cluster by the next element of the Segment, a Segment by the next
/// EBML head (RFC 8794 §6.2).
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::{CodecId, Event, Frame, Limits, Parser, SegmentInfo, Track, TrackKind, TrackNumber, Writer};
///
/// let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
/// let mut parser = Parser::new(Limits::default());
/// parser.push(writer.start_segment());
/// parser.push(writer.start_cluster(Duration::ZERO)?);
/// for piece in writer.block(Frame::new(TrackNumber::ONE, Duration::from_millis(40), vec![1, 2, 3]))? {
///     parser.push(piece);
/// }
/// let mut payload = None;
/// while let Some(event) = parser.next_event()? {
///     if let Event::Frame(frame) = event {
///         payload = Some(frame.data.into_bytes());
///     }
/// }
/// assert_eq!(payload.as_deref(), Some(&[1, 2, 3][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    input: Input,
    level: Level,
    /// Set while blocks of the open cluster may follow.
    blocks: Option<Blocks>,
    /// Bytes of the element being skipped that have not come yet.
    skipping: u64,
    /// How many bytes must wait before it is worth looking at them again.
    need: usize,
    /// Nanoseconds of a timecode unit.
    scale: u64,
    /// Default durations in nanoseconds, by track number.
    default_durations: Vec<(u64, u64)>,
    pending: Pending,
    span: Range<u64>,
    payload_offset: u64,
    failed: Option<ParseError>,
}

/// Where in the structure the next element stands.
///
/// ```text
///            EBML           Segment            Cluster
///   Outside ─────► Headed ──────────► Segment ─────────► Cluster
///      ▲                                 │ ▲                │
///      └──── EBML, end of the Segment ───┘ └── level 1, ────┘
///                                              end of the Cluster
/// ```
#[derive(Clone, Copy, Debug)]
enum Level {
    Outside,
    Headed { start: u64 },
    Segment(Segment),
    Cluster(Segment, Cluster),
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Where its EBML head began, until the segment was announced by an event.
    unannounced: Option<u64>,
    /// Where its own head ended.
    body: u64,
    end: Option<u64>,
    /// Whether a cluster was seen, after which the time unit stands.
    clusters: bool,
}

/// What reading a block of the open cluster takes to know.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    /// The cluster's timecode in units.
    timecode: u64,
    /// Where the cluster or segment ends, `u64::MAX` where that is open.
    end: u64,
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    start: u64,
    end: Option<u64>,
    /// Its timecode in units.
    timecode: Option<u64>,
    announced: bool,
}

/// What one element gave besides the event that was returned.
#[derive(Debug, Default)]
enum Pending {
    #[default]
    Nothing,
    /// The frames of a laced block, with their payload offsets.
    Frames(VecDeque<(u64, Frame)>),
    /// A Tags element whose Tag children are still to be told from `next` on; its body began at `offset`.
    Tags { body: Bytes, offset: u64, next: usize },
}

/// What looking at the next element came to.
enum Step {
    Event(Event),
    /// Something was read, look again.
    Again,
    /// Nothing can be done before so many bytes wait.
    Needs(usize),
}

impl Parser {
    /// A parser at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            input: Input::default(),
            level: Level::Outside,
            blocks: None,
            skipping: 0,
            need: 0,
            scale: DEFAULT_SCALE,
            default_durations: Vec::new(),
            pending: Pending::Nothing,
            span: 0..0,
            payload_offset: 0,
            failed: None,
        }
    }

    /// Takes the next piece of the stream, of any length, without looking at it; ignored after an error.
    ///
    /// Pieces of 512 bytes and more are kept as they are; shorter ones that have to wait are copied together.
    #[inline]
    pub fn push(&mut self, bytes: Bytes) {
        if self.failed.is_none() {
            self.input.push(bytes);
        }
    }

    /// The next event, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// The first thing in the stream that is not Matroska or passes a limit; from then on always the same.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event>, ParseError> {
        // Nearly every event is a frame that lies in one piece: no need to look at all that might be there instead.
        if let Some(frame) = self.plain_block() {
            return Ok(Some(Event::Frame(frame)));
        }
        if self.input.len() < self.need {
            return Ok(None);
        }
        self.next_step()
    }

    fn next_step(&mut self) -> Result<Option<Event>, ParseError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        loop {
            match self.step() {
                Ok(Step::Event(event)) => return Ok(Some(event)),
                Ok(Step::Again) => {}
                Ok(Step::Needs(bytes)) => {
                    self.need = bytes;
                    self.input.settle();
                    return Ok(None);
                }
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// Says that the stream ends here.
    ///
    /// Events that were not taken are dropped. An open cluster or segment of unknown size ends without a further event.
    ///
    /// # Errors
    /// What [`next_event`](Self::next_event) would still find, or that the input ends inside an element.
    pub fn finish(mut self) -> Result<(), ParseError> {
        while self.next_event()?.is_some() {}
        let (around, end) = match self.level {
            Level::Outside => (ElementId::EBML, None),
            Level::Headed { start } => return Err(ParseError::new(start, ElementId::SEGMENT, Problem::Truncated)),
            Level::Segment(segment) => (ElementId::SEGMENT, segment.end),
            Level::Cluster(segment, cluster) => (ElementId::CLUSTER, cluster.end.or(segment.end)),
        };
        let at = self.input.position();
        if self.input.len() == 0 && self.skipping == 0 && end.is_none_or(|end| end <= at) {
            return Ok(());
        }
        let mut scratch = [0; HEAD_BYTES];
        let element = read_id(self.input.peek(&mut scratch)).map_or(around, |(id, _)| id);
        Err(ParseError::new(at, element, Problem::Truncated))
    }

    /// Bytes kept in memory right now: input that waits and the lists that hold it.
    #[must_use]
    pub fn held(&self) -> usize {
        let pending = match &self.pending {
            Pending::Nothing => 0,
            Pending::Frames(frames) => frames.capacity().saturating_mul(size_of::<(u64, Frame)>()),
            Pending::Tags { body, .. } => body.len(),
        };
        self.input.held() + pending + self.default_durations.capacity() * size_of::<(u64, u64)>()
    }

    /// Where the last event's element stood in the stream, as absolute byte offsets.
    ///
    /// - Segment: from its EBML head to the end of Info (of the Segment's own head, where Info does not come first);
    /// - Tracks, Tags: the whole element; each Tag group of one Tags element has the same span;
    /// - Cluster: from its head to its first block;
    /// - Frame: the whole SimpleBlock or BlockGroup, the same for all frames of a laced one;
    /// - ClusterEnd: empty, at the place where the cluster ended.
    #[must_use]
    pub const fn span(&self) -> Range<u64> {
        self.span.start..self.span.end
    }

    /// Where the payload of the last [`Event::Frame`] began in the stream, as an absolute byte offset.
    #[must_use]
    pub const fn payload_offset(&self) -> u64 {
        self.payload_offset
    }

    /// Whether one document has ended and the Segment of the next was not announced yet.
    pub(crate) const fn is_between_documents(&self) -> bool {
        match &self.level {
            Level::Outside | Level::Headed { .. } => true,
            Level::Segment(segment) => segment.unannounced.is_some(),
            Level::Cluster(..) => false,
        }
    }

    #[cold]
    fn fail(&mut self, error: ParseError) -> ParseError {
        self.failed = Some(error);
        self.input.clear();
        self.blocks = None;
        self.need = 0;
        self.pending = Pending::Nothing;
        self.default_durations = Vec::new();
        error
    }

    fn step(&mut self) -> Result<Step, ParseError> {
        if !matches!(self.pending, Pending::Nothing) {
            return self.pending_step();
        }
        if self.skipping > 0 {
            self.skipping -= self.input.skip(self.skipping);
            if self.skipping > 0 {
                return Ok(Step::Needs(1));
            }
        }
        if let Some(step) = self.close_ended()? {
            return Ok(step);
        }
        self.need = 0;
        let at = self.input.position();
        let mut scratch = [0; HEAD_BYTES];
        let seen = self.input.peek(&mut scratch);
        let (id, head) = (read_id(seen), read_head(seen));
        // The id alone ends what has no size: whoever waits for its end need not wait for more.
        if let Ok((id, _)) = id
            && let Some(step) = self.end_unsized(at, id)?
        {
            return Ok(step);
        }
        match head {
            Ok(head) => self.element(at, head),
            Err(Unread::Needs(bytes)) => Ok(Step::Needs(bytes)),
            Err(Unread::Invalid) => Err(self.no_element(at)),
        }
    }

    #[cold]
    fn no_element(&self, at: u64) -> ParseError {
        let (around, problem) = match self.level {
            Level::Outside => (ElementId::EBML, Problem::NotMatroska),
            Level::Headed { .. } => (ElementId::SEGMENT, Problem::NotAnElement),
            Level::Segment(_) => (ElementId::SEGMENT, Problem::NotAnElement),
            Level::Cluster(..) => (ElementId::CLUSTER, Problem::NotAnElement),
        };
        ParseError::new(at, around, problem)
    }

    fn pending_step(&mut self) -> Result<Step, ParseError> {
        match &mut self.pending {
            Pending::Nothing => Ok(Step::Again),
            Pending::Frames(frames) => match frames.pop_front() {
                Some((offset, frame)) => {
                    self.payload_offset = offset;
                    Ok(Step::Event(Event::Frame(frame)))
                }
                None => {
                    self.pending = Pending::Nothing;
                    Ok(Step::Again)
                }
            },
            Pending::Tags { body, offset, next } => {
                let rest = body.get(*next..).unwrap_or_default();
                let at = offset.saturating_add(*next as u64);
                let mut children = Children::new(ElementId::TAGS, at, rest);
                let Some(child) = children.next()? else {
                    self.pending = Pending::Nothing;
                    return Ok(Step::Again);
                };
                *next = body.len() - children.left();
                if child.id != ElementId::TAG {
                    return Ok(Step::Again);
                }
                Ok(Step::Event(Event::Tags(masters::tag(&child, &self.limits)?)))
            }
        }
    }

    /// Leaves a Cluster or Segment of known size at its end.
    #[inline]
    fn close_ended(&mut self) -> Result<Option<Step>, ParseError> {
        let at = self.input.position();
        match self.level {
            Level::Cluster(segment, cluster) => match cluster.end.or(segment.end) {
                Some(end) if at >= end => self.leave_cluster(at).map(Some),
                _ => Ok(None),
            },
            Level::Segment(segment) if segment.end.is_some_and(|end| at >= end) => {
                if let Some(step) = self.announce_segment(None) {
                    return Ok(Some(step));
                }
                self.level = Level::Outside;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Leaves a Cluster or Segment of unknown size that the element `id` ends.
    #[inline]
    fn end_unsized(&mut self, at: u64, id: ElementId) -> Result<Option<Step>, ParseError> {
        match self.level {
            Level::Cluster(_, Cluster { end: None, .. }) if id.is_level_1() || id == ElementId::EBML => {
                self.leave_cluster(at).map(Some)
            }
            Level::Segment(Segment { end: None, .. }) if id == ElementId::EBML => {
                let step = self.announce_segment(None);
                if step.is_none() {
                    self.level = Level::Outside;
                }
                Ok(step)
            }
            _ => Ok(None),
        }
    }

    /// Reads the element whose head is `head`, if enough of it is there.
    #[inline]
    fn element(&mut self, at: u64, head: Head) -> Result<Step, ParseError> {
        match self.level {
            Level::Cluster(segment, cluster) => self.in_cluster(at, head, segment, cluster),
            Level::Segment(segment) => self.in_segment(at, head, segment),
            Level::Headed { start } => self.in_headed(at, head, start),
            Level::Outside => self.outside(at, head),
        }
    }

    fn outside(&mut self, at: u64, head: Head) -> Result<Step, ParseError> {
        match head.id {
            ElementId::EBML => {
                let Some(body) = self.whole(at, head, None, self.limits.header_bytes)? else {
                    return Ok(self.needs(head));
                };
                masters::check_ebml_head(Children::new(ElementId::EBML, at + head.len as u64, &body))?;
                self.level = Level::Headed { start: at };
                Ok(Step::Again)
            }
            ElementId::VOID => self.skip(at, head, None),
            id if at == 0 => Err(ParseError::new(at, id, Problem::NotMatroska)),
            id => Err(ParseError::new(at, id, Problem::Unexpected { within: ElementId::EBML })),
        }
    }

    fn in_headed(&mut self, at: u64, head: Head, start: u64) -> Result<Step, ParseError> {
        match head.id {
            ElementId::SEGMENT => {
                let body = self.consume_head(head);
                let end = head.size.map(|size| body.saturating_add(size));
                self.scale = DEFAULT_SCALE;
                self.default_durations.clear();
                self.level = Level::Segment(Segment { unannounced: Some(start), body, end, clusters: false });
                Ok(Step::Again)
            }
            ElementId::VOID => self.skip(at, head, None),
            id => Err(ParseError::new(at, id, Problem::Unexpected { within: ElementId::EBML })),
        }
    }

    fn in_segment(&mut self, at: u64, head: Head, segment: Segment) -> Result<Step, ParseError> {
        let parent = segment.end.map(|end| (ElementId::SEGMENT, end));
        match head.id {
            ElementId::INFO => self.info(at, head, segment),
            ElementId::TRACKS => self.tracks(at, head, parent),
            ElementId::TAGS => self.tags(at, head, parent),
            ElementId::CLUSTER => self.enter_cluster(at, head, segment),
            id if id.is_level_0() || is_cluster_child(id) => {
                Err(ParseError::new(at, id, Problem::Unexpected { within: ElementId::SEGMENT }))
            }
            _ => self.skip(at, head, parent),
        }
    }

    fn info(&mut self, at: u64, head: Head, segment: Segment) -> Result<Step, ParseError> {
        let parent = segment.end.map(|end| (ElementId::SEGMENT, end));
        let Some(body) = self.whole(at, head, parent, self.limits.header_bytes)? else {
            return Ok(self.needs(head));
        };
        let info = masters::info(Children::new(ElementId::INFO, at + head.len as u64, &body))?;
        if !segment.clusters {
            self.scale = u64::try_from(info.timecode_scale.as_nanos()).unwrap_or(u64::MAX);
        }
        Ok(self.announce_segment(Some(info)).unwrap_or(Step::Again))
    }

    /// The event of the Segment, unless it was told before.
    fn announce_segment(&mut self, info: Option<SegmentInfo>) -> Option<Step> {
        let Level::Segment(segment) = &mut self.level else { return None };
        let start = segment.unannounced.take()?;
        let end = if info.is_some() { self.input.position() } else { segment.body };
        self.span = start..end;
        Some(Step::Event(Event::Segment(info.unwrap_or_else(masters::no_info))))
    }

    fn tracks(&mut self, at: u64, head: Head, parent: Option<(ElementId, u64)>) -> Result<Step, ParseError> {
        if let Some(step) = self.announce_segment(None) {
            return Ok(step);
        }
        let Some(body) = self.whole(at, head, parent, self.limits.tracks_bytes)? else {
            return Ok(self.needs(head));
        };
        let children = Children::new(ElementId::TRACKS, at + head.len as u64, &body);
        let tracks = masters::tracks(children, self.limits.tracks)?;
        let durations = tracks.iter().filter_map(|track| {
            let nanos = u64::try_from(track.default_duration?.as_nanos()).ok()?;
            Some((track.number.get(), nanos))
        });
        self.default_durations = durations.collect();
        self.span = at..self.input.position();
        Ok(Step::Event(Event::Tracks(tracks)))
    }

    fn tags(&mut self, at: u64, head: Head, parent: Option<(ElementId, u64)>) -> Result<Step, ParseError> {
        if let Some(step) = self.announce_segment(None) {
            return Ok(step);
        }
        let Some(body) = self.whole(at, head, parent, self.limits.tags_bytes)? else {
            return Ok(self.needs(head));
        };
        self.span = at..self.input.position();
        self.pending = Pending::Tags { body, offset: at + head.len as u64, next: 0 };
        Ok(Step::Again)
    }

    fn enter_cluster(&mut self, at: u64, head: Head, mut segment: Segment) -> Result<Step, ParseError> {
        if let Some(step) = self.announce_segment(None) {
            return Ok(step);
        }
        let parent = segment.end.map(|end| (ElementId::SEGMENT, end));
        if head.size.is_some() {
            self.check_inside(at, head, parent)?;
        }
        let body = self.consume_head(head);
        let end = head.size.map(|size| body.saturating_add(size));
        segment.clusters = true;
        self.level = Level::Cluster(segment, Cluster { start: at, end, timecode: None, announced: false });
        Ok(Step::Again)
    }

    /// Ends the open cluster at `at`, telling of it first if that was not done yet.
    fn leave_cluster(&mut self, at: u64) -> Result<Step, ParseError> {
        if let Some(step) = self.announce_cluster(at)? {
            return Ok(step);
        }
        if let Level::Cluster(segment, _) = self.level {
            self.level = Level::Segment(segment);
        }
        self.blocks = None;
        self.need = 0;
        self.span = at..at;
        Ok(Step::Event(Event::ClusterEnd))
    }

    /// The event of the open cluster, whose first block or end is at `at`, unless it was told before.
    fn announce_cluster(&mut self, at: u64) -> Result<Option<Step>, ParseError> {
        let Level::Cluster(segment, cluster) = &mut self.level else { return Ok(None) };
        if cluster.announced {
            return Ok(None);
        }
        let missing = Problem::Missing { child: ElementId::TIMESTAMP };
        let timecode = cluster.timecode.ok_or(ParseError::new(cluster.start, ElementId::CLUSTER, missing))?;
        let wrong = || ParseError::new(cluster.start, ElementId::CLUSTER, Problem::TimeOutOfRange);
        let nanos = timecode.checked_mul(self.scale).ok_or_else(wrong)?;
        cluster.announced = true;
        self.blocks = Some(Blocks { timecode, end: cluster.end.or(segment.end).unwrap_or(u64::MAX) });
        self.span = cluster.start..at;
        Ok(Some(Step::Event(Event::Cluster { at: Duration::from_nanos(nanos) })))
    }

    #[inline]
    fn in_cluster(&mut self, at: u64, head: Head, segment: Segment, cluster: Cluster) -> Result<Step, ParseError> {
        let parent = match cluster.end {
            Some(end) => Some((ElementId::CLUSTER, end)),
            None => segment.end.map(|end| (ElementId::SEGMENT, end)),
        };
        match head.id {
            ElementId::SIMPLE_BLOCK | ElementId::BLOCK_GROUP => {
                if !cluster.announced {
                    return Ok(self.announce_cluster(at)?.unwrap_or(Step::Again));
                }
                if !self.is_there(at, head, parent, self.limits.block_bytes)? {
                    return Ok(self.needs(head));
                }
                self.block(at, head, cluster.timecode.unwrap_or_default())
            }
            ElementId::TIMESTAMP => self.timestamp(at, head, parent),
            id if id.is_level_1() || id.is_level_0() => {
                Err(ParseError::new(at, id, Problem::Unexpected { within: ElementId::CLUSTER }))
            }
            _ => self.skip(at, head, parent),
        }
    }

    fn timestamp(&mut self, at: u64, head: Head, parent: Option<(ElementId, u64)>) -> Result<Step, ParseError> {
        let Some(body) = self.whole(at, head, parent, 8)? else {
            return Ok(self.needs(head));
        };
        let value = body.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        match &mut self.level {
            Level::Cluster(_, cluster) if !cluster.announced => cluster.timecode = Some(value),
            _ => {
                let late = Problem::Unexpected { within: ElementId::CLUSTER };
                return Err(ParseError::new(at, ElementId::TIMESTAMP, late));
            }
        }
        Ok(Step::Again)
    }

    /// Skips an element without waiting for it.
    fn skip(&mut self, at: u64, head: Head, parent: Option<(ElementId, u64)>) -> Result<Step, ParseError> {
        let size = self.check_inside(at, head, parent)?;
        self.consume_head(head);
        self.skipping = size;
        Ok(Step::Again)
    }

    /// Checks that the size is known and ends inside the parent.
    #[inline]
    fn check_inside(&self, at: u64, head: Head, parent: Option<(ElementId, u64)>) -> Result<u64, ParseError> {
        let size = head.size.ok_or(ParseError::new(at, head.id, Problem::UnknownSize))?;
        if let Some((parent, parent_end)) = parent {
            let end = at.saturating_add(head.len as u64).saturating_add(size);
            if end > parent_end {
                return Err(ParseError::new(at, head.id, Problem::PastParent { end, parent, parent_end }));
            }
        }
        Ok(size)
    }

    /// Checks an element that is read whole against its limit, and whether it is all there.
    #[inline]
    fn is_there(
        &self,
        at: u64,
        head: Head,
        parent: Option<(ElementId, u64)>,
        limit: usize,
    ) -> Result<bool, ParseError> {
        let size = self.check_inside(at, head, parent)?;
        if size > limit as u64 {
            return Err(ParseError::new(at, head.id, Problem::TooLarge { size, limit: limit as u64 }));
        }
        Ok(self.input.len() as u64 >= size + head.len as u64)
    }

    /// Reads the body of a small element that is read whole, once it is all there.
    fn whole(
        &mut self,
        at: u64,
        head: Head,
        parent: Option<(ElementId, u64)>,
        limit: usize,
    ) -> Result<Option<Bytes>, ParseError> {
        if !self.is_there(at, head, parent, limit)? {
            return Ok(None);
        }
        self.consume_head(head);
        let size = usize::try_from(head.size.unwrap_or_default()).unwrap_or_default();
        Ok(Some(self.input.take(size).into_bytes()))
    }

    /// All of an element that [`is_there`](Self::is_there) found to fit its limit.
    fn needs(&self, head: Head) -> Step {
        let body = usize::try_from(head.size.unwrap_or_default()).unwrap_or(usize::MAX);
        Step::Needs(head.len.saturating_add(body))
    }

    /// Reads an element's head and says where its body begins.
    #[inline]
    fn consume_head(&mut self, head: Head) -> u64 {
        self.input.skip(head.len as u64);
        self.input.position()
    }
}

/// Elements that only a cluster has: met elsewhere, the cluster's head is missing (RFC 9559 §5.1.3).
const fn is_cluster_child(id: ElementId) -> bool {
    matches!(id, ElementId::SIMPLE_BLOCK | ElementId::BLOCK_GROUP | ElementId::TIMESTAMP)
}

/// One millisecond (RFC 9559 §5.1.2.9).
const DEFAULT_SCALE: u64 = 1_000_000;
