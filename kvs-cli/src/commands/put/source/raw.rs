//! Streams without a container: H.264 and H.265 with start codes, AAC with ADTS headers.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::codec::aac::{AdtsEvent, AdtsSplitter};
use kvs_mkv::codec::{AccessUnit, AccessUnitSplitter, SplitEvent};
use kvs_mkv::{Chunks, Frame, TrackNumber};

use super::feed::Item;
use super::reorder::Reorder;
use super::times::{Clock, Times};
use crate::failure::Failure;

/// Takes the bytes of a stream with their time of arrival, and returns frames.
pub(super) enum RawStream {
    Video(Box<RawVideo>),
    Sound(Box<RawSound>),
}

impl RawStream {
    pub(super) fn h264(clock: Clock) -> Self {
        Self::video(AccessUnitSplitter::h264(TrackNumber::ONE), clock)
    }

    pub(super) fn h265(clock: Clock) -> Self {
        Self::video(AccessUnitSplitter::h265(TrackNumber::ONE), clock)
    }

    fn video(splitter: AccessUnitSplitter, clock: Clock) -> Self {
        let (reorder, arrivals) = (Reorder::default(), Arrivals::default());
        Self::Video(Box::new(RawVideo { splitter, reorder, clock, arrivals }))
    }

    /// Frames of AAC are counted: their times follow from their samples.
    pub(super) fn adts(times: &Times) -> Result<Self, Failure> {
        if !matches!(times, Times::Arrival | Times::Vui) {
            return Err(Failure::input(
                "--times fps and pts-file are for video; the times of AAC follow from its samples",
            ));
        }
        let splitter = AdtsSplitter::new(TrackNumber::ONE);
        Ok(Self::Sound(Box::new(RawSound {
            splitter,
            arrivals: Arrivals::default(),
            begin: None,
            samples: 0,
            follows_arrival: *times == Times::Arrival,
            last: None,
        })))
    }

    pub(super) fn push(&mut self, bytes: Bytes, now: Duration, items: &mut Vec<Item>) -> Result<(), Failure> {
        match self {
            Self::Video(video) => {
                video.arrivals.push(&bytes, now);
                video.splitter.push(bytes);
                video.take(false, items)
            }
            Self::Sound(sound) => {
                sound.arrivals.push(&bytes, now);
                sound.splitter.push(bytes);
                sound.take(false, items)
            }
        }
    }

    pub(super) fn finish(&mut self, items: &mut Vec<Item>) -> Result<(), Failure> {
        match self {
            Self::Video(video) => video.take(true, items),
            Self::Sound(sound) => sound.take(true, items),
        }
    }
}

/// H.264 or H.265.
pub(super) struct RawVideo {
    splitter: AccessUnitSplitter,
    reorder: Reorder,
    clock: Clock,
    arrivals: Arrivals,
}

impl RawVideo {
    fn take(&mut self, is_end: bool, items: &mut Vec<Item>) -> Result<(), Failure> {
        loop {
            let next = if is_end { self.splitter.finish() } else { self.splitter.next_event() };
            match next.map_err(Failure::of_input)? {
                Some(SplitEvent::Track { track, frame_rate, reorder_depth, .. }) => {
                    self.clock.set_rate(frame_rate)?;
                    self.reorder.set_depth(reorder_depth);
                    items.push(Item::Tracks(vec![track], true));
                }
                Some(SplitEvent::AccessUnit(unit)) => {
                    self.clock.arrived(self.arrivals.of(unit.range.start));
                    self.reorder.push(unit);
                    self.send(items)?;
                }
                Some(SplitEvent::Skipped(skipped)) => {
                    if self.clock.counts_missing() {
                        self.reorder.skip(skipped.pictures);
                    }
                    items.push(Item::Note("Skipped", skipped.to_string()));
                }
                Some(_) => {}
                None => break,
            }
        }
        if is_end {
            self.reorder.number_all();
            self.send(items)?;
        }
        Ok(())
    }

    fn send(&mut self, items: &mut Vec<Item>) -> Result<(), Failure> {
        while let Some((unit, number)) = self.reorder.pop() {
            let pts = self.clock.time(number)?;
            items.push(Item::Frame(frame(unit, pts)));
        }
        Ok(())
    }
}

fn frame(unit: AccessUnit, pts: Duration) -> Frame {
    let keyframe = unit.is_keyframe();
    Frame::new(TrackNumber::ONE, pts, unit.data).with_keyframe(keyframe)
}

/// AAC.
pub(super) struct RawSound {
    splitter: AdtsSplitter,
    arrivals: Arrivals,
    /// The time from which samples are counted.
    begin: Option<Duration>,
    samples: u64,
    follows_arrival: bool,
    /// Offset of the last ADTS frame.
    last: Option<u64>,
}

/// A frame that arrives this much later than its samples say follows a gap.
const GAP: Duration = Duration::from_secs(2);

