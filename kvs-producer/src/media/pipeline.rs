//! The way of a frame from `put_frame` into a fragment.

use std::time::{Duration, Instant};

use kvs_mkv::{Frame, TrackNumber};

use super::bitstream::{BitstreamFilter, CodecConfig};
use super::fragmenter::Fragmenter;
use super::interleaver::{Attachment, Interleaver, QueuedFrame, Released};
use super::put_error::{PutFrameError, Refusal};
use super::timeline::{Placement, TimeError, Timeline, TrackRole};
use crate::buffer::fragment::FragmentEnd;
use crate::buffer::fragment_buffer::{Evict, FragmentBuffer};
use crate::config::{Overflow, ProducerConfig};
use crate::context::Context;
use crate::limits::{AHEAD_OF_CLOCK, FRAME_BYTES, FRAME_OVERHEAD, TRACKS_APART};
use crate::report::event::Event;
use crate::report::reason::JumpHandling;
use crate::tags::{FragmentEvent, FragmentTag, PutTagError, TagScope, TagSet, WaitingTags};
use crate::time::{millis, system_time};

/// Converts payloads and timestamps, orders the tracks, cuts fragments and attaches tags.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) timeline: Timeline,
    filters: Vec<BitstreamFilter>,
    interleaver: Interleaver,
    fragmenter: Fragmenter,
    tags: WaitingTags,
    overflow: Overflow,
}

impl Pipeline {
    /// Returns `None` for a configuration without tracks.
    pub(crate) fn new(config: &ProducerConfig, now: Instant, wall: Duration) -> Option<Self> {
        let fragmenter = Fragmenter::new(config)?;
        let tracks: Vec<_> = config.tracks.iter().map(|track| track.number).collect();
        let lead = fragmenter.cuts.lead();
        Some(Self {
            timeline: Timeline::new(config.timestamps, config.time_jump, now, wall),
            filters: config.tracks.iter().map(|track| BitstreamFilter::new(track, config.bitstream_mode)).collect(),
            interleaver: Interleaver::new(&tracks, lead, config.interleave_wait, config.interleave_span),
            fragmenter,
            tags: WaitingTags::new(&config.periodic_events),
            overflow: config.overflow,
        })
    }

    /// Payload bytes that wait in the interleaver.
    pub(crate) const fn bytes(&self) -> usize {
        self.interleaver.bytes()
    }

    /// Accepts a frame, or returns it with the reason.
    pub(crate) fn put(&mut self, mut frame: Frame, cx: &mut Context) -> Result<(), PutFrameError> {
        if let Some(refusal) = self.refusal(&frame, &cx.buffer) {
            return Err(PutFrameError::new(refusal, frame));
        }
        let elsewhere = self.interleaver.bytes() + self.interleaver.len() * FRAME_OVERHEAD;
        let evict = match self.overflow {
            Overflow::DropOldest => Evict::Oldest,
            Overflow::Refuse => Evict::Nothing,
        };
        if !cx.buffer.make_room(frame.data.len(), elsewhere, evict, &mut cx.sink) {
            let (buffered, limit, bytes) = (cx.buffer.bytes() + elsewhere, cx.buffer.limit(), frame.data.len());
            return Err(PutFrameError::new(Refusal::BufferFull { buffered, limit, bytes }, frame));
        }
        let role = if frame.track == self.fragmenter.cuts.lead() { TrackRole::Lead } else { TrackRole::Other };
        let placement = match self.timeline.place(frame.pts, role, cx.now) {
            Ok(placement) => placement,
            Err(error) => return Err(PutFrameError::new(time_refusal(error), frame)),
        };
        let codec_config = match self.convert(&mut frame) {
            Ok(codec_config) => codec_config,
            Err(refusal) => return Err(PutFrameError::new(refusal, frame)),
        };
        frame.pts = Duration::from_millis(placement.at);
        cx.sink.stats.totals.submitted.add(1, frame.data.len() as u64);
        self.on_jump(placement, cx);
        self.on_codec_config(codec_config, frame.track, cx);
        if self.interleaver.is_single() {
            self.fragmenter.place(frame, &mut self.tags, cx);
        } else {
            self.interleave(frame, cx);
        }
        Ok(())
    }

