//! The request rate: metadata points and media points of a stream.

use std::time::{Duration, Instant};

use kvs_aws::limits;
use kvs_types::__internal::RateLimiter;

/// The request rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pace {
    /// Within the quotas of the service: 500 media points and 10,000 metadata points per second of a stream. An image costs one
    /// of each, and each call another 400 metadata points.
    #[default]
    ServiceQuota,
    /// Unlimited, for a local service without quotas.
    Unlimited,
}

/// Decides when the next call may be sent. The time is an input.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    limiter: RateLimiter,
}

impl Pacer {
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, limiter: RateLimiter::new() }
    }

    /// Reserves a call for `images` images. Returns when it may be sent.
    pub(crate) fn book(&mut self, images: u32, now: Instant) -> Instant {
        match self.pace {
            Pace::Unlimited => now,
            Pace::ServiceQuota => self.limiter.book(cost(images), now),
        }
    }
}

/// Returns the time after which the points of a call are available again, media or metadata, whichever is later.
fn cost(images: u32) -> Duration {
    let part = |points: u32, per_second: u32| Duration::from_secs(1) * points / per_second;
    let media = part(images, limits::MEDIA_POINTS_PER_SECOND);
    let metadata = limits::METADATA_POINTS_PER_GET_IMAGES.saturating_add(images);
    media.max(part(metadata, limits::METADATA_POINTS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_20_pages_of_25_images_or_25_single_images_per_second() {
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
