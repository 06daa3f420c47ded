//! The way of a frame from `put_frame` into a fragment.

use std::time::{Duration, Instant};

use kvs_mkv::{Chunks, Frame, TrackNumber};

use super::adts_reader::AdtsPart;
use super::bitstream::{BitstreamFilter, CodecConfig, Content};
use super::fragmenter::{Fragmenter, LeadTrack, take};
use super::interleaver::{Attachment, Interleaver, QueuedFrame, Released};
use super::put_error::Refusal;
use super::timeline::{Jump, Placement, TimeError, Timeline, TrackRole};
use crate::buffer::fragment::FragmentEnd;
use crate::buffer::fragment_buffer::{Evict, FragmentBuffer};
use crate::config::{Overflow, ProducerConfig};
use crate::context::Context;
use crate::limits::{AHEAD_OF_CLOCK, FRAME_BYTES, FRAME_OVERHEAD, STEP_BACK, TRACKS_APART};
use crate::report::event::Event;
use crate::report::outcome::LossReason;
use crate::report::reason::JumpHandling;
use crate::report::span::Span;
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
    /// The times are those of a recording.
    recorded: bool,
    /// A recording of which no frame of the leading track was placed yet.
    before_lead: bool,
    /// Waiting frames were released, or the open fragment was completed, to make room.
    gave_way: bool,
}

/// What became of a payload that was put.
#[derive(Debug)]
enum Prepared {
    /// The frame is what is stored.
    Frame,
    /// It has no picture and waits for one.
    Held,
    /// Several ADTS frames, each with a time of its own.
    Several(Box<(AdtsPart, Vec<AdtsPart>)>),
}

/// When the next frame of the leading track comes, if none waits.
#[derive(Clone, Copy, Debug)]
enum NextLead {
    /// Frames are still expected.
    Waits,
    /// At this time, in ms since the Unix epoch.
    At(u64),
    /// None comes soon.
    None,
}

impl Pipeline {
    /// Returns `None` for a configuration without tracks.
    pub(crate) fn new(config: &ProducerConfig, now: Instant, wall: Duration) -> Option<Self> {
        let filters: Vec<_> =
            config.tracks.iter().map(|track| BitstreamFilter::new(track, config.bitstream_mode)).collect();
        let fragmenter = Fragmenter::new(config, filters.iter().map(|filter| filter.track().clone()).collect())?;
        let tracks: Vec<_> = config.tracks.iter().map(|track| track.number).collect();
        let lead = fragmenter.cuts.lead();
        let mut timeline = Timeline::new(config.timestamps, config.time_jump, now, wall);
        let mut interleaver =
            Interleaver::new(&tracks, lead, config.interleave_wait, config.interleave_span).gathering();
        if config.is_recorded() {
            timeline = timeline.recorded(config.interleave_span);
            interleaver = interleaver.recorded(config.overflow == Overflow::Refuse, config.fragment_max);
        }
        Some(Self {
            timeline,
            filters,
            interleaver,
            fragmenter,
            tags: WaitingTags::new(&config.periodic_events),
            overflow: config.overflow,
            recorded: config.is_recorded(),
            before_lead: config.is_recorded(),
            gave_way: false,
        })
    }

    /// Whether something was released or completed, since the last call, because a frame was refused.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "for the driver"))]
    pub(crate) const fn take_gave_way(&mut self) -> bool {
        std::mem::replace(&mut self.gave_way, false)
    }

    /// Payload bytes that wait in the interleaver, or for a picture.
    pub(crate) fn bytes(&self) -> usize {
        self.interleaver.bytes() + self.held_bytes()
    }

    #[inline]
    fn held_bytes(&self) -> usize {
        self.filters.iter().map(BitstreamFilter::held_bytes).sum()
    }

    /// Accepts a frame and takes its payload, or returns why not and leaves it as it was.
    ///
    /// The steps change the frame in place: it is moved once, into its fragment. Each move costs as much as a step.
    pub(crate) fn put(&mut self, frame: &mut Frame, cx: &mut Context) -> Result<(), Refusal> {
        match self.prepare(frame, cx) {
            Ok(Prepared::Frame) => {
                self.store(frame, cx);
                Ok(())
            }
            Ok(Prepared::Held) => Ok(()),
            Ok(Prepared::Several(parts)) => self.put_several(frame, parts.0, parts.1, cx),
            Err(refusal) => {
                self.discard_converted();
                Err(refusal)
            }
        }
    }

