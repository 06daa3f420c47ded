//! Frames that the producer does not accept.

use std::time::{Duration, Instant};

use kvs_producer::{PutFrameError, Refusal};

use super::source::Source;
use crate::commands::media::print_notice_of;
use crate::failure::Failure;
use crate::output::Output;

/// Ends the run, or with a camera counts them and goes on: a camera that sends one bad frame sends good ones after it.
pub(super) struct Refused {
    /// Name and output, for a camera.
    camera: Option<(String, Output)>,
    count: u64,
    told: Option<Instant>,
}

/// Time between two notices.
const INTERVAL: Duration = Duration::from_secs(10);

impl Refused {
    pub(super) fn new(source: &Source) -> Self {
        let camera = source.is_camera().then(|| (source.name().to_owned(), source.output()));
        Self { camera, count: 0, told: None }
    }

    /// A frame was not accepted.
    pub(super) fn handle(&mut self, error: PutFrameError) -> Result<(), Failure> {
        let Some((name, output)) = &self.camera else { return Err(Failure::of_run(error)) };
        if error.refusal == Refusal::Finished {
            return Err(Failure::of_run(error));
        }
        self.count += 1;
        if self.told.is_none_or(|told| told.elapsed() >= INTERVAL) {
            self.told = Some(Instant::now());
            print_notice_of(
                "refused",
                &format!("{} frames refused so far, the last: {error}", self.count),
                name,
                *output,
            );
        }
        Ok(())
    }
}
