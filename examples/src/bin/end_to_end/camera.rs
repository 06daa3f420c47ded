//! The camera: plays the recording into the stream and tags fragments as they begin.

use std::time::{Duration, SystemTime};

use kvs_examples::cli::Failure;
use kvs_media::__internal::FragmentCounter;
use kvs_media::Recording;
use kvs_mkv::{Frame, TrackNumber};
use kvs_producer::{ImageGeneration, Notification, Producer};
use tokio::time::Instant;

use crate::console::Console;
use crate::options::{Options, Speed};

/// Begins the keys of the images.
const PREFIX: &str = "end-to-end";

/// The recording on its way.
#[derive(Debug)]
pub(crate) struct Camera<'a> {
    options: &'a Options,
    console: &'a Console,
    /// When time 0 of the recording is, on the wall clock.
    start: SystemTime,
    /// The same on the clock that paces.
    pace: Instant,
    fragments: FragmentCounter,
}

/// A fragment that was tagged, by its timecode in milliseconds.
pub(crate) type Tagged = Vec<u64>;

impl<'a> Camera<'a> {
    /// Begins now.
    pub(crate) fn new(options: &'a Options, console: &'a Console, start: SystemTime) -> Self {
        Self { options, console, start, pace: Instant::now(), fragments: FragmentCounter::default() }
    }

    /// Sends everything; gives the timecodes of the fragments that were tagged.
    pub(crate) async fn play(mut self, recording: Recording, stream: &Producer) -> Result<Tagged, Failure> {
        let lead = recording.tracks().first().map(|track| track.number);
        let mut tagged = Tagged::new();
        let since_epoch = self.start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for sample in recording.samples() {
            if self.options.speed == Speed::Realtime {
                tokio::time::sleep_until(self.pace + sample.dts).await;
            }
            let frame = Frame::new(sample.track, since_epoch + sample.pts, sample.data.clone());
            stream.put_frame(frame.with_keyframe(sample.keyframe)).await.map_err(Failure::of_run)?;
            if self.begins_fragment(lead, sample.track, sample.keyframe, sample.pts)
                && self.fragments.is_due(self.options.every)
            {
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
        lead == Some(track) && keyframe && self.fragments.starts_at(pts)
    }

    /// Tags the fragment that is open: the one of the last frame.
    fn tag(&self, stream: &Producer) -> Result<(), Failure> {
        let number = self.fragments.count().to_string();
        if self.options.event.notifications() {
            let event = Notification::new().with_pair("fragment", &number);
            stream.put_event(event).map_err(Failure::of_run)?;
        }
        if self.options.event.images() {
            let event = ImageGeneration::new().with_prefix(PREFIX).with_pair("fragment", &number);
            stream.put_event(event).map_err(Failure::of_run)?;
        }
        Ok(())
    }
}
