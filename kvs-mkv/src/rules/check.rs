//! The check of fragments against the rules.

use std::collections::BTreeSet;
use std::time::Duration;

use kvs_types::{limits, tag_names};

use super::{Rule, Violation};
use crate::{Tag, Track, TrackNumber};

/// Checks the fragments of one session against the rules of the service.
///
/// Call [`start`](Self::start), then [`frame`](Self::frame) and [`tags`](Self::tags) in the order of the stream, then
/// [`finish`](Self::finish), for each fragment.
///
/// Memory: the declared track numbers, and those seen in the current fragment.
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::rules::{FragmentCheck, Rule};
/// use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
///
/// let tracks = [Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264)];
/// let mut check = FragmentCheck::new(&tracks)?;
/// check.start();
/// check.frame(TrackNumber::ONE, Duration::from_secs(1), 1000)?;
/// check.finish()?;
/// check.start();
/// let broken = check.frame(TrackNumber::ONE, Duration::from_secs(1), 1000).unwrap_err();
/// assert_eq!((broken.rule, broken.measured, broken.allowed), (Rule::RisingTimecodes, 1000, 1001));
/// # Ok::<(), kvs_mkv::rules::Violation>(())
/// ```
#[derive(Clone, Debug)]
pub struct FragmentCheck {
    declared: BTreeSet<TrackNumber>,
    /// Time of the last frame of the earlier fragments, in milliseconds.
    previous_last: Option<u64>,
    fragment: Measured,
}

/// What was measured of the current fragment.
#[derive(Clone, Debug, Default)]
struct Measured {
    bytes: u64,
    first_ms: Option<u64>,
    last_ms: u64,
    tags: usize,
    tracks: BTreeSet<TrackNumber>,
}

impl FragmentCheck {
    /// Starts a session with these tracks.
    ///
    /// # Errors
    /// [`Rule::Tracks`] if there are more tracks than [`limits::TRACKS`].
    pub fn new(tracks: &[Track]) -> Result<Self, Violation> {
        if tracks.len() > limits::TRACKS {
            return Err(Violation::new(Rule::Tracks, tracks.len() as u64, limits::TRACKS as u64));
        }
        Ok(Self {
            declared: tracks.iter().map(|track| track.number).collect(),
            previous_last: None,
            fragment: Measured::default(),
        })
    }

    /// Starts a new fragment. Of the fragment before, only the time of its last frame is kept.
    pub fn start(&mut self) {
        if self.fragment.first_ms.is_some() {
            self.previous_last = self.previous_last.max(Some(self.fragment.last_ms));
        }
        self.fragment = Measured::default();
    }

    /// Checks a frame of `bytes` payload bytes.
    ///
    /// # Errors
    /// The first rule that the frame breaks. The frame still counts as part of the fragment.
    pub fn frame(&mut self, track: TrackNumber, pts: Duration, bytes: u64) -> Result<(), Violation> {
        let fragment = &mut self.fragment;
        let at = u64::try_from(pts.as_millis()).unwrap_or(u64::MAX);
        fragment.bytes = fragment.bytes.saturating_add(bytes);
        fragment.last_ms = fragment.last_ms.max(at);
        let first = fragment.first_ms.map_or(at, |first| first.min(at));
        fragment.first_ms = Some(first);
        if !self.declared.contains(&track) {
            let largest = self.declared.last().map_or(0, |track| track.get());
            return Err(Violation::on(Rule::DeclaredTrack, track.get(), largest, track));
        }
        fragment.tracks.insert(track);
        if let Some(previous) = self.previous_last.filter(|&previous| at <= previous) {
            return Err(Violation::on(Rule::RisingTimecodes, at, previous.saturating_add(1), track));
        }
        check_most(Rule::FragmentBytes, fragment.bytes, limits::FRAGMENT_BYTES)?;
        let longest = u64::try_from(limits::FRAGMENT_DURATION_MAX.as_millis()).unwrap_or(u64::MAX);
        check_most(Rule::FragmentDuration, fragment.last_ms.saturating_sub(first), longest)
    }

    /// Checks tags that belong to the fragment.
    ///
    /// # Errors
    /// The first rule that the tags break.
    pub fn tags(&mut self, tags: &[Tag]) -> Result<(), Violation> {
        self.fragment.tags = self.fragment.tags.saturating_add(tags.len());
        check_most(Rule::Tags, self.fragment.tags as u64, limits::TAGS_PER_FRAGMENT as u64)?;
        tags.iter().try_for_each(Self::tag)
    }

