//! From a frame that is put to its place in a fragment.

use std::time::{Duration, Instant};

use kvs_mkv::{Frame, TrackNumber};

use crate::buffer::fragment::Filling;
use crate::buffer::fragment_buffer::{Buffer, Evict};
use crate::config::{Overflow, ProducerConfig};
use crate::limits::{FRAME_BYTES, FRAME_OVERHEAD};
use crate::media::bitstream::{Adapter, SetUp};
use crate::media::fragmenter::Fragmenter;
use crate::media::interleaver::{Extra, Held, Interleaver, Out};
use crate::media::put_error::{PutFrameError, Refusal};
use crate::media::timeline::{Placed, Role, TimeError, Timeline};
use crate::report::event::{Event, JumpHandling};
use crate::report::sink::Reports;
use crate::tags::{FragmentEvent, FragmentTag, PutTagError, TagScope, TagSet, WaitingTags};

/// Times, order, fragments and tags: all that happens before the buffer.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) timeline: Timeline,
    interleaver: Interleaver,
    fragmenter: Fragmenter,
    tags: WaitingTags,
    overflow: Overflow,
    adapters: Vec<Adapter>,
}

impl Intake {
    pub(crate) fn new(config: &ProducerConfig, now: Instant, wall: Duration) -> Option<Self> {
        let fragmenter = Fragmenter::new(config)?;
        let tracks: Vec<_> = config.tracks.iter().map(|track| track.number).collect();
        Some(Self {
            timeline: Timeline::new(config.timestamps, config.time_jump, now, wall),
            interleaver: Interleaver::new(&tracks, fragmenter.lead(), config.interleave_wait, config.interleave_span),
            fragmenter,
            tags: WaitingTags::new(&config.regular_events),
            overflow: config.overflow,
            adapters: config.tracks.iter().map(|track| Adapter::new(track, config.bitstream_mode)).collect(),
        })
    }

    /// Bytes that wait for their turn among the tracks.
    pub(crate) const fn bytes(&self) -> usize {
        self.interleaver.bytes()
    }

    /// Takes a frame, or hands it back with what is wrong.
    pub(crate) fn put(
        &mut self,
        mut frame: Frame,
        buffer: &mut Buffer,
        now: Instant,
        reports: &mut Reports,
    ) -> Result<(), PutFrameError> {
        if let Some(refusal) = self.refusal(&frame, buffer) {
            return Err(PutFrameError::new(refusal, frame));
        }
        let elsewhere = self.interleaver.bytes() + self.interleaver.len() * FRAME_OVERHEAD;
        let evict = match self.overflow {
            Overflow::DropOldest => Evict::Oldest,
            Overflow::Refuse => Evict::Nothing,
        };
        if !buffer.make_room(frame.data.len(), elsewhere, evict, reports) {
            let (buffered, limit, bytes) = (buffer.bytes() + elsewhere, buffer.limit(), frame.data.len());
            return Err(PutFrameError::new(Refusal::BufferFull { buffered, limit, bytes }, frame));
        }
        let role = if frame.track == self.fragmenter.lead() { Role::Lead } else { Role::Other };
        let placed = match self.timeline.place(frame.pts, role, now) {
            Ok(placed) => placed,
            Err(error) => return Err(PutFrameError::new(time_refusal(error), frame)),
        };
        let set_up = match self.adapt(&mut frame) {
            Ok(set_up) => set_up,
            Err(refusal) => return Err(PutFrameError::new(refusal, frame)),
        };
        frame.pts = Duration::from_millis(placed.at);
        reports.stats.totals.submitted.add(1, frame.data.len() as u64);
        self.on_jump(placed, buffer, reports);
        self.on_set_up(set_up, frame.track, buffer, reports);
        if self.interleaver.is_single() {
            self.fragmenter.place(frame, buffer, &mut self.tags, reports);
        } else {
            self.interleave(frame, buffer, now, reports);
        }
        Ok(())
    }