    fn refusal(&self, frame: &Frame, buffer: &FragmentBuffer) -> Option<Refusal> {
        let bytes = frame.data.len();
        if !self.fragmenter.knows(frame.track) {
            return Some(Refusal::UnknownTrack { track: frame.track });
        }
        if bytes == 0 {
            return Some(Refusal::EmptyPayload);
        }
        let limit = buffer.largest_frame().min(FRAME_BYTES);
        (bytes > limit).then_some(Refusal::TooLarge { bytes, limit })
    }

    fn convert(&mut self, frame: &mut Frame) -> Result<CodecConfig, Refusal> {
        match self.filters.iter_mut().find(|filter| filter.track().number == frame.track) {
            Some(filter) => filter.convert(frame),
            None => Ok(CodecConfig::Unchanged),
        }
    }

    /// Frames before a change of the codec configuration keep the header they had.
    fn on_codec_config(&mut self, codec_config: CodecConfig, track: TrackNumber, cx: &mut Context) {
        if codec_config == CodecConfig::Unchanged {
            return;
        }
        if track == self.fragmenter.cuts.lead() {
            self.flush(cx);
        }
        if let Some(filter) = self.filters.iter().find(|filter| filter.track().number == track) {
            self.fragmenter.set_track(filter.track(), cx);
        }
    }

    fn on_jump(&mut self, placement: Placement, cx: &mut Context) {
        let Some(jump) = placement.jump else { return };
        let (from, to) = (system_time(jump.from), system_time(jump.to));
        cx.sink.push(Event::TimeJump { from, to, handling: jump.handling });
        if jump.handling == JumpHandling::NewSession {
            self.flush(cx);
            self.fragmenter.break_epoch(cx);
            self.fragmenter.cuts.restart();
            self.interleaver.restart();
        }
    }

    fn interleave(&mut self, frame: Frame, cx: &mut Context) {
        let track = frame.track;
        let arrival = self.fragmenter.cuts.on_arrival(&frame, millis(frame.pts));
        if self.interleaver.push(frame, arrival, cx.now) {
            self.fragmenter.set_silent(track, false);
            cx.sink.push(Event::TrackResumed { track });
        }
        self.release(cx);
    }

    /// Places the frames that have waited long enough for other tracks.
    pub(crate) fn release(&mut self, cx: &mut Context) {
        while let Some(released) = self.interleaver.pop(cx.now) {
            match released {
                Released::Frame(queued) => self.place(queued, cx),
                Released::Silent(track) => {
                    self.fragmenter.set_silent(track, true);
                    cx.sink.push(Event::TrackSilent { track });
                }
            }
        }
    }

    fn flush(&mut self, cx: &mut Context) {
        while let Some(queued) = self.interleaver.flush() {
            self.place(queued, cx);
        }
    }

    fn place(&mut self, queued: QueuedFrame, cx: &mut Context) {
        self.fragmenter.place(queued.frame, &mut self.tags, cx);
        self.fragmenter.cuts.observe(cx.buffer.open());
        for attachment in queued.attachments {
            self.apply(attachment, cx);
        }
    }

    /// Applies what waited with a frame to the fragment of that frame. What does not fit is put on the next fragment.
    fn apply(&mut self, attachment: Attachment, cx: &mut Context) {
        match attachment {
            Attachment::EndOfFragment => self.fragmenter.seal(FragmentEnd::Mark, cx),
            Attachment::Tag(tag) => {
                let name = tag.name.clone();
                if self.with_tags(&mut cx.buffer, |set| set.add_tag(tag.clone())).is_err() {
                    cx.sink.push(Event::TagDeferred { name });
                    let _ = self.tags.next().add_tag(tag);
                }
            }
            Attachment::Event(event) => {
                if self.with_tags(&mut cx.buffer, |set| set.add_event(&event)).is_err() {
                    cx.sink.push(Event::TagDeferred { name: event.name().to_owned() });
                    let _ = self.tags.next().add_event(&event);
                }
            }
        }
    }

