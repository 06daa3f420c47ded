//! Joins NAL units to access units.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::syntax::HEAD;
use super::{AccessUnit, Part, Picture, SkipReason, Skipped, Slice, SplitError, SplitEvent, Syntax, TrackFormat};
use crate::codec::h264::{self, RandomAccess};
use crate::codec::h265;
use crate::codec::nal::{NalStream, StreamUnit};
use crate::{Chunks, Track, TrackNumber};

/// Splits a live Annex B byte stream (H.264 or H.265 with start codes, as an encoder writes it into a pipe) into access units.
///
/// Bytes are pushed in any pieces; how they are divided does not change the result. An access unit is complete when the first
/// slice of the next one starts (96 bytes of it, or all), so it comes one frame late; the last one comes from
/// [`finish`](Self::finish). Payloads are slices of what was
/// pushed. Only NAL units that come in many pieces below 512 bytes are copied.
///
/// Slices are assigned to pictures by the rules of the standards (H.264 7.4.1.2.4, H.265 7.4.2.4.4), each read through the
/// parameter sets it names. Fields of a frame stay together. In addition, a picture starts where macroblocks repeat, because
/// some encoders give consecutive IDR pictures the same number.
///
/// What comes before the first key frame with its parameter sets cannot be decoded. It is left out, counted and reported as
/// [`SplitEvent::Skipped`].
///
/// Memory: what was pushed and is not yet split, at most one access unit (50 MB, see [`with_limit`](Self::with_limit)), and the
/// parameter sets.
///
/// ```
/// use bytes::Bytes;
/// use kvs_mkv::TrackNumber;
/// use kvs_mkv::codec::{AccessUnitSplitter, SplitEvent};
///
/// let mut splitter = AccessUnitSplitter::h264(TrackNumber::ONE);
/// splitter.push(Bytes::from_static(b"\0\0\0\x01\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10\0\0\0\x01\x68\xce\x3c"));
/// splitter.push(Bytes::from_static(b"\x80\0\0\x01\x65\x88\x84\x01\0\0\0\x01\x41\x9a\x02\0\0\x01"));
/// let Some(SplitEvent::Track { track, .. }) = splitter.next_event()? else { panic!("the track comes first") };
/// assert_eq!(track.codec.as_str(), "V_MPEG4/ISO/AVC");
/// let Some(SplitEvent::AccessUnit(unit)) = splitter.next_event()? else { panic!("then the first picture") };
/// assert!(unit.is_keyframe() && unit.range.start == 1);
/// assert_eq!(splitter.next_event()?, None); // more bytes are needed
/// # Ok::<(), kvs_mkv::codec::SplitError>(())
/// ```
#[derive(Debug)]
pub struct AccessUnitSplitter {
    stream: NalStream,
    syntax: Box<dyn Syntax>,
    number: TrackNumber,
    limit: usize,
    open: Open,
    /// NAL units behind the picture that may belong to the next one.
    pending: Units,
    link: Link,
    skipped: Option<Skipped>,
    /// The track that was returned last.
    track: Option<Track>,
    ready: VecDeque<SplitEvent>,
    lengths: BytesMut,
    /// What the slice says whose end has not come, once its header is read.
    begun: Option<Slice>,
    failed: Option<SplitError>,
    is_flushed: bool,
}

/// The access unit whose end has not come.
#[derive(Debug, Default)]
struct Open {
    units: Units,
    picture: Option<Picture>,
    /// The track, if it changes here.
    track: Option<TrackFormat>,
}

/// NAL units in a row, with lengths.
#[derive(Debug, Default)]
struct Units {
    data: Chunks,
    count: usize,
    range: Range<u64>,
    /// Parameter sets or SEI are among them.
    has_sets: bool,
}

/// Whether pictures can refer to what is before the last random access picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// No random access picture has come.
    Waiting,
    /// What is before it is not there: leading pictures are left out.
    Broken,
    Whole,
}

impl AccessUnitSplitter {
    /// Creates a splitter for H.264; its track has this number.
    #[must_use]
    pub fn h264(number: TrackNumber) -> Self {
        Self::new(Box::new(h264::SplitSyntax::default()), number)
    }

    /// Creates a splitter for H.265; its track has this number.
    #[must_use]
    pub fn h265(number: TrackNumber) -> Self {
        Self::new(Box::new(h265::SplitSyntax::default()), number)
    }

    fn new(syntax: Box<dyn Syntax>, number: TrackNumber) -> Self {
        Self {
            stream: NalStream::default(),
            syntax,
            number,
            limit: usize::try_from(kvs_types::limits::FRAGMENT_BYTES).unwrap_or(usize::MAX),
            open: Open::default(),
            pending: Units::default(),
            link: Link::Waiting,
            skipped: None,
            track: None,
            ready: VecDeque::new(),
            lengths: BytesMut::new(),
            begun: None,
            failed: None,
            is_flushed: false,
        }
    }