impl RawSound {
    fn take(&mut self, is_end: bool, items: &mut Vec<Item>) -> Result<(), Failure> {
        loop {
            let next = if is_end { self.splitter.finish() } else { self.splitter.next_event() };
            match next.map_err(Failure::of_input)? {
                Some(AdtsEvent::Track(track)) => {
                    // Counting starts again, at the new frequency.
                    self.samples = 0;
                    self.begin = None;
                    items.push(Item::Tracks(vec![track], true));
                }
                Some(AdtsEvent::Frame(unit)) => {
                    let arrival = self.arrivals.of(unit.at);
                    let pts = self.time(arrival, unit.sampling_frequency);
                    self.samples = self.samples.saturating_add(unit.samples.into());
                    // With its header, so that the producer sees new settings and starts a new session. Several raw data
                    // blocks have one header: the producer separates them.
                    if self.last.replace(unit.at) != Some(unit.at) {
                        let frame = Frame::new(TrackNumber::ONE, pts, Chunks::from(unit.framed));
                        items.push(Item::Frame(frame.with_keyframe(true)));
                    }
                }
                Some(AdtsEvent::Skipped(skipped)) => items.push(Item::Note("Skipped", skipped.to_string())),
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }

    fn time(&mut self, arrival: Duration, frequency: u32) -> Duration {
        let nanos = u128::from(self.samples).saturating_mul(1_000_000_000) / u128::from(frequency.max(1));
        let counted = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let begin = *self.begin.get_or_insert(arrival);
        let at = begin.saturating_add(counted);
        if self.follows_arrival && arrival > at.saturating_add(GAP) {
            (self.begin, self.samples) = (Some(arrival), 0);
            return arrival;
        }
        at
    }
}

/// When the bytes of a stream came.
#[derive(Debug, Default)]
struct Arrivals {
    /// Offset of the first byte of a piece, and its time.
    pieces: VecDeque<(u64, Duration)>,
    end: u64,
}

impl Arrivals {
    fn push(&mut self, bytes: &Bytes, now: Duration) {
        // Pieces that come together count as one.
        if self.pieces.back().is_none_or(|(_, last)| *last != now) {
            self.pieces.push_back((self.end, now));
        }
        self.end = self.end.saturating_add(bytes.len() as u64);
    }

    /// Returns when the byte at this offset came. Offsets never decrease.
    fn of(&mut self, at: u64) -> Duration {
        while self.pieces.get(1).is_some_and(|(start, _)| *start <= at) {
            self.pieces.pop_front();
        }
        self.pieces.front().map_or(Duration::ZERO, |(_, time)| *time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str) -> Bytes {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../kvs-mkv/tests/cases/");
        std::fs::read(format!("{path}{name}")).unwrap_or_else(|error| panic!("{name}: {error}")).into()
    }

    fn frames(mut stream: RawStream, data: &Bytes) -> Vec<Frame> {
        let mut items = Vec::new();
        for (nth, piece) in data.chunks(1000).enumerate() {
            let now = Duration::from_millis(nth as u64 * 100);
            stream.push(Bytes::copy_from_slice(piece), now, &mut items).unwrap_or_else(|failure| panic!("{failure}"));
        }
        stream.finish(&mut items).unwrap_or_else(|failure| panic!("{failure}"));
        let frame = |item| if let Item::Frame(frame) = item { Some(frame) } else { None };
        items.into_iter().filter_map(frame).collect()
    }

    #[test]
    fn every_picture_has_a_time_of_its_own_and_the_times_are_those_of_the_option() {
        let arrival = frames(RawStream::h264(Clock::new(&Times::Arrival)), &case("sameidr.h264"));
        assert!(arrival.len() == 25 && arrival.windows(2).all(|pair| pair[0].pts < pair[1].pts));
        assert!(arrival[24].pts > Duration::from_secs(4), "the last byte came after 5 s: {:?}", arrival[24].pts);
        let rate = frames(RawStream::h264(Clock::new(&Times::parse("fps=10").unwrap())), &case("sameidr.h264"));
        assert_eq!(
            rate.iter().map(|frame| frame.pts.as_millis()).collect::<Vec<_>>(),
            (0..25).map(|n| n * 100).collect::<Vec<_>>()
        );
        let vui = frames(RawStream::h265(Clock::new(&Times::Vui)), &case("reschange.h265"));
        let mut times: Vec<_> = vui.iter().map(|frame| frame.pts.as_millis()).collect();
        times.sort_unstable();
        assert_eq!(times, (0..75).map(|n| n * 40).collect::<Vec<_>>());
    }

    #[test]
    fn sound_is_counted_and_keeps_its_headers() {
        let sound = frames(RawStream::adts(&Times::Vui).unwrap(), &case("tone.aac"));
        assert_eq!(sound[0].data.iter().flatten().next(), Some(&0xff));
        assert_eq!(sound[47].pts.as_micros(), 47 * 1024 * 1_000_000 / 48_000);
        let parts = frames(RawStream::adts(&Times::Arrival).unwrap(), &case("ratechange.aac"));
        assert!(parts.iter().all(|frame| frame.data.iter().flatten().next() == Some(&0xff)));
    }
}
