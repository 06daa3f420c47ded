//! The push parser: takes bytes in any pieces and returns events.

mod block;
mod borrowed;
mod element;
mod error;
mod event;
mod input;
mod lacing;
mod level;
mod masters;
mod video;

pub use borrowed::{EventRef, FrameRef};
pub use error::{ParseError, Problem};
pub use event::{Event, Position};

/// The flags of a block, which the writer needs too.
pub(crate) mod block_flags {
    pub(crate) use super::block::{DISCARDABLE, INVISIBLE, KEYFRAME};
}

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use self::block::PlainBlock;
use self::borrowed::Loan;
use self::input::Input;
use self::level::{Blocks, DEFAULT_SCALE, Level};
use crate::ebml::{Children, HEAD_BYTES, Unread, read_head, read_id};
use crate::{Chunks, ElementId, Frame, Limits};

/// Parses a Matroska stream that arrives in pieces.
///
/// Push each piece, then take events until there are none. The division into pieces does not change the events. The payload
/// of a frame is a list of slices of the pushed pieces. Several documents in a row, as GetMedia sends them, are one stream.
///
/// Memory: the element that is not complete yet, and never more than [`Limits::worst_case`] after
/// [`next_event`](Self::next_event) has returned `Ok(None)`. After an error the input is dropped, and every call returns the
/// same error.
///
/// Elements of unknown size end where the next element cannot be their child: a Cluster at the next child of the Segment, a
/// Segment at the next EBML head (RFC 8794 §6.2).
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
    /// Set while blocks of the current cluster may follow.
    blocks: Option<Blocks>,
    /// Bytes of a skipped element that have not arrived yet.
    skipping: u64,
    /// Bytes that must be there before the next element can be read.
    need: usize,
    /// Nanoseconds per timecode unit.
    scale: u64,
    /// Default durations in nanoseconds, by track number.
    default_durations: Vec<(u64, u64)>,
    pending: Pending,
    /// The payload of the last [`FrameRef`], until it is taken or the next event is asked for.
    loan: Loan,
    /// Position of the last event.
    span: Range<u64>,
    payload_offset: u64,
    failed: Option<ParseError>,
}

/// Events of an element that were not returned yet.
#[derive(Debug, Default)]
enum Pending {
    #[default]
    Nothing,
    /// The frames of a laced block, with their payload offsets.
    Frames(VecDeque<(u64, Frame)>),
    /// A Tags element whose Tag children from `next` on were not returned yet; its body starts at `offset` of the stream.
    Tags { body: Bytes, offset: u64, next: usize },
}

/// The result of handling the next element.
enum Step {
    Event(Event),
    /// Something was read; continue with the next element.
    Again,
    /// This many bytes must be there to continue.
    Needs(usize),
}

