//! The rules by which the service accepts a fragment: what is measured, what is allowed, which ack error breaks it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use kvs_types::{limits, tag_names};

use super::ErrorId;
use crate::{Tag, Track, TrackNumber};

/// One rule of acceptance.
///
/// Each has one error id; [`Violation`] adds what was measured. Sources: the API reference of PutMedia and the quotas page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// At most [`limits::FRAGMENT_BYTES`] in a fragment.
    FragmentBytes,
    /// At most [`limits::FRAGMENT_DURATION_MAX`] from a fragment's first frame to its last.
    FragmentDuration,
    /// A fragment begins later than the last frame of the one before; in milliseconds.
    RisingTimecodes,
    /// At most [`limits::TRACKS`] tracks.
    Tracks,
    /// Each block's track is declared.
    DeclaredTrack,
    /// Each declared track has a frame in each fragment.
    FrameForEachTrack,
    /// At most [`limits::TAGS_PER_FRAGMENT`] tags on a fragment.
    Tags,
    /// A tag's name has 1 to [`limits::TAG_NAME_BYTES`] bytes.
    TagName,
    /// A tag's value has at most [`limits::TAG_VALUE_BYTES`] bytes.
    TagValue,
    /// A tag's name does not begin with `AWS`, unless it is one that producers may send.
    ReservedTagName,
}

impl Rule {
    /// The ack error that breaking the rule earns.
    #[must_use]
    pub const fn error_id(self) -> ErrorId {
        match self {
            Self::FragmentBytes => ErrorId::MAX_FRAGMENT_SIZE_REACHED,
            Self::FragmentDuration => ErrorId::MAX_FRAGMENT_DURATION_REACHED,
            Self::RisingTimecodes => ErrorId::FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS,
            Self::Tracks => ErrorId::MORE_THAN_ALLOWED_TRACKS_FOUND,
            Self::DeclaredTrack => ErrorId::TRACK_NUMBER_MISMATCH,
            Self::FrameForEachTrack => ErrorId::FRAMES_MISSING_FOR_TRACK,
            Self::Tags | Self::TagName | Self::TagValue => ErrorId::FRAGMENT_METADATA_LIMIT_REACHED,
            Self::ReservedTagName => ErrorId::INVALID_FRAGMENT_METADATA,
        }
    }

    /// What the two numbers of a [`Violation`] count.
    const fn unit(self) -> &'static str {
        match self {
            Self::FragmentBytes => "bytes in a fragment",
            Self::FragmentDuration => "ms from a fragment's first frame to its last",
            Self::RisingTimecodes => "ms as the earliest time of a fragment",
            Self::Tracks => "tracks",
            Self::DeclaredTrack => "as a track number",
            Self::FrameForEachTrack => "frames of a track in a fragment",
            Self::Tags => "tags on a fragment",
            Self::TagName => "bytes in a tag's name",
            Self::TagValue => "bytes in a tag's value",
            Self::ReservedTagName => "tags with a reserved name",
        }
    }

    /// Whether `allowed` is the smallest value that passes instead of the largest.
    const fn is_minimum(self) -> bool {
        matches!(self, Self::RisingTimecodes | Self::FrameForEachTrack)
    }
}

/// A rule that was broken, with what was measured and what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What was found, in the unit of the rule.
    pub measured: u64,
    /// The most (or for times and frames the least) that passes.
    pub allowed: u64,
    /// The track it concerns, where it concerns one.
    pub track: Option<TrackNumber>,
}

impl Violation {
    /// The ack error this earns.
    #[must_use]
    pub const fn error_id(&self) -> ErrorId {
        self.rule.error_id()
    }

    const fn new(rule: Rule, measured: u64, allowed: u64) -> Self {
        Self { rule, measured, allowed, track: None }
    }

    const fn on(rule: Rule, measured: u64, allowed: u64, track: TrackNumber) -> Self {
        Self { rule, measured, allowed, track: Some(track) }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = if self.rule.is_minimum() { "least" } else { "most" };
        write!(f, "{} {}, at {bound} {} allowed", self.measured, self.rule.unit(), self.allowed)?;
        if let Some(track) = self.track {
            write!(f, " (track {track})")?;
        }
        write!(f, ": ack error {}", self.error_id())
    }
}

