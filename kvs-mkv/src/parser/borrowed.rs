//! Events whose payload stays in the parser until it is taken.

use std::fmt;
use std::time::Duration;

use super::block::{DISCARDABLE, INVISIBLE, KEYFRAME, PlainBlock};
use super::{Parser, Position};
use crate::{Chunks, Event, Frame, TrackNumber};

/// An event of [`Parser::next_event_ref`], in the order of the stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum EventRef<'a> {
    /// A frame of the current cluster.
    Frame(FrameRef<'a>),
    /// Any other event; never [`Event::Frame`].
    Other(Event),
}

/// A frame whose payload is still in the parser: taken by [`into_frame`](Self::into_frame), dropped by the next call.
///
/// Its fields are those of a [`Frame`].
#[non_exhaustive]
pub struct FrameRef<'a> {
    /// The track of the frame.
    pub track: TrackNumber,
    /// Presentation time.
    pub pts: Duration,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// Whether the frame is decoded but not shown.
    pub invisible: bool,
    /// Whether the frame may be dropped without damage to other frames.
    pub discardable: bool,
    /// How long the frame lasts, if the container states it (`BlockDuration`).
    pub duration: Option<Duration>,
    parser: &'a mut Parser,
}

/// The payload of the last [`FrameRef`].
#[derive(Debug, Default)]
pub(super) enum Loan {
    #[default]
    Nothing,
    /// The next bytes of the input.
    Input(usize),
    /// The payload of a frame of a block with several.
    Taken(Chunks),
}

impl FrameRef<'_> {
    /// Returns the number of payload bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.parser.loan {
            Loan::Nothing => 0,
            Loan::Input(len) => *len,
            Loan::Taken(data) => data.len(),
        }
    }

    /// Returns whether there are no payload bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the payload as slices of the pushed pieces; none of them is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let (input, taken) = match &self.parser.loan {
            Loan::Nothing => (0, &[][..]),
            Loan::Input(len) => (*len, &[][..]),
            Loan::Taken(data) => (0, data.pieces()),
        };
        self.parser.input.next_pieces(input).chain(taken.iter().map(|piece| &piece[..]))
    }

    /// Returns where the frame is in the stream.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { span: self.parser.span.clone(), payload: Some(self.parser.payload_offset) }
    }

    /// Takes the payload, as slices of the pushed pieces.
    #[must_use]
    pub fn into_frame(self) -> Frame {
        let data = match std::mem::take(&mut self.parser.loan) {
            Loan::Nothing => Chunks::new(),
            Loan::Input(len) => self.parser.input.take(len),
            Loan::Taken(data) => data,
        };
        Frame {
            track: self.track,
            pts: self.pts,
            keyframe: self.keyframe,
            invisible: self.invisible,
            discardable: self.discardable,
            duration: self.duration,
            data,
        }
    }
}

/// Shows the length instead of the payload.
impl fmt::Debug for FrameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameRef")
            .field("track", &self.track)
            .field("pts", &self.pts)
            .field("keyframe", &self.keyframe)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Parser {
    /// Lends the block that [`plain_block`](Self::plain_block) found, all of which must be there.
    #[inline]
    pub(super) fn lend_plain(&mut self, block: &PlainBlock) -> FrameRef<'_> {
        self.enter_plain(block);
        self.input.advance_front(block.header);
        self.loan = Loan::Input(block.total - block.header);
        FrameRef {
            track: block.track,
            pts: Duration::from_nanos(block.nanos),
            keyframe: block.flags & KEYFRAME != 0,
            invisible: block.flags & INVISIBLE != 0,
            discardable: block.flags & DISCARDABLE != 0,
            duration: None,
            parser: self,
        }
    }

    /// Lends an event that owns its payload.
    pub(super) fn lend(&mut self, event: Event) -> EventRef<'_> {
        let frame = match event {
            Event::Frame(frame) => frame,
            other => return EventRef::Other(other),
        };
        self.loan = Loan::Taken(frame.data);
        EventRef::Frame(FrameRef {
            track: frame.track,
            pts: frame.pts,
            keyframe: frame.keyframe,
            invisible: frame.invisible,
            discardable: frame.discardable,
            duration: frame.duration,
            parser: self,
        })
    }

    /// Drops what was lent and not taken.
    #[inline]
    pub(super) fn end_loan(&mut self) {
        match self.loan {
            Loan::Nothing => {}
            Loan::Input(len) => {
                self.input.skip_whole(len);
                self.loan = Loan::Nothing;
            }
            Loan::Taken(_) => self.loan = Loan::Nothing,
        }
    }
}