    /// Checks the name and value of one tag.
    ///
    /// # Errors
    /// The first rule that the tag breaks.
    pub fn tag(tag: &Tag) -> Result<(), Violation> {
        let name = tag.name.as_str();
        // Compared in bytes: `get` is `None` for a shorter name and inside a character.
        let reserved = name.get(..tag_names::RESERVED_PREFIX.len()) == Some(tag_names::RESERVED_PREFIX);
        if reserved && !tag_names::FROM_PRODUCERS.contains(&name) {
            return Err(Violation::new(Rule::ReservedTagName, 1, 0));
        }
        if name.is_empty() {
            return Err(Violation::new(Rule::TagName, 0, limits::TAG_NAME_BYTES as u64));
        }
        check_most(Rule::TagName, name.len() as u64, limits::TAG_NAME_BYTES as u64)?;
        check_most(Rule::TagValue, tag.value.len() as u64, limits::TAG_VALUE_BYTES as u64)
    }

    /// Checks that the current fragment is complete.
    ///
    /// # Errors
    /// [`Rule::FrameForEachTrack`] if a declared track has no frame.
    pub fn finish(&mut self) -> Result<(), Violation> {
        match self.declared.difference(&self.fragment.tracks).next() {
            Some(&missing) => Err(Violation::on(Rule::FrameForEachTrack, 0, 1, missing)),
            None => Ok(()),
        }
    }
}

const fn check_most(rule: Rule, measured: u64, allowed: u64) -> Result<(), Violation> {
    if measured > allowed { Err(Violation::new(rule, measured, allowed)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use kvs_types::ErrorId;

    use super::*;
    use crate::{CodecId, TrackKind};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn check(tracks: usize) -> Result<FragmentCheck, Violation> {
        let all = [TrackNumber::ONE, TrackNumber::TWO, TrackNumber::THREE, TrackNumber::new(4).unwrap()];
        let tracks: Vec<_> =
            all.iter().take(tracks).map(|&number| Track::new(number, TrackKind::Video, CodecId::H264)).collect();
        FragmentCheck::new(&tracks)
    }

    #[test]
    fn rejects_fourth_track() {
        assert!(check(3).is_ok());
        assert_eq!(check(4).unwrap_err().error_id(), ErrorId::MORE_THAN_ALLOWED_TRACKS_FOUND);
    }

    #[test]
    fn accepts_size_and_duration_at_limit_and_rejects_more() {
        let mut at = check(1).unwrap();
        at.start();
        assert_eq!(at.frame(TrackNumber::ONE, MS(0), limits::FRAGMENT_BYTES), Ok(()));
        assert_eq!(at.frame(TrackNumber::ONE, MS(20_000), 0), Ok(()));
        assert_eq!(at.clone().frame(TrackNumber::ONE, MS(1), 1).unwrap_err().rule, Rule::FragmentBytes);
        assert_eq!(at.frame(TrackNumber::ONE, MS(20_001), 0).unwrap_err().rule, Rule::FragmentDuration);
    }

    #[test]
    fn rejects_missing_and_undeclared_tracks() {
        let mut two = check(2).unwrap();
        two.start();
        two.frame(TrackNumber::ONE, MS(0), 1).unwrap();
        let missing = two.finish().unwrap_err();
        assert_eq!((missing.rule, missing.track), (Rule::FrameForEachTrack, Some(TrackNumber::TWO)));
        assert_eq!(two.frame(TrackNumber::THREE, MS(1), 1).unwrap_err().error_id(), ErrorId::TRACK_NUMBER_MISMATCH);
    }

    #[test]
    fn limits_number_and_byte_length_of_tags() {
        let mut check = check(1).unwrap();
        check.start();
        assert_eq!(check.tags(&vec![Tag::new("n", ""); 10]), Ok(()));
        assert_eq!(check.tags(&[Tag::new("n", "")]).unwrap_err().rule, Rule::Tags);
        let edge = |name: usize, value: usize| FragmentCheck::tag(&Tag::new("é".repeat(name / 2), "v".repeat(value)));
        assert_eq!(edge(128, 256), Ok(()));
        assert_eq!(edge(130, 0).unwrap_err().rule, Rule::TagName);
        assert_eq!(edge(0, 0).unwrap_err().rule, Rule::TagName);
        assert_eq!(edge(2, 257).unwrap_err().rule, Rule::TagValue);
        assert_eq!(
            FragmentCheck::tag(&Tag::new("AWS_X", "")).unwrap_err().error_id(),
            ErrorId::INVALID_FRAGMENT_METADATA
        );
        assert_eq!(FragmentCheck::tag(&Tag::new(tag_names::NOTIFICATION, "")), Ok(()));
    }
}