    /// Changes the tags of the open fragment, or of the next one if none is open.
    fn with_tags<T>(&mut self, buffer: &mut FragmentBuffer, change: impl FnOnce(&mut TagSet) -> T) -> T {
        let Some(open) = buffer.open_mut() else { return change(self.tags.next()) };
        let before = open.cost();
        let result = change(&mut open.tags);
        let after = open.cost();
        buffer.recount(before, after);
        result
    }

    pub(crate) fn put_tag(&mut self, tag: FragmentTag, buffer: &mut FragmentBuffer) -> Result<(), PutTagError> {
        tag.check()?;
        match tag.scope {
            TagScope::Once => {
                self.check_room(buffer, |set| set.add_tag(tag.tag.clone()))?;
                match self.interleaver.attach(Attachment::Tag(tag.tag)) {
                    Err(Attachment::Tag(tag)) => self.with_tags(buffer, |set| set.add_tag(tag)),
                    _ => Ok(()),
                }
            }
            TagScope::Persistent => {
                self.with_tags(buffer, |set| set.set_tag(&tag.tag))?;
                self.tags.persist(&tag.tag)
            }
        }
    }

    pub(crate) fn clear_tag(&mut self, name: &str) -> bool {
        self.tags.clear(name)
    }

    pub(crate) fn put_event(&mut self, event: FragmentEvent, buffer: &mut FragmentBuffer) -> Result<(), PutTagError> {
        event.check()?;
        self.check_room(buffer, |set| set.add_event(&event))?;
        match self.interleaver.attach(Attachment::Event(event)) {
            Err(Attachment::Event(event)) => self.with_tags(buffer, |set| set.add_event(&event)),
            _ => Ok(()),
        }
    }

    /// Tries a change on the tags that the fragment will have once everything that waits has reached it.
    fn check_room(
        &self,
        buffer: &FragmentBuffer,
        change: impl FnOnce(&mut TagSet) -> Result<(), PutTagError>,
    ) -> Result<(), PutTagError> {
        let (opens_new, attachments) = self.interleaver.waiting_attachments();
        let mut set = match buffer.open() {
            Some(open) if !opens_new => open.tags.clone(),
            _ => self.tags.preview(),
        };
        for attachment in attachments {
            let _ = match attachment {
                Attachment::Tag(tag) => set.add_tag(tag.clone()),
                Attachment::Event(event) => set.add_event(event),
                Attachment::EndOfFragment => Ok(()),
            };
        }
        change(&mut set)
    }

    /// Ends the open fragment after the last frame that was put.
    pub(crate) fn end_fragment(&mut self, cx: &mut Context) {
        if self.interleaver.attach(Attachment::EndOfFragment).is_err() {
            self.fragmenter.seal(FragmentEnd::Mark, cx);
        }
    }

    /// Places all waiting frames and ends the open fragment, because no frame follows soon or at all.
    pub(crate) fn close(&mut self, cx: &mut Context) {
        self.flush(cx);
        self.fragmenter.seal(FragmentEnd::Mark, cx);
    }

    /// When [`release`](Self::release) has something to do.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        if self.interleaver.is_single() { None } else { self.interleaver.timeout() }
    }
}

fn time_refusal(error: TimeError) -> Refusal {
    match error {
        TimeError::Regression { from, to } => {
            Refusal::TimestampRegression { from: system_time(from), to: system_time(to) }
        }
        TimeError::Drift { from, to } => {
            Refusal::TrackDrift { lead: system_time(from), to: system_time(to), limit: TRACKS_APART }
        }
        TimeError::InFuture { to, now } => {
            Refusal::TimestampInFuture { to: system_time(to), now: system_time(now), limit: AHEAD_OF_CLOCK }
        }
    }
}
