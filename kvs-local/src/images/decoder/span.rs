//! Decodes the pictures of one span and hands over those that are to be rendered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::Frame;

use super::codec::Codec;
use super::ffmpeg::FfmpegDecoder;
use super::header::RandomAccess;
use super::picture::{DisplayInfo, Picture};
use super::{AccessUnit, AccessUnitDecoder, Decoders, Ffmpeg};
use crate::images::access_unit::split;
use crate::images::cache::FragmentCache;
use crate::images::decode_span::{DecodeSpan, Position, Target};
use crate::images::error::DecodeError;
use crate::images::index::{CodedPicture, PictureIndex};
use crate::images::source::FragmentMedia;

/// The state of decoding.
///
/// ```text
/// Start ──key frame──> Running ──frame damaged or missing──> Failed
///   ^                     ^                                    │
///   └─ session changes    └────────────key frame───────────────┘
/// ```
enum State<'a> {
    Start,
    Running { codec: Codec, decoder: Box<dyn AccessUnitDecoder + 'a>, leading: Option<Leading> },
    Failed(DecodeError),
}

/// What decodes a span.
#[derive(Clone, Copy, Debug)]
enum Program<'a> {
    BuiltIn,
    Ffmpeg(&'a Ffmpeg),
}

/// What the decoders of a request share.
#[derive(Clone, Copy)]
pub(in crate::images) struct Decoding<'a> {
    pub(in crate::images) decoders: &'a Decoders,
    /// Held by the one process of the request that runs at a time.
    pub(in crate::images) turn: &'a Mutex<()>,
    pub(in crate::images) canceled: &'a (dyn Fn() -> bool + Sync),
}

/// Leading pictures to skip after decoding started at an open GOP: pictures of this fragment that are displayed before
/// its key frame may refer to frames that were not decoded (RASL pictures, H.265 table 7-1).
#[derive(Clone, Copy)]
struct Leading {
    fragment: usize,
    before: Duration,
}

/// Receives the picture of a target, or the reason why there is none.
pub(in crate::images) type Output<'a> = dyn FnMut(&Target, Result<Picture, DecodeError>, DisplayInfo) + 'a;

/// A target that was given to the decoder and whose picture is still held back.
struct Pending<'a> {
    target: &'a Target,
    display: DisplayInfo,
    pts: Duration,
}

pub(in crate::images) struct SpanDecoder<'a, 's> {
    cache: &'a FragmentCache<'s>,
    decoding: Decoding<'a>,
    program: Program<'a>,
    state: State<'a>,
    /// The codec private data whose parameter sets the decoder has.
    private: Bytes,
    access_unit: Vec<u8>,
    /// Targets inside the decoder, by the tag of their access unit.
    pending: BTreeMap<i64, Pending<'a>>,
    /// `frame_num` of the last reference picture, H.264 only.
    last_reference: Option<u32>,
    /// Number of access units decoded, which is also the tag of the last one.
    decoded: i64,
}

impl<'a, 's> SpanDecoder<'a, 's> {
    pub(in crate::images) fn new(cache: &'a FragmentCache<'s>, decoding: Decoding<'a>) -> Self {
        Self {
            cache,
            decoding,
            program: Program::BuiltIn,
            state: State::Start,
            private: Bytes::new(),
            access_unit: Vec::new(),
            pending: BTreeMap::new(),
            last_reference: None,
            decoded: 0,
        }
    }

    /// Returns the number of access units decoded.
    pub(in crate::images) fn decoded(&self) -> usize {
        usize::try_from(self.decoded).unwrap_or_default()
    }

    /// Decodes from the start of the span to its last target and passes the picture of every target to `output`.
    pub(in crate::images) fn run(&mut self, span: &'a DecodeSpan, output: &mut Output<'_>) -> Result<(), DecodeError> {
        let mut targets = span.targets.iter().peekable();
        let Some(last) = span.targets.last() else { return Ok(()) };
        self.program = self.program_for(span, last.position)?;
        for fragment in span.start.0..=last.position.0 {
            let index = Arc::clone(&self.cache.loaded(fragment)?.index);
            let media = self.cache.media(fragment)?;
            for (position, coded) in pictures_between(&index, fragment, span.start, last.position) {
                if (self.decoding.canceled)() {
                    return Err(DecodeError::Canceled);
                }
                if self.lacks_reference(coded) {
                    self.fail(DecodeError::MissingReference { pts_millis: coded.pts.as_millis() }, output);
                }
                let target = targets.next_if(|target| target.position == position);
                if target.is_none() && !self.is_needed(coded, fragment) {
                    continue;
                }
                self.start_if_possible(coded, fragment, &index, output);
                if let Err(error) = self.step((coded, position), &index, &media, target, output) {
                    if let Some(target) = target {
                        output(target, Err(error.clone()), coded.display);
                    }
                    self.fail(error, output);
                }
            }
        }
        self.flush(None, output);
        Ok(())
    }

