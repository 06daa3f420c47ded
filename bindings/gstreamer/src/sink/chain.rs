//! The path of a buffer.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use gst::prelude::*;
use gst::subclass::prelude::*;
use kvs_producer::{Frame, Refusal, TrackKind};

use super::imp::{KvsProducerSink, State};
use crate::CAT;
use crate::failure::sentence;
use crate::report::post;
use crate::session::{Source, epoch_nanos};
use crate::stream::{Item, Put, Stream};
use crate::timeline::Timeline;

/// How long a frame waits before it looks for room again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl KvsProducerSink {
    pub(super) fn chain(&self, pad: &gst::Pad, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut state = self.wait_until_playing(pad)?;
        if state.stream.as_ref().is_some_and(|stream| stream.source.is_none()) {
            drop(state);
            let source = source_of(pad);
            gst::debug!(CAT, obj = pad, "the source is {source:?}");
            state = self.lock();
            if let Some(stream) = &mut state.stream {
                stream.source.get_or_insert(source);
            }
        }
        if is_without_media(&buffer) {
            gst::trace!(CAT, obj = pad, "dropping {buffer:?}");
            return Ok(gst::FlowSuccess::Ok);
        }
        match self.item(&mut state, pad, &buffer) {
            Ok(Some(item)) => self.pass_on(state, pad, item),
            Ok(None) => Ok(gst::FlowSuccess::Ok),
            Err(unusable) => {
                // Whoever hears the error may ask the element, so it is posted without the lock.
                drop(state);
                Err(self.refuse_buffer(pad, &unusable))
            }
        }
    }

    fn refuse_buffer(&self, pad: &gst::Pad, unusable: &Unusable) -> gst::FlowError {
        match unusable {
            Unusable::Flushing => gst::FlowError::Flushing,
            Unusable::NoCaps => {
                gst::element_imp_error!(
                    self,
                    gst::CoreError::Negotiation,
                    ("pad {} got a buffer before caps", pad.name())
                );
                gst::FlowError::NotNegotiated
            }
            Unusable::NotReadable(error) => {
                gst::element_imp_error!(self, gst::ResourceError::Read, ("cannot map a buffer: {error}"));
                gst::FlowError::Error
            }
        }
    }

    /// Holds the streaming thread while the pipeline is paused.
    fn wait_until_playing(&self, pad: &gst::Pad) -> Result<MutexGuard<'_, State>, gst::FlowError> {
        let mut state = self.lock();
        loop {
            check_flow(&state, pad)?;
            if state.is_playing {
                return Ok(state);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The frame of a buffer; `None` if it is outside of its segment.
    fn item(&self, state: &mut State, pad: &gst::Pad, buffer: &gst::Buffer) -> Result<Option<Item>, Unusable> {
        let State { pads, stream: Some(stream), .. } = state else { return Err(Unusable::Flushing) };
        let own = pads.get(pad.name().as_str()).ok_or(Unusable::Flushing)?;
        let track = own.track.clone().ok_or(Unusable::NoCaps)?;
        let Some(time) = self.time(stream, own.segment.as_ref(), buffer) else {
            gst::debug!(CAT, obj = pad, "outside of the segment: {buffer:?}");
            return Ok(None);
        };
        let data = buffer.map_readable().map_err(Unusable::NotReadable)?;
        let is_video = track.kind == TrackKind::Video;
        // A copy: encoders have few buffers, and a small frame may be a part of a large one. The producer may keep it for minutes.
        let frame = Frame::new(own.number, time, Bytes::copy_from_slice(&data))
            .with_keyframe(is_video && !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        Ok(Some(Item::Frame(track, frame)))
    }

    fn time(
        &self,
        stream: &mut Stream,
        segment: Option<&gst::FormattedSegment<gst::ClockTime>>,
        buffer: &gst::Buffer,
    ) -> Option<Duration> {
        let time = buffer.pts().or_else(|| buffer.dts())?;
        if stream.settings.use_original_pts {
            return Some(Duration::from_nanos(time.nseconds()));
        }
        let default = gst::FormattedSegment::new();
        let segment = segment.unwrap_or(&default);
        if !stream.settings.disable_buffer_clipping {
            segment.clip(time, buffer.duration().map(|duration| time.saturating_add(duration)).or(Some(time)))?;
        }
        let running = signed(segment.to_running_time_full(time)?);
        let timeline = match stream.timeline {
            Some(timeline) => timeline,
            None => {
                let clock = self.obj().current_running_time().map(|time| i128::from(time.nseconds()));
                let timeline = Timeline::new(&stream.settings, running, clock, SystemTime::now());
                gst::debug!(CAT, imp = self, "running time {running} ns: {timeline:?}");
                *stream.timeline.insert(timeline)
            }
        };
        timeline.time(running)
    }

    /// Passes a frame on, and waits while there is no room for it.
    fn pass_on<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        pad: &gst::Pad,
        mut item: Item,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        loop {
            check_flow(&state, pad)?;
            let Some(stream) = &mut state.stream else { return Err(gst::FlowError::Flushing) };
            let put = stream.put(item);
            match put {
                Put::OtherTracks(again) => {
                    gst::info!(CAT, obj = pad, "new caps: a new session");
                    self.drain(stream);
                    if !again.is_keyframe() {
                        // The new session starts with a key frame: what comes before it is lost. Sources may answer at once, so
                        // they are asked without the lock.
                        drop(state);
                        self.obj().force_key_unit();
                        state = self.lock();
                    }
                    item = again;
                }
                Put::Full(again) => {
                    drop(state);
                    self.advance();
                    let waits = self.changed.wait_timeout(self.lock(), LOOK_AGAIN);
                    state = waits.unwrap_or_else(PoisonError::into_inner).0;
                    item = again;
                }
                put => {
                    let is_recording = stream.is_recording();
                    drop(state);
                    self.advance();
                    return self.told(put, is_recording);
                }
            }
        }
    }

    /// Reports what was refused. A recording ends at the first frame that cannot be sent.
    fn told(&self, put: Put, is_recording: bool) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Put::Refused(frame, refusal) = put else { return Ok(gst::FlowSuccess::Ok) };
        self.lost(&frame, &refusal);
        if is_recording {
            gst::element_imp_error!(self, gst::StreamError::Format, ("a frame cannot be sent: {}", sentence(&refusal)));
            return Err(gst::FlowError::Error);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Posts the loss of a frame that no producer took.
    pub(super) fn lost(&self, frame: &Frame, refusal: &Refusal) {
        let reason = match refusal {
            Refusal::Finished => "stopped".to_owned(),
            refusal => sentence(refusal),
        };
        gst::warning!(CAT, imp = self, "a frame of track {} is lost: {reason}", frame.track);
        let at = epoch_nanos(SystemTime::UNIX_EPOCH + frame.pts);
        let fields = gst::Structure::builder("kvs-loss")
            .field("stream-name", self.settings().stream_name)
            .field("start", at)
            .field("end", at)
            .field("frames", 1_u64)
            .field("bytes", frame.data.len() as u64)
            .field("reason", reason);
        post(&self.obj(), fields.build());
    }

    /// Starts a producer if what waits has all its tracks.
    pub(super) fn advance(&self) {
        let mut state = self.lock();
        let State { pads, stream: Some(stream), .. } = &mut *state else { return };
        if stream.has_failed {
            return;
        }
        let Some(tracks) = stream.tracks_to_start(pads, Instant::now()) else { return };
        let refused = match self.start_session(stream, tracks) {
            Ok((refused, None)) => refused,
            Ok((refused, Some(closed))) => {
                self.drain_session(stream, closed);
                refused
            }
            Err(text) => {
                stream.has_failed = true;
                drop(state);
                gst::element_imp_error!(self, gst::ResourceError::Settings, ("{text}"));
                return;
            }
        };
        drop(state);
        for put in refused {
            let _ = self.told(put, false);
        }
    }
}

/// Why a buffer is not a frame.
enum Unusable {
    /// The pad or the stream is gone.
    Flushing,
    NoCaps,
    NotReadable(gst::glib::BoolError),
}

/// Whether the pad may take data.
fn check_flow(state: &State, pad: &gst::Pad) -> Result<(), gst::FlowError> {
    let (Some(own), Some(stream)) = (state.pads.get(pad.name().as_str()), &state.stream) else {
        return Err(gst::FlowError::Flushing);
    };
    if state.is_stopping || own.is_flushing {
        return Err(gst::FlowError::Flushing);
    }
    if stream.has_failed {
        return Err(gst::FlowError::Error);
    }
    if own.has_ended { Err(gst::FlowError::Eos) } else { Ok(()) }
}

/// A source that is not live can wait while the buffer is full.
fn source_of(pad: &gst::Pad) -> Source {
    let mut query = gst::query::Latency::new();
    if pad.peer_query(&mut query) && query.result().0 { Source::Live } else { Source::Patient }
}

/// What kvssink does not send either: what is not shown, gaps, and headers without a time.
fn is_without_media(buffer: &gst::Buffer) -> bool {
    let flags = buffer.flags();
    let is_header = flags.contains(gst::BufferFlags::HEADER) && buffer.pts().is_none() && buffer.dts().is_none();
    flags.intersects(gst::BufferFlags::DECODE_ONLY | gst::BufferFlags::GAP) || is_header || buffer.size() == 0
}

fn signed(time: gst::Signed<gst::ClockTime>) -> i128 {
    match time {
        gst::Signed::Positive(time) => i128::from(time.nseconds()),
        gst::Signed::Negative(time) => -i128::from(time.nseconds()),
    }
}