    /// Makes a frame what is stored. On an error it is unchanged.
    #[inline]
    fn prepare(&mut self, frame: &mut Frame, cx: &mut Context) -> Result<Prepared, Refusal> {
        match self.read(frame, cx)? {
            // Its time does not count: encoders give configuration any time, often zero.
            Content::NoPicture => self.hold(frame).map(|()| Prepared::Held),
            Content::Adts(parts) if !parts.1.is_empty() => Ok(Prepared::Several(parts)),
            content => {
                let before = self.timeline.mark();
                let placement = self.place_in_time(frame, cx)?;
                match self.accept(frame, content, placement, cx) {
                    Ok(()) => Ok(Prepared::Frame),
                    Err(refusal) => {
                        self.timeline.reset(before);
                        Err(refusal)
                    }
                }
            }
        }
    }

    /// Finds out what a payload is, and makes room for it.
    #[inline]
    fn read(&mut self, frame: &Frame, cx: &mut Context) -> Result<Content, Refusal> {
        let Some(filter) = self.filters.iter_mut().find(|filter| filter.track().number == frame.track) else {
            return Err(Refusal::UnknownTrack { track: frame.track });
        };
        let bytes = frame.data.len();
        if bytes == 0 {
            return Err(Refusal::EmptyPayload);
        }
        let (whole, limit) = (bytes.saturating_add(filter.held_bytes()), cx.buffer.largest_frame().min(FRAME_BYTES));
        if whole > limit {
            return Err(Refusal::TooLarge { bytes: whole, limit });
        }
        let content = filter.read(&frame.data)?;
        // A length takes four bytes, a start code often three.
        let bytes = filter.converted_len().unwrap_or(bytes);
        let whole = bytes.saturating_add(filter.held_bytes());
        if whole > limit {
            return Err(Refusal::TooLarge { bytes: whole, limit });
        }
        self.make_room(bytes, content.frames(), cx)?;
        Ok(content)
    }

    #[inline]
    fn make_room(&mut self, bytes: usize, frames: usize, cx: &mut Context) -> Result<(), Refusal> {
        let waiting = self.interleaver.len() + frames - 1;
        let elsewhere = self.bytes() + waiting * FRAME_OVERHEAD;
        let evict = match self.overflow {
            Overflow::DropOldest => Evict::Oldest,
            Overflow::Refuse => Evict::Nothing,
        };
        if cx.buffer.make_room(bytes, elsewhere, evict, &mut cx.sink) {
            return Ok(());
        }
        if self.overflow == Overflow::Refuse && !cx.buffer.has_complete() {
            self.complete_for_room(cx);
        }
        Err(Refusal::BufferFull { buffered: cx.buffer.bytes() + elsewhere, limit: cx.buffer.limit(), bytes })
    }

    /// Completes the open fragment, with what waits for other tracks: only a complete fragment makes room, and the buffer is smaller
    /// than a group of pictures. If the rest of a group is to be dropped, it waits for [`idle_after`](ProducerConfig::idle_after).
    #[cold]
    fn complete_for_room(&mut self, cx: &mut Context) {
        if self.interleaver.give_way() {
            self.release(cx);
            self.gave_way = true;
        }
        let fills = cx.buffer.bytes() > cx.buffer.limit() / 2;
        if fills && cx.buffer.open().is_some() && self.fragmenter.cuts.splits() {
            self.fragmenter.seal(FragmentEnd::Mark, cx);
            self.gave_way = true;
        }
    }

    fn hold(&mut self, frame: &Frame) -> Result<(), Refusal> {
        match self.filters.iter_mut().find(|filter| filter.track().number == frame.track) {
            Some(filter) => filter.hold(frame),
            None => Ok(()),
        }
    }