    /// Chooses what decodes the span. It is one for all of it: pictures refer to each other.
    fn program_for(&self, span: &DecodeSpan, last: Position) -> Result<Program<'a>, DecodeError> {
        let ffmpeg = match self.decoding.decoders {
            Decoders::BuiltIn => return Ok(Program::BuiltIn),
            Decoders::Ffmpeg(ffmpeg) => return Ok(Program::Ffmpeg(ffmpeg)),
            Decoders::BuiltInFirst(ffmpeg) => ffmpeg,
        };
        for fragment in span.start.0..=last.0 {
            let index = &self.cache.loaded(fragment)?.index;
            let mut pictures = pictures_between(index, fragment, span.start, last);
            if pictures.any(|(_, coded)| coded.beyond_built_in.is_some()) {
                return Ok(Program::Ffmpeg(ffmpeg));
            }
        }
        Ok(Program::BuiltIn)
    }

    fn decoder(&self, codec: Codec) -> Box<dyn AccessUnitDecoder + 'a> {
        match self.program {
            Program::BuiltIn => codec.decoder(),
            Program::Ffmpeg(ffmpeg) => {
                Box::new(FfmpegDecoder::new(ffmpeg, codec, self.decoding.turn, self.decoding.canceled))
            }
        }
    }

    /// Returns whether a reference picture is missing before this picture.
    fn lacks_reference(&mut self, coded: &CodedPicture) -> bool {
        let Some(frame_num) = coded.frame_num else { return false };
        let has_gap = self.last_reference.is_some_and(|last| frame_num.is_gap_after(last));
        if coded.reference {
            self.last_reference = Some(frame_num.get());
        }
        has_gap && coded.random_access != RandomAccess::Idr && matches!(self.state, State::Running { .. })
    }

    /// Fails all pictures up to the next key frame.
    fn fail(&mut self, error: DecodeError, output: &mut Output<'_>) {
        self.flush(Some(&error), output);
        self.state = State::Failed(error);
    }

    /// Returns whether later pictures may need this one, which is not a target.
    fn is_needed(&self, coded: &CodedPicture, fragment: usize) -> bool {
        let State::Running { leading, .. } = &self.state else { return coded.random_access != RandomAccess::None };
        let leads = leading.is_some_and(|leading| leading.fragment == fragment && coded.pts < leading.before);
        coded.reference && !leads
    }

    fn start_if_possible(
        &mut self,
        coded: &CodedPicture,
        fragment: usize,
        index: &PictureIndex,
        output: &mut Output<'_>,
    ) {
        if coded.random_access != RandomAccess::None && self.is_of_another_session(index) {
            self.flush(None, output);
            self.state = State::Start;
        }
        match (&mut self.state, coded.random_access) {
            (_, RandomAccess::None) | (State::Running { .. }, RandomAccess::OpenGop) => {}
            (State::Running { leading, .. }, RandomAccess::Idr) => {
                *leading = None;
                // With no_output_of_prior_pics_flag, an IDR picture discards what was not output yet (H.265 §C.5.2.2).
                self.flush(None, output);
                self.private = Bytes::new();
            }
            (State::Start | State::Failed(_), random_access) => {
                let leading =
                    (random_access == RandomAccess::OpenGop).then_some(Leading { fragment, before: coded.pts });
                self.private = Bytes::new();
                self.state = State::Running { codec: index.codec, decoder: self.decoder(index.codec), leading };
            }
        }
    }

    /// Returns whether the running decoder belongs to a session with another codec or other parameter sets.
    fn is_of_another_session(&self, index: &PictureIndex) -> bool {
        matches!(&self.state, State::Running { codec, .. } if *codec != index.codec || self.private != index.private)
    }

    /// Decodes one picture and outputs the pictures that are ready.
    fn step(
        &mut self,
        (coded, position): (&CodedPicture, Position),
        index: &PictureIndex,
        media: &FragmentMedia,
        target: Option<&'a Target>,
        output: &mut Output<'_>,
    ) -> Result<(), DecodeError> {
        if let State::Failed(error) = &self.state {
            return Err(error.clone());
        }
        if let Some(error) = &coded.error {
            return Err(error.clone());
        }
        if let (Program::BuiltIn, Some(reason)) = (self.program, &coded.beyond_built_in) {
            return Err(reason.clone());
        }
        let damaged = || DecodeError::Damaged { pts_millis: coded.pts.as_millis() };
        let frame = media.frames.get(coded.frame).ok_or_else(damaged)?;
        self.fill_access_unit(frame, index).ok_or_else(damaged)?;
        let State::Running { decoder, .. } = &mut self.state else { return Err(DecodeError::NoKeyFrame) };
        self.decoded += 1;
        let unit = AccessUnit {
            data: &self.access_unit,
            tag: self.decoded,
            wanted: target.is_some(),
            starts_fragment: position.1 == 0,
            random_access: coded.random_access != RandomAccess::None,
            restarts: coded.random_access == RandomAccess::Idr,
            order: coded.order,
            size: coded.size,
        };
        let ready = decoder
            .decode(&unit)
            .map_err(|reason| DecodeError::Decoder { pts_millis: coded.pts.as_millis(), reason })?;
        self.pending
            .extend(target.map(|target| (self.decoded, Pending { target, display: coded.display, pts: coded.pts })));
        self.output_ready(ready, output);
        Ok(())
    }

    fn output_ready(&mut self, ready: Vec<(i64, Picture)>, output: &mut Output<'_>) {
        for (tag, picture) in ready {
            let Some(Pending { target, display, pts }) = self.pending.remove(&tag) else { continue };
            let damaged = DecodeError::Damaged { pts_millis: pts.as_millis() };
            let display = match &self.state {
                State::Running { decoder, .. } => decoder.displayed(display),
                State::Start | State::Failed(_) => display,
            };
            output(target, picture.cropped(display).ok_or(damaged), display);
        }
    }

    /// Outputs the pictures that the decoder holds back. Targets that it does not return fail with this error, or as
    /// damaged if there is none.
    fn flush(&mut self, error: Option<&DecodeError>, output: &mut Output<'_>) {
        if self.pending.is_empty() {
            return;
        }
        let mut problem = None;
        while let State::Running { decoder, .. } = &mut self.state {
            match decoder.finish() {
                Ok(ready) if ready.is_empty() => break,
                Ok(ready) => self.output_ready(ready, output),
                Err(reason) => {
                    problem = Some(reason);
                    break;
                }
            }
        }
        for Pending { target, display, pts } in std::mem::take(&mut self.pending).into_values() {
            let pts_millis = pts.as_millis();
            let error = match (error, &problem) {
                _ if (self.decoding.canceled)() => DecodeError::Canceled,
                (Some(error), _) => error.clone(),
                (None, Some(reason)) => DecodeError::Decoder { pts_millis, reason: reason.clone() },
                (None, None) => DecodeError::Damaged { pts_millis },
            };
            output(target, Err(error), display);
        }
    }

    /// Writes the NAL units of a frame with start codes. Parameter sets are passed on only before the first slice,
    /// because only those were checked when the index was built.
    fn fill_access_unit(&mut self, frame: &Frame, index: &PictureIndex) -> Option<()> {
        self.access_unit.clear();
        if self.private != index.private {
            let (_, sets) = index.codec.parse_private(&index.private)?;
            sets.iter().filter(|set| index.codec.is_parameter_set(set)).for_each(|set| self.push(set));
            self.private = index.private.clone();
        }
        let data = frame.data.clone().into_bytes();
        let mut in_slices = false;
        for unit in split(&data, index.framing)? {
            let is_slice = index.codec.is_slice(unit);
            in_slices |= is_slice;
            if is_slice || (index.codec.is_parameter_set(unit) && !in_slices) {
                self.push(unit);
            }
        }
        Some(())
    }

    fn push(&mut self, unit: &[u8]) {
        self.access_unit.extend_from_slice(&[0, 0, 0, 1]);
        self.access_unit.extend_from_slice(unit);
    }
}

/// Returns the pictures of one fragment from `start` to `last`, both inclusive.
fn pictures_between(
    index: &PictureIndex,
    fragment: usize,
    start: Position,
    last: Position,
) -> impl Iterator<Item = (Position, &CodedPicture)> {
    let pictures = index.pictures.iter().enumerate().map(move |(picture, coded)| ((fragment, picture), coded));
    pictures.skip_while(move |(position, _)| *position < start).take_while(move |(position, _)| *position <= last)
}
