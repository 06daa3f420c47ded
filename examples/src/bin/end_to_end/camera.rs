//! The camera: sends the recording and tags fragments as they start.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use kvs_media::__internal::FragmentCounter;
use kvs_media::Recording;
use kvs_mkv::{Frame, TrackNumber};
use kvs_producer::{ImageGeneration, Notification, Producer};
use tokio::time::Instant;

use crate::console::Console;
use crate::failure::Failure;
use crate::options::{Options, Speed};

/// Prefix of the image object keys.
const PREFIX: &str = "end-to-end";

/// Sends one recording.
#[derive(Debug)]
pub(crate) struct Camera<'a> {
    options: &'a Options,
    console: &'a Console,
    /// Wall-clock time of time 0 of the recording.
    start: SystemTime,
    /// Monotonic time of time 0 of the recording.
    pace: Instant,
    fragments: FragmentCounter,
}

/// What was sent; times in milliseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Key frames whose fragments were tagged.
    pub(crate) tagged: Vec<u64>,
    /// Frames of the leading track.
    pub(crate) pictures: BTreeSet<u64>,
    /// Frames without payload, which were skipped.
    pub(crate) empty: usize,
}

/// How long the service may take nothing before the program gives up.
const STALLED: Duration = Duration::from_secs(60);

impl<'a> Camera<'a> {
    /// Starts now.
    pub(crate) fn new(options: &'a Options, console: &'a Console, start: SystemTime) -> Self {
        Self { options, console, start, pace: Instant::now(), fragments: FragmentCounter::default() }
    }

    /// Sends every frame and returns what was sent.
    pub(crate) async fn play(mut self, recording: Recording, stream: &Producer) -> Result<Sent, Failure> {
        let lead = recording.tracks().first().map(|track| track.number);
        let mut sent = Sent::default();
        let since_epoch = self.start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for sample in recording.samples() {
            if self.options.speed == Speed::Realtime {
                tokio::time::sleep_until(self.pace + sample.dts).await;
            }
            if sample.data.is_empty() {
                sent.empty += 1;
                continue;
            }
            let at = crate::journal::millis(since_epoch + sample.pts);
            let frame = Frame::new(sample.track, since_epoch + sample.pts, sample.data.clone());
            let put = stream.put_frame_within(frame.with_keyframe(sample.keyframe), STALLED).await;
            put.map_err(|error| Failure::of_frame(error, sample.track, sample.pts))?;
            if lead == Some(sample.track) {
                sent.pictures.insert(at);
            }
            if self.begins_fragment(lead, sample.track, sample.keyframe, sample.pts)
                && self.fragments.is_due(self.options.every)
            {
                self.tag(stream)?;
                sent.tagged.push(at);
            }
            self.console.sent(sample.pts);
        }
        Ok(sent)
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

    /// Tags the open fragment, which contains the last frame.
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
