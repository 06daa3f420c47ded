//! The camera: plays the recording into the stream and tags fragments as they begin.

use std::time::{Duration, SystemTime};

use kvs_examples::media::Recording;
use kvs_mkv::{Frame, TrackNumber};
use kvs_producer::{ImageGeneration, Notification, Stream};
use tokio::time::Instant;

use crate::console::Console;
use crate::failure::Failure;
use crate::options::{Options, Speed};

/// Begins the keys of the images.
const PREFIX: &str = "end-to-end";
/// A fragment begins at the first key frame that is at least this much later than the last one that began a fragment.
pub(crate) const FRAGMENT_MIN: Duration = Duration::from_secs(1);

/// The recording on its way.
#[derive(Debug)]
pub(crate) struct Camera<'a> {
    options: &'a Options,
    console: &'a Console,
    /// When time 0 of the recording is, on the wall clock.
    start: SystemTime,
    /// The same on the clock that paces.
    pace: Instant,
    cuts: Cuts,
}

/// A fragment that was tagged, by its timecode in milliseconds.
pub(crate) type Tagged = Vec<u64>;

impl<'a> Camera<'a> {
    /// Begins now.
    pub(crate) fn new(options: &'a Options, console: &'a Console, start: SystemTime) -> Self {
        Self { options, console, start, pace: Instant::now(), cuts: Cuts::default() }
    }

    /// Sends everything; gives the timecodes of the fragments that were tagged.
    pub(crate) async fn play(mut self, recording: Recording, stream: &Stream) -> Result<Tagged, Failure> {
        let lead = recording.tracks().first().map(|track| track.number);
        let mut tagged = Tagged::new();
        let since_epoch = self.start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for sample in recording.samples() {
            if self.options.speed == Speed::Realtime {
                tokio::time::sleep_until(self.pace + sample.dts).await;
            }
            let frame = Frame::new(sample.track, since_epoch + sample.pts, sample.data.clone());
            stream.put_frame(frame.with_keyframe(sample.keyframe)).await.map_err(Failure::failed)?;
            if self.begins_fragment(lead, sample.track, sample.keyframe, sample.pts) && self.is_due() {
                self.tag(stream)?;
                tagged.push(crate::journal::millis(since_epoch + sample.pts));
            }
            self.console.sent(sample.pts);
        }
        Ok(tagged)
    }

    fn begins_fragment(
        &mut self,
        lead: Option<TrackNumber>,
        track: TrackNumber,
        keyframe: bool,
        pts: Duration,
    ) -> bool {
        lead == Some(track) && keyframe && self.cuts.at(pts)
    }

    /// Whether the fragment that just began is one to tag: the first, and every N-th from there.
    fn is_due(&self) -> bool {
        (self.cuts.count - 1).is_multiple_of(self.options.every)
    }

    /// Tags the fragment that is open: the one of the last frame.
    fn tag(&self, stream: &Stream) -> Result<(), Failure> {
        let number = self.cuts.count.to_string();
        if self.options.event.notifications() {
            let event = Notification::new().with_pair("fragment", &number);
            stream.put_event(event).map_err(Failure::failed)?;
        }
        if self.options.event.images() {
            let event = ImageGeneration::new().with_prefix(PREFIX).with_pair("fragment", &number);
            stream.put_event(event).map_err(Failure::failed)?;
        }
        Ok(())
    }
}

/// Where fragments begin, as the producer cuts them.
#[derive(Debug, Default)]
struct Cuts {
    last: Option<Duration>,
    count: u32,
}

impl Cuts {
    /// Whether a key frame at `pts` begins a fragment.
    fn at(&mut self, pts: Duration) -> bool {
        if self.last.is_some_and(|last| pts < last + FRAGMENT_MIN) {
            return false;
        }
        self.last = Some(pts);
        self.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_in_quick_succession_begin_one_fragment_a_second() {
        let mut cuts = Cuts::default();
        let begun: Vec<u64> = (0..3000).step_by(40).filter(|&ms| cuts.at(Duration::from_millis(ms))).collect();
        assert_eq!((begun, cuts.count), (vec![0, 1000, 2000], 3));
    }
}