    /// Sets the largest access unit in bytes, at least 1,024. Default: 50 MB, the largest fragment of the service.
    #[must_use]
    pub const fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = if bytes < SMALLEST_LIMIT { SMALLEST_LIMIT } else { bytes };
        self
    }

    /// Appends a piece of the stream.
    pub fn push(&mut self, piece: Bytes) {
        self.stream.push(piece);
    }

    /// Returns what comes next; `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`SplitError`]; later calls return the same error.
    pub fn next_event(&mut self) -> Result<Option<SplitEvent>, SplitError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// Like [`next_event`](Self::next_event) at the end of the stream: the last access unit is complete. Call it until it
    /// returns `None`; nothing can be pushed after it.
    ///
    /// # Errors
    /// [`SplitError`]; later calls return the same error.
    pub fn finish(&mut self) -> Result<Option<SplitEvent>, SplitError> {
        self.stream.end();
        if let Some(event) = self.next_event()? {
            return Ok(Some(event));
        }
        if !std::mem::replace(&mut self.is_flushed, true) {
            self.flush();
            self.report_skipped();
        }
        Ok(self.ready.pop_front())
    }

    /// Returns the bytes that are kept.
    #[must_use]
    pub fn held(&self) -> usize {
        self.stream.held().saturating_add(self.open.units.data.len()).saturating_add(self.pending.data.len())
    }

    /// Takes the next NAL unit, or the start of the one whose end has not come. Returns whether there was something to take.
    fn advance(&mut self) -> Result<bool, SplitError> {
        let limit = self.limit;
        let unit = match self.stream.next(limit) {
            Ok(Some(unit)) => unit,
            Ok(None) => {
                self.begin_early()?;
                return Ok(!self.ready.is_empty());
            }
            Err(endless) => {
                self.begin_early()?;
                return Err(SplitError::TooLong { at: endless.at, limit });
            }
        };
        let mut space = [0; HEAD];
        let head = unit.head(&mut space);
        match self.syntax.part(head) {
            Part::Slice => {
                let slice = match self.begun.take() {
                    Some(slice) => slice,
                    None => {
                        let slice = self.syntax.slice(head);
                        self.begin(&slice, unit.at)?;
                        slice
                    }
                };
                self.slice(slice, unit)?;
            }
            part @ (Part::Leading | Part::Other) => {
                let is_absorbed = self.syntax.is_absorbed(head);
                if is_absorbed {
                    self.syntax.absorb(&unit.data.clone().into_bytes());
                } else {
                    self.syntax.note(head);
                }
                let is_pending = self.open.picture.is_some() && (part == Part::Leading || self.pending.count > 0);
                let units = if is_pending { &mut self.pending } else { &mut self.open.units };
                units.has_sets |= is_absorbed;
                units.put(&mut self.lengths, unit, limit)?;
            }
        }
        Ok(true)
    }

    /// Reads the header of a slice as soon as it is there, so that the access unit before it need not wait for all of it.
    fn begin_early(&mut self) -> Result<(), SplitError> {
        let mut space = [0; HEAD];
        let Some((at, head)) = self.stream.open(&mut space).filter(|_| self.begun.is_none()) else { return Ok(()) };
        if self.syntax.part(head) == Part::Slice {
            let slice = self.syntax.slice(head);
            self.begun = Some(slice);
            self.begin(&slice, at)?;
        }
        Ok(())
    }

    /// Starts an access unit if this slice, whose start code is at `at`, is the first one of a picture.
    fn begin(&mut self, slice: &Slice, at: u64) -> Result<(), SplitError> {
        let Slice::First(picture) = *slice else { return Ok(()) };
        if self.open.picture.is_some() {
            self.flush();
            self.start_here();
        }
        let may_start = picture.random_access != RandomAccess::No || self.link == Link::Waiting && picture.is_intra;
        if may_start {
            let at = if self.open.units.count > 0 { self.open.units.range.start } else { at };
            let changed = self.syntax.changed_track(self.number, at)?;
            self.open.track = changed.filter(|format| self.track.as_ref() != Some(&format.track));
        }
        self.open.picture = Some(picture);
        Ok(())
    }

    /// Adds a slice to its access unit.
    fn slice(&mut self, slice: Slice, unit: StreamUnit) -> Result<(), SplitError> {
        match slice {
            Slice::First(_) => {}
            Slice::Next { .. } if self.open.picture.is_none() => {
                // The start of its picture was left out.
                self.skip_unreadable(unit.at..unit.end(), false);
                return Ok(());
            }
            Slice::Next { is_intra } => {
                // What came between two slices of one picture belongs to it, even if it should not be there.
                self.start_here();
                if let Some(picture) = &mut self.open.picture {
                    picture.is_intra &= is_intra;
                }
            }
            Slice::Unreadable { is_first } => {
                self.skip_unreadable(unit.at..unit.end(), is_first);
                return Ok(());
            }
        }
        self.open.units.put(&mut self.lengths, unit, self.limit)
    }

    /// Lets the pending NAL units belong to the open access unit.
    fn start_here(&mut self) {
        self.open.units.append(std::mem::take(&mut self.pending));
    }

    /// Leaves out a slice, with what came before it for its picture.
    fn skip_unreadable(&mut self, slice: Range<u64>, is_first: bool) {
        let is_behind = self.open.picture.is_some();
        if is_first {
            self.flush();
        }
        let units = if is_behind { &mut self.pending } else { &mut self.open.units };
        let units = std::mem::take(units);
        if units.has_sets && self.link != Link::Waiting {
            self.syntax.forget_track();
        }
        let start = if units.count > 0 { units.range.start } else { slice.start };
        let reason = if self.link == Link::Waiting { SkipReason::BeforeKeyFrame } else { SkipReason::Unreadable };
        self.skip(reason, start..slice.end, u64::from(is_first));
    }

    /// Ends the open access unit, if it has a picture.
    fn flush(&mut self) {
        let Some(mut picture) = self.open.picture.take() else { return };
        let Open { units, track, .. } = std::mem::take(&mut self.open);
        if self.link == Link::Waiting && picture.random_access == RandomAccess::No && picture.is_intra {
            // Streams without IDR pictures and recovery points: an intra picture is the best start there is.
            picture.random_access = RandomAccess::RecoveryPoint { frames: 0 };
        }
        let is_random_access = picture.random_access != RandomAccess::No;
        let reason = match self.link {
            Link::Waiting if !is_random_access => Some(SkipReason::BeforeKeyFrame),
            Link::Broken if picture.is_leading && !is_random_access => Some(SkipReason::Leading),
            _ => None,
        };
        if let Some(reason) = reason {
            if track.is_some() || units.has_sets {
                self.syntax.forget_track();
            }
            self.skip(reason, units.range, 1);
            return;
        }
        if is_random_access {
            let is_broken = self.link == Link::Waiting || picture.breaks_link;
            self.link = if is_broken { Link::Broken } else { Link::Whole };
        }
        self.report_skipped();
        if let Some(TrackFormat { track, frame_rate, reorder_depth }) = track {
            self.track = Some(track.clone());
            self.ready.push_back(SplitEvent::Track { track, frame_rate, reorder_depth });
        }
        let Picture { random_access, restarts, order, .. } = picture;
        let unit = AccessUnit { data: units.data, random_access, restarts, order, range: units.range };
        self.ready.push_back(SplitEvent::AccessUnit(unit));
    }

    fn skip(&mut self, reason: SkipReason, range: Range<u64>, pictures: u64) {
        if self.skipped.is_some_and(|skipped| skipped.reason != reason) {
            self.report_skipped();
        }
        let bytes = range.end.saturating_sub(range.start);
        let skipped = self.skipped.get_or_insert(Skipped { reason, at: range.start, bytes: 0, pictures: 0 });
        skipped.bytes = skipped.bytes.saturating_add(bytes);
        skipped.pictures = skipped.pictures.saturating_add(pictures);
    }

    fn report_skipped(&mut self) {
        self.ready.extend(self.skipped.take().map(SplitEvent::Skipped));
    }
}

