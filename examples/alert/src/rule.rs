//! When somebody is told: not of a single image, and not of every one.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

/// The most streams whose images are remembered; then the one without images for longest is forgotten.
const MAX_STREAMS: usize = 10_000;

/// Tells once when enough of the last images of a stream show something, and then is quiet for a while.
#[derive(Clone, Debug)]
pub struct Rule {
    hits: usize,
    of: usize,
    quiet: Duration,
    streams: HashMap<String, Seen>,
}

/// What was seen of a stream.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Whether the last images showed something, the newest last.
    images: VecDeque<bool>,
    last_image: Option<SystemTime>,
    told: Option<SystemTime>,
}

impl Default for Rule {
    /// Two of the last three images; quiet for a minute.
    fn default() -> Self {
        Self::new(2, 3, Duration::from_secs(60))
    }
}

impl Rule {
    /// Creates a rule: `hits` of the last `of` images, and then nothing for `quiet` of the camera's time. At least 1 of 1.
    #[must_use]
    pub fn new(hits: usize, of: usize, quiet: Duration) -> Self {
        let hits = hits.max(1);
        Self { hits, of: of.max(hits), quiet, streams: HashMap::new() }
    }

    /// Takes the outcome of an image, and returns whether to tell.
    pub fn take(&mut self, stream: &str, at: SystemTime, hit: bool) -> bool {
        if self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(stream) {
            self.forget_one();
        }
        let seen = self.streams.entry(stream.to_owned()).or_default();
        seen.last_image = seen.last_image.max(Some(at));
        seen.images.push_back(hit);
        if seen.images.len() > self.of {
            seen.images.pop_front();
        }
        let enough = seen.images.iter().filter(|hit| **hit).count() >= self.hits;
        let is_quiet = seen.told.is_some_and(|told| at.duration_since(told).unwrap_or_default() < self.quiet);
        // An image without anything never tells, whatever the ones before it showed.
        let tell = hit && enough && !is_quiet;
        if tell {
            seen.told = Some(at);
        }
        tell
    }

    fn forget_one(&mut self) {
        let oldest = self.streams.iter().min_by_key(|(_, seen)| seen.last_image).map(|(stream, _)| stream.clone());
        oldest.and_then(|stream| self.streams.remove(&stream));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rule: &mut Rule, images: &[(u64, bool)]) -> Vec<u64> {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let told = images.iter().filter(|(second, hit)| rule.take("door", at(*second), *hit));
        told.map(|(second, _)| *second).collect()
    }

    #[test]
    fn two_of_three_pictures_tell_once_a_minute() {
        let mut rule = Rule::default();
        assert_eq!(told(&mut rule, &[(0, true), (1, false), (2, false), (3, true), (4, false), (5, true)]), [5]);
        assert_eq!(told(&mut rule, &[(6, true), (7, true), (64, true), (65, true), (66, true)]), [65]);
    }

    #[test]
    fn streams_do_not_add_up() {
        let mut rule = Rule::default();
        assert!(!rule.take("door", SystemTime::UNIX_EPOCH, true) && !rule.take("gate", SystemTime::UNIX_EPOCH, true));
    }
}