/// Follows the fragments of one session and says which rule they break, if any.
///
/// Feed it what goes over the wire in order: [`start`](Self::start), [`frame`](Self::frame) and [`tags`](Self::tags),
/// then [`finish`](Self::finish). The checks before sending and the local service both run this.
///
/// Memory: the declared track numbers, and those seen in the fragment that is open.
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::service::{FragmentCheck, Rule};
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
/// # Ok::<(), kvs_mkv::service::Violation>(())
/// ```
#[derive(Clone, Debug)]
pub struct FragmentCheck {
    declared: BTreeSet<TrackNumber>,
    /// Latest frame of the fragments before, in milliseconds.
    previous_last: Option<u64>,
    fragment: Measured,
}

/// What has been measured of the fragment that is open.
#[derive(Clone, Debug, Default)]
struct Measured {
    bytes: u64,
    first_ms: Option<u64>,
    last_ms: u64,
    tags: usize,
    tracks: BTreeSet<TrackNumber>,
}

impl FragmentCheck {
    /// For a session with these tracks.
    ///
    /// # Errors
    /// More tracks than [`limits::TRACKS`].
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

    /// A new fragment begins; what was measured of the one before is forgotten but for its last time.
    pub fn start(&mut self) {
        if self.fragment.first_ms.is_some() {
            self.previous_last = self.previous_last.max(Some(self.fragment.last_ms));
        }
        self.fragment = Measured::default();
    }

    /// A frame of `bytes` payload bytes.
    ///
    /// # Errors
    /// The first rule that it breaks; the frame counts as part of the fragment all the same.
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
        if let Some(previous) = self.previous_last
            && at <= previous
        {
            return Err(Violation::on(Rule::RisingTimecodes, at, previous.saturating_add(1), track));
        }
        check_most(Rule::FragmentBytes, fragment.bytes, limits::FRAGMENT_BYTES)?;
        let longest = u64::try_from(limits::FRAGMENT_DURATION_MAX.as_millis()).unwrap_or(u64::MAX);
        check_most(Rule::FragmentDuration, fragment.last_ms.saturating_sub(first), longest)
    }

    /// Tags that belong to the fragment.
    ///
    /// # Errors
    /// The first rule that they break.
    pub fn tags(&mut self, tags: &[Tag]) -> Result<(), Violation> {
        self.fragment.tags = self.fragment.tags.saturating_add(tags.len());
        check_most(Rule::Tags, self.fragment.tags as u64, limits::TAGS_PER_FRAGMENT as u64)?;
        tags.iter().try_for_each(Self::tag)
    }

    /// One tag by itself: its name and value.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn tag(tag: &Tag) -> Result<(), Violation> {
        let name = tag.name.as_str();
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

    /// The open fragment is complete.
    ///
    /// # Errors
    /// A declared track without a frame in it.
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
    fn a_fourth_track_is_one_too_many() {
        assert!(check(3).is_ok());
        assert_eq!(check(4).unwrap_err().error_id(), ErrorId::MORE_THAN_ALLOWED_TRACKS_FOUND);
    }

    #[test]
    fn size_and_duration_hold_at_the_limit_and_break_past_it() {
        let mut at = check(1).unwrap();
        at.start();
        assert_eq!(at.frame(TrackNumber::ONE, MS(0), limits::FRAGMENT_BYTES), Ok(()));
        assert_eq!(at.frame(TrackNumber::ONE, MS(20_000), 0), Ok(()));
        assert_eq!(at.clone().frame(TrackNumber::ONE, MS(1), 1).unwrap_err().rule, Rule::FragmentBytes);
        assert_eq!(at.frame(TrackNumber::ONE, MS(20_001), 0).unwrap_err().rule, Rule::FragmentDuration);
    }

    #[test]
    fn each_track_needs_a_frame_and_no_other_may_have_one() {
        let mut two = check(2).unwrap();
        two.start();
        two.frame(TrackNumber::ONE, MS(0), 1).unwrap();
        let missing = two.finish().unwrap_err();
        assert_eq!((missing.rule, missing.track), (Rule::FrameForEachTrack, Some(TrackNumber::TWO)));
        assert_eq!(two.frame(TrackNumber::THREE, MS(1), 1).unwrap_err().error_id(), ErrorId::TRACK_NUMBER_MISMATCH);
    }

    #[test]
    fn tags_are_counted_and_measured_in_bytes() {
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

    #[test]
    fn a_violation_says_the_numbers() {
        let text = Violation::new(Rule::FragmentDuration, 20_001, 20_000).to_string();
        assert_eq!(
            text,
            "20001 ms from a fragment's first frame to its last, at most 20000 allowed: ack error 4002 \
             MAX_FRAGMENT_DURATION_REACHED"
        );
    }
}