impl Units {
    fn put(&mut self, lengths: &mut BytesMut, unit: StreamUnit, limit: usize) -> Result<(), SplitError> {
        let range = unit.at..unit.end();
        let at = if self.count > 0 { self.range.start } else { range.start };
        if self.data.len().saturating_add(unit.data.len()) > limit {
            return Err(SplitError::TooLong { at, limit });
        }
        if self.count >= MAX_UNITS {
            return Err(SplitError::TooManyUnits { at, limit: MAX_UNITS });
        }
        let mut data = Chunks::from(length(lengths, unit.data.len()));
        data.append(unit.data);
        self.append(Self { data, count: 1, range, has_sets: false });
        Ok(())
    }

    fn append(&mut self, other: Self) {
        if self.count == 0 {
            *self = Self { has_sets: self.has_sets || other.has_sets, ..other };
        } else if other.count > 0 {
            self.data.append(other.data);
            self.count = self.count.saturating_add(other.count);
            self.has_sets |= other.has_sets;
            self.range.end = other.range.end;
        }
    }
}

/// Returns the four bytes before a NAL unit, a slice of a buffer that about a thousand of them share.
fn length(lengths: &mut BytesMut, len: usize) -> Bytes {
    if lengths.capacity() < 4 {
        *lengths = BytesMut::with_capacity(LENGTHS_BYTES);
    }
    lengths.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
    lengths.split().freeze()
}

/// Bytes of lengths that are allocated at once.
const LENGTHS_BYTES: usize = 4096;
/// A limit must leave room for the header of a slice.
const SMALLEST_LIMIT: usize = 1024;
/// Most NAL units of an access unit. H.265 allows 600 slices (A.4.1), H.264 no more in practice; the rest is SEI and filler.
const MAX_UNITS: usize = 16_384;