    /// Forgets what was converted of a refused frame: it would keep its payload in memory.
    #[cold]
    fn discard_converted(&mut self) {
        self.filters.iter_mut().for_each(BitstreamFilter::discard_converted);
    }

    #[inline]
    fn place_in_time(&mut self, frame: &Frame, cx: &Context) -> Result<Placement, Refusal> {
        let role = if frame.track == self.fragmenter.cuts.lead() { TrackRole::Lead } else { TrackRole::Other };
        let before = self.timeline.mark();
        let late = |behind| Refusal::TrackLate { track: frame.track, behind: Duration::from_millis(behind) };
        let placement = match self.timeline.place(frame.pts, role, cx.now) {
            Err(TimeError::Drift { from, to }) if self.recorded && to < from => return Err(late(from - to)),
            placed => placed.map_err(time_refusal)?,
        };
        if self.recorded
            && role == TrackRole::Other
            && let Some(behind) = self.behind(frame.track, placement.at, cx)
        {
            self.timeline.reset(before);
            return Err(late(behind));
        }
        Ok(placement)
    }

    /// How far a frame is behind what is in fragments already, in ms, if it has no place there any more.
    fn behind(&self, track: TrackNumber, at: u64, cx: &Context) -> Option<u64> {
        let open = cx.buffer.open()?;
        let begins = if open.epoch.has(track) {
            // So much may be moved to the beginning of the fragment.
            open.start.checked_sub(millis(STEP_BACK))?
        } else {
            // Only the next key frame begins a fragment that declares the track.
            self.interleaver.next_lead().unwrap_or(open.latest)
        };
        (at < begins).then(|| open.latest.saturating_sub(at))
    }

    /// Converts a frame whose time is known. On an error it is unchanged.
    #[inline]
    fn accept(
        &mut self,
        frame: &mut Frame,
        content: Content,
        placement: Placement,
        cx: &mut Context,
    ) -> Result<(), Refusal> {
        let codec_config = self.apply(frame, content)?;
        frame.pts = Duration::from_millis(placement.at);
        cx.sink.stats.totals.submitted.add(1, frame.data.len() as u64);
        if let Some(jump) = placement.jump {
            self.on_jump(*jump, cx);
        }
        self.on_codec_config(codec_config, frame.track, placement.at, cx);
        Ok(())
    }

    #[inline]
    fn store(&mut self, frame: &mut Frame, cx: &mut Context) {
        if self.interleaver.is_single() {
            self.fragmenter.place(frame, LeadTrack::Near, &mut self.tags, cx);
        } else {
            self.interleave(take(frame), cx);
        }
    }

    /// Puts the ADTS frames of one payload at their times. The first one may be refused, and the payload with it.
    fn put_several(
        &mut self,
        whole: &mut Frame,
        first: AdtsPart,
        others: Vec<AdtsPart>,
        cx: &mut Context,
    ) -> Result<(), Refusal> {
        let frame_of = |part: &AdtsPart| {
            let pts = whole.pts.saturating_add(part.after);
            Frame::new(whole.track, pts, Chunks::new()).with_keyframe(whole.keyframe)
        };
        let before = self.timeline.mark();
        let mut begin = frame_of(&first);
        let placement = self.place_in_time(&begin, cx)?;
        let at = placement.at;
        if let Err(refusal) = self.accept(&mut begin, Content::of_adts(first), placement, cx) {
            self.timeline.reset(before);
            return Err(refusal);
        }
        self.store(&mut begin, cx);
        for part in others {
            let mut frame = frame_of(&part);
            // The payload is accepted as a whole, also at the edge of what times may be.
            let next = at.saturating_add(millis(part.after));
            let placement = self.place_in_time(&frame, cx).unwrap_or(Placement { at: next, jump: None });
            if let Err(refusal) = self.accept(&mut frame, Content::of_adts(part), placement, cx) {
                *whole = frame;
                return Err(refusal);
            }
            self.store(&mut frame, cx);
        }
        Ok(())
    }

    #[inline]
    fn apply(&mut self, frame: &mut Frame, content: Content) -> Result<CodecConfig, Refusal> {
        match self.filters.iter_mut().find(|filter| filter.track().number == frame.track) {
            Some(filter) => filter.apply(frame, content),
            None => Ok(CodecConfig::Unchanged),
        }
    }