    fn refusal(&self, frame: &Frame, buffer: &Buffer) -> Option<Refusal> {
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

    fn adapt(&mut self, frame: &mut Frame) -> Result<SetUp, Refusal> {
        match self.adapters.iter_mut().find(|adapter| adapter.track().number == frame.track) {
            Some(adapter) => adapter.adapt(frame),
            None => Ok(SetUp::Same),
        }
    }

    /// Frames before the change keep the header they had.
    fn on_set_up(&mut self, set_up: SetUp, track: TrackNumber, buffer: &mut Buffer, reports: &mut Reports) {
        let adapter = self.adapters.iter().position(|adapter| adapter.track().number == track);
        let Some(adapter) = adapter.filter(|_| set_up == SetUp::Changed) else { return };
        if track == self.fragmenter.lead() {
            self.flush(buffer, reports);
        }
        if let Some(adapter) = self.adapters.get(adapter) {
            self.fragmenter.set_track(adapter.track(), buffer, reports);
        }
    }

    fn on_jump(&mut self, placed: Placed, buffer: &mut Buffer, reports: &mut Reports) {
        let Some(jump) = placed.jump else { return };
        let (from, to) = (Duration::from_millis(jump.from), Duration::from_millis(jump.to));
        reports.push(Event::TimeJump { from, to, handling: jump.handling });
        if jump.handling == JumpHandling::NewSession {
            self.flush(buffer, reports);
            self.fragmenter.break_epoch(buffer, reports);
            self.interleaver.restart();
        }
    }

    fn interleave(&mut self, frame: Frame, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        let track = frame.track;
        if self.interleaver.push(frame, now) {
            self.fragmenter.set_silent(track, false);
            reports.push(Event::TrackResumed { track });
        }
        self.release(buffer, now, reports);
    }

    /// Lets go what has waited long enough for other tracks.
    pub(crate) fn release(&mut self, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        while let Some(out) = self.interleaver.pop(now) {
            match out {
                Out::Frame(held) => self.place(held, buffer, reports),
                Out::Silent(track) => {
                    self.fragmenter.set_silent(track, true);
                    reports.push(Event::TrackSilent { track });
                }
            }
        }
    }

    fn flush(&mut self, buffer: &mut Buffer, reports: &mut Reports) {
        while let Some(held) = self.interleaver.flush() {
            self.place(held, buffer, reports);
        }
    }

    fn place(&mut self, held: Held, buffer: &mut Buffer, reports: &mut Reports) {
        self.fragmenter.place(held.frame, buffer, &mut self.tags, reports);
        self.interleaver.set_cut_is_near(self.fragmenter.nears_the_limit(buffer));
        for extra in held.extras {
            self.apply(extra, buffer, reports);
        }
    }

    /// Puts what waited with a frame on that frame's fragment; what does not fit goes with the next one.
    fn apply(&mut self, extra: Extra, buffer: &mut Buffer, reports: &mut Reports) {
        match extra {
            Extra::End => self.fragmenter.seal(Filling::Ended, buffer, reports),
            Extra::Tag(tag) => {
                let name = tag.name.clone();
                if self.with_tags(buffer, |set| set.add_tag(tag.clone())).is_err() {
                    reports.push(Event::TagDeferred { name });
                    let _ = self.tags.next().add_tag(tag);
                }
            }
            Extra::Event(event) => {
                if self.with_tags(buffer, |set| set.add_event(&event)).is_err() {
                    reports.push(Event::TagDeferred { name: event.name().to_owned() });
                    let _ = self.tags.next().add_event(&event);
                }
            }
        }
    }

    /// Changes the tags of the open fragment, or of the next one where none is open.
    fn with_tags<T>(&mut self, buffer: &mut Buffer, change: impl FnOnce(&mut TagSet) -> T) -> T {
        let Some(open) = buffer.open_mut() else { return change(self.tags.next()) };
        let before = open.cost();
        let result = change(&mut open.tags);
        let after = open.cost();
        buffer.recount(before, after);
        result
    }

    pub(crate) fn put_tag(&mut self, tag: FragmentTag, buffer: &mut Buffer) -> Result<(), PutTagError> {
        tag.check()?;
        match tag.scope {
            TagScope::Once => {
                self.fits(buffer, |set| set.add_tag(tag.tag.clone()))?;
                match self.interleaver.attach(Extra::Tag(tag.tag)) {
                    Err(Extra::Tag(tag)) => self.with_tags(buffer, |set| set.add_tag(tag)),
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

    pub(crate) fn put_event(&mut self, event: FragmentEvent, buffer: &mut Buffer) -> Result<(), PutTagError> {
        event.check()?;
        self.fits(buffer, |set| set.add_event(&event))?;
        match self.interleaver.attach(Extra::Event(event)) {
            Err(Extra::Event(event)) => self.with_tags(buffer, |set| set.add_event(&event)),
            _ => Ok(()),
        }
    }

    /// Tries a change on what the fragment's tags will be once all that waits has reached it.
    fn fits(
        &mut self,
        buffer: &Buffer,
        change: impl FnOnce(&mut TagSet) -> Result<(), PutTagError>,
    ) -> Result<(), PutTagError> {
        let (opens_new, extras) = self.interleaver.waiting_extras();
        let mut set = match buffer.open() {
            Some(open) if !opens_new => open.tags.clone(),
            _ => self.tags.preview(),
        };
        for extra in extras {
            let _ = match extra {
                Extra::Tag(tag) => set.add_tag(tag.clone()),
                Extra::Event(event) => set.add_event(event),
                Extra::End => Ok(()),
            };
        }
        change(&mut set)
    }

    /// Ends the open fragment after the last frame that was put.
    pub(crate) fn end_fragment(&mut self, buffer: &mut Buffer, reports: &mut Reports) {
        if self.interleaver.attach(Extra::End).is_err() {
            self.fragmenter.seal(Filling::Ended, buffer, reports);
        }
    }

    /// Nothing comes for a while, or any more: all that waits goes out, and the fragment is ended.
    pub(crate) fn close(&mut self, buffer: &mut Buffer, reports: &mut Reports) {
        self.flush(buffer, reports);
        self.fragmenter.seal(Filling::Ended, buffer, reports);
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        if self.interleaver.is_single() { None } else { self.interleaver.timeout() }
    }
}

fn time_refusal(error: TimeError) -> Refusal {
    let ms = Duration::from_millis;
    match error {
        TimeError::Regression { from, to } => Refusal::TimestampRegression { from: ms(from), to: ms(to) },
        TimeError::Drift { from, to } => Refusal::TrackDrift { lead: ms(from), to: ms(to) },
        TimeError::InFuture { to, now } => Refusal::TimestampInFuture { to: ms(to), now: ms(now) },
    }
}
