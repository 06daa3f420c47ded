//! Frames that the producer does not accept.

use std::time::{Duration, Instant};

use kvs_producer::{PutFrameError, Refusal};

use super::source::Source;
use crate::commands::media::print_notice_of;
use crate::failure::Failure;
use crate::output::Output;

/// Counts them and goes on, or ends the run: a camera that sends one bad frame sends good ones after it, and the rest of a recording
/// does not depend on a frame that comes too late to be ordered. Any other frame of a recording is a fault of the file.
pub(super) struct Refused {
    name: String,
    output: Output,
    is_camera: bool,
    count: u64,
    /// Those that came too late to be ordered.
    late: u64,
    told: Option<Instant>,
}

/// Time between two notices.
const INTERVAL: Duration = Duration::from_secs(10);

impl Refused {
    pub(super) fn new(source: &Source) -> Self {
        let (name, output) = (source.name().to_owned(), source.output());
        Self { name, output, is_camera: source.is_camera(), count: 0, late: 0, told: None }
    }

    /// A frame was not accepted.
    pub(super) fn handle(&mut self, error: PutFrameError) -> Result<(), Failure> {
        let is_late = matches!(error.refusal, Refusal::TrackLate { .. });
        if !is_late && (!self.is_camera || error.refusal == Refusal::Finished) {
            return Err(Failure::of_run(error));
        }
        self.count += 1;
        self.late += u64::from(is_late);
        if self.told.is_none_or(|told| told.elapsed() >= INTERVAL) {
            self.told = Some(Instant::now());
            print_notice_of(
                "refused",
                &format!("{} frames refused so far, the last: {error}", self.count),
                &self.name,
                self.output,
            );
        }
        Ok(())
    }

    /// The number of frames that came too late to be ordered with those of other tracks.
    pub(super) const fn late(&self) -> u64 {
        self.late
    }
}