    /// Frames before a change of the codec configuration keep the header they had. `at` is the time of the frame that changed it.
    #[inline]
    fn on_codec_config(&mut self, codec_config: CodecConfig, track: TrackNumber, at: u64, cx: &mut Context) {
        if codec_config != CodecConfig::Unchanged {
            self.change_codec_config(codec_config, track, at, cx);
        }
    }

    fn change_codec_config(&mut self, codec_config: CodecConfig, track: TrackNumber, at: u64, cx: &mut Context) {
        match codec_config {
            CodecConfig::Unchanged => {}
            // No frame of the track was stored, so none needs the old header.
            CodecConfig::First => {}
            CodecConfig::Changed => self.flush(NextLead::At(at), cx),
        }
        if let Some(filter) = self.filters.iter().find(|filter| filter.track().number == track) {
            self.fragmenter.set_track(filter.track(), cx);
        }
    }

    #[cold]
    fn on_jump(&mut self, jump: Jump, cx: &mut Context) {
        let (from, to) = (system_time(jump.from), system_time(jump.to));
        cx.sink.push(Event::TimeJump { from, to, handling: jump.handling });
        if jump.handling == JumpHandling::NewSession {
            self.flush(NextLead::At(jump.from), cx);
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
                Released::Frame(queued) => self.place(queued, NextLead::Waits, cx),
                Released::Silent(track) => {
                    self.fragmenter.set_silent(track, true);
                    cx.sink.push(Event::TrackSilent { track });
                }
            }
        }
    }

    fn flush(&mut self, next: NextLead, cx: &mut Context) {
        while let Some(queued) = self.interleaver.flush() {
            self.place(queued, next, cx);
        }
    }

    fn place(&mut self, mut queued: QueuedFrame, next: NextLead, cx: &mut Context) {
        let is_lead = queued.frame.track == self.fragmenter.cuts.lead();
        self.before_lead &= !is_lead;
        let lead = if is_lead { LeadTrack::Near } else { self.lead_track(millis(queued.frame.pts), next) };
        self.fragmenter.place(&mut queued.frame, lead, &mut self.tags, cx);
        self.fragmenter.cuts.observe(cx.buffer.open());
        for attachment in queued.attachments {
            self.apply_attachment(attachment, cx);
        }
    }

    /// Whether the leading track has frames about this time. A recording is sent whole, also what comes before its first picture.
    fn lead_track(&self, at: u64, next: NextLead) -> LeadTrack {
        if self.before_lead {
            return LeadTrack::Away;
        }
        let next = match (self.interleaver.next_lead(), next) {
            (Some(waiting), _) => Some(waiting),
            (None, NextLead::At(next)) => Some(next),
            (None, NextLead::None) => None,
            (None, NextLead::Waits) => return self.fragmenter.silent_lead(),
        };
        let far = next.is_none_or(|next| next.saturating_sub(at) >= millis(TRACKS_APART));
        if far { LeadTrack::Away } else { LeadTrack::Near }
    }

    /// Applies what waited with a frame to the fragment of that frame. What does not fit is put on the next fragment.
    fn apply_attachment(&mut self, attachment: Attachment, cx: &mut Context) {
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
        self.flush(NextLead::None, cx);
        self.fragmenter.seal(FragmentEnd::Mark, cx);
        // What comes after a gap is ordered by its own times: the clock may have been set back meanwhile, by less than a jump.
        self.fragmenter.cuts.restart();
        self.interleaver.restart();
    }

    /// Reports what is held for a picture that does not come.
    pub(crate) fn lose_held(&mut self, cx: &mut Context) {
        let at = system_time(self.timeline.newest());
        for filter in &mut self.filters {
            let bytes = filter.take_held().len() as u64;
            if bytes > 0 {
                cx.sink.stats.totals.submitted.add(0, bytes);
                cx.sink.lost(None, Span { start: at, end: at, frames: 0, bytes }, LossReason::NoPicture);
            }
        }
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