impl Parser {
    /// Creates a parser at the start of a stream.
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
            loan: Loan::Nothing,
            span: 0..0,
            payload_offset: 0,
            failed: None,
        }
    }

    /// Appends the next piece of the stream, of any length, without parsing it; ignored after an error.
    ///
    /// Pieces of at least 512 bytes are kept without copying; shorter ones that have to wait are copied together.
    #[inline]
    pub fn push(&mut self, bytes: Bytes) {
        if self.failed.is_none() {
            self.input.push(bytes);
        }
    }

    /// Returns the next event, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`ParseError`] if the stream is not Matroska or exceeds a limit; every later call returns the same error.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event>, ParseError> {
        self.end_loan();
        if self.input.len() < self.need { Ok(None) } else { self.found() }
    }

    /// Like [`next_event`](Self::next_event), and also returns where the event's element is in the stream.
    ///
    /// # Errors
    /// The errors of [`next_event`](Self::next_event).
    pub fn next_event_with_position(&mut self) -> Result<Option<(Event, Position)>, ParseError> {
        let Some(event) = self.next_event()? else { return Ok(None) };
        let payload = matches!(event, Event::Frame(_)).then_some(self.payload_offset);
        Ok(Some((event, Position { span: self.span.clone(), payload })))
    }

    /// Like [`next_event`](Self::next_event), but leaves the payload of a frame in the parser, which drops it on the next call.
    ///
    /// For those who look at frames and keep few of them: counting a reference to a payload, and releasing it, takes about half
    /// of the time of an event. [`FrameRef::into_frame`] takes the payload.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kvs_mkv::{CodecId, EventRef, Frame, Limits, Parser, SegmentInfo, Track, TrackKind, TrackNumber, Writer};
    ///
    /// let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    /// let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
    /// let mut parser = Parser::new(Limits::default());
    /// parser.push(writer.start_segment());
    /// parser.push(writer.start_cluster(Duration::ZERO)?);
    /// let frames = [1, 2].map(|ms| Frame::new(TrackNumber::ONE, Duration::from_millis(ms), vec![7; 1000]));
    /// writer.blocks(&frames)?.into_iter().for_each(|piece| parser.push(piece));
    /// let (mut bytes, mut kept) = (0, None);
    /// while let Some(event) = parser.next_event_ref()? {
    ///     if let EventRef::Frame(frame) = event {
    ///         bytes += frame.len();
    ///         if kept.is_none() {
    ///             kept = Some(frame.into_frame());
    ///         }
    ///     }
    /// }
    /// assert_eq!((bytes, kept.as_ref()), (2000, frames.first()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`next_event`](Self::next_event).
    #[inline]
    pub fn next_event_ref(&mut self) -> Result<Option<EventRef<'_>>, ParseError> {
        self.end_loan();
        if self.input.len() < self.need {
            return Ok(None);
        }
        match self.plain_block() {
            Some(block) if block.total <= self.input.len() => Ok(Some(EventRef::Frame(self.lend_plain(&block)))),
            _ => self.found_ref(),
        }
    }

    /// Returns where the element of the last event is, if it was not a frame; for a frame, see [`FrameRef::position`].
    #[must_use]
    pub const fn position(&self) -> Position {
        Position { span: Range { start: self.span.start, end: self.span.end }, payload: None }
    }

    #[inline(never)]
    fn found_ref(&mut self) -> Result<Option<EventRef<'_>>, ParseError> {
        Ok(self.found()?.map(|event| self.lend(event)))
    }

    // Not inlined: the event is built in its final place instead of being moved through the caller's frames.
    #[inline(never)]
    fn found(&mut self) -> Result<Option<Event>, ParseError> {
        // Almost every event is a plain frame, so it is tried first.
        match self.plain_block() {
            // Without the branches of the other payloads, the frame is written once, where it is returned.
            Some(block) if block.is_within(self.input.front().len()) => {
                self.enter_plain(&block);
                let payload = self.input.take_inside(block.header, block.total);
                Ok(Some(Event::Frame(block.frame(Chunks::from_one(payload)))))
            }
            Some(block) if block.total > self.input.len() => Ok(self.wait_for(block.total)),
            Some(block) => Ok(Some(self.plain_across(&block))),
            None => self.next_step(),
        }
    }

    /// Reads a plain block whose payload is empty or reaches the end of the first piece.
    #[inline(never)]
    fn plain_across(&mut self, block: &PlainBlock) -> Event {
        self.enter_plain(block);
        self.input.advance_front(block.header);
        Event::Frame(block.frame(self.input.take(block.total - block.header)))
    }

    #[inline(never)]
    fn next_step(&mut self) -> Result<Option<Event>, ParseError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        loop {
            match self.step() {
                Ok(Step::Event(event)) => return Ok(Some(event)),
                Ok(Step::Again) => {}
                Ok(Step::Needs(bytes)) => return Ok(self.wait_for(bytes)),
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// Waits for this many bytes.
    fn wait_for(&mut self, bytes: usize) -> Option<Event> {
        self.need = bytes;
        self.input.settle();
        None
    }

    /// Ends the stream.
    ///
    /// Remaining events are dropped. An open cluster or segment of unknown size ends without an event.
    ///
    /// # Errors
    /// The errors of [`next_event`](Self::next_event), and [`Problem::Truncated`] if the input ends inside an element.
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

    /// Returns the memory in use, in bytes: waiting input and its lists.
    #[must_use]
    pub fn held(&self) -> usize {
        let pending = match &self.pending {
            Pending::Nothing => 0,
            Pending::Frames(frames) => frames.capacity().saturating_mul(size_of::<(u64, Frame)>()),
            Pending::Tags { body, .. } => body.len(),
        };
        self.input.held() + pending + self.default_durations.capacity() * size_of::<(u64, u64)>()
    }

    /// Returns whether one document has ended and the event of the next Segment was not returned yet.
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
        self.loan = Loan::Nothing;
        self.blocks = None;
        self.need = 0;
        self.pending = Pending::Nothing;
        self.default_durations = Vec::new();
        error
    }

    fn step(&mut self) -> Result<Step, ParseError> {
        self.need = 0;
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
        let at = self.input.position();
        let mut scratch = [0; HEAD_BYTES];
        let seen = self.input.peek(&mut scratch);
        let (id, head) = (read_id(seen), read_head(seen));
        // The id is enough to end an element of unknown size, so its end is reported without waiting for the size.
        if let Ok((id, _)) = id {
            if let Some(step) = self.end_unsized(at, id)? {
                return Ok(step);
            }
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
}
