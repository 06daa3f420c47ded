//! Keeping within the points that a stream gives each second.

use std::time::{Duration, Instant};

use crate::limits;

/// How fast calls may follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pace {
    /// Within the quotas of the service: 500 media points and 10,000 metadata points a second. An image takes one of
    /// each, a call 400 metadata points more.
    #[default]
    ServiceQuota,
    /// As fast as answers come: for a service without quotas, on this machine.
    Unlimited,
}

/// When the next call may go out. No clock and no sleep in it.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    free_at: Option<Instant>,
}

impl Pacer {
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, free_at: None }
    }

    /// Books a call for `images` pictures; it may go out at the instant returned.
    pub(crate) fn book(&mut self, images: u32, now: Instant) -> Instant {
        if self.pace == Pace::Unlimited {
            return now;
        }
        let start = self.free_at.unwrap_or(now).max(now);
        self.free_at = Some(start + cost(images));
        start
    }
}

/// The longer of the times that its media and its metadata points take to come back.
fn cost(images: u32) -> Duration {
    let part = |points: u32, a_second: u32| Duration::from_secs(1) * points / a_second;
    let media = part(images, limits::MEDIA_POINTS_PER_SECOND);
    let metadata = limits::METADATA_POINTS_PER_REQUEST.saturating_add(images);
    media.max(part(metadata, limits::METADATA_POINTS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_25_go_out_at_20_a_second_and_single_images_at_25() {
        let now = Instant::now();
        let rate = |images| {
            let mut pacer = Pacer::new(Pace::ServiceQuota);
            (0..1_000).take_while(|_| pacer.book(images, now) < now + Duration::from_secs(1)).count()
        };
        assert_eq!(rate(25), 20);
        assert_eq!(rate(1), 25);
        let mut free = Pacer::new(Pace::Unlimited);
        assert!((0..1_000).all(|_| free.book(25, now) == now));
    }
}
