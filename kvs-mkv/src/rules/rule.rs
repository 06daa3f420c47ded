//! The rules, and how a broken one is reported.

use std::fmt;

use kvs_types::ErrorId;
#[cfg(doc)]
use kvs_types::limits;

use crate::TrackNumber;

/// A rule that a fragment must follow; each has one error id.
///
/// Sources: the [API reference of PutMedia](https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html)
/// and the [quotas page](https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A fragment has at most [`limits::FRAGMENT_BYTES`] of payload.
    FragmentBytes,
    /// From the first to the last frame of a fragment there are at most [`limits::FRAGMENT_DURATION_MAX`].
    FragmentDuration,
    /// A fragment starts later than the last frame of the fragment before it, in milliseconds.
    RisingTimecodes,
    /// A session has at most [`limits::TRACKS`] tracks.
    Tracks,
    /// The track of each block is declared in the header.
    DeclaredTrack,
    /// Each fragment has a frame of each declared track.
    FrameForEachTrack,
    /// A fragment has at most [`limits::TAGS_PER_FRAGMENT`] tags.
    Tags,
    /// The name of a tag has 1 to [`limits::TAG_NAME_BYTES`] bytes.
    TagName,
    /// The value of a tag has at most [`limits::TAG_VALUE_BYTES`] bytes.
    TagValue,
    /// The name of a tag does not start with `AWS`, except for the names that producers may send.
    ReservedTagName,
}

impl Rule {
    /// Returns the error id with which the service rejects a fragment that breaks this rule.
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
            Self::FragmentDuration => "ms from the first to the last frame of a fragment",
            Self::RisingTimecodes => "ms as the start of a fragment",
            Self::Tracks => "tracks",
            Self::DeclaredTrack => "as a track number",
            Self::FrameForEachTrack => "frames of a track in a fragment",
            Self::Tags => "tags on a fragment",
            Self::TagName => "bytes in a tag name",
            Self::TagValue => "bytes in a tag value",
            Self::ReservedTagName => "tags with a reserved name",
        }
    }

    /// Whether `allowed` is the smallest accepted value instead of the largest.
    const fn is_minimum(self) -> bool {
        matches!(self, Self::RisingTimecodes | Self::FrameForEachTrack)
    }
}

/// A broken rule, with the measured and the allowed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The measured value, in the unit of the rule.
    pub measured: u64,
    /// The largest accepted value; for times and frames, the smallest.
    pub allowed: u64,
    /// The track, if the rule is about a track.
    pub track: Option<TrackNumber>,
}

impl Violation {
    /// Returns the error id with which the service rejects the fragment.
    #[must_use]
    pub const fn error_id(&self) -> ErrorId {
        self.rule.error_id()
    }

    pub(super) const fn new(rule: Rule, measured: u64, allowed: u64) -> Self {
        Self { rule, measured, allowed, track: None }
    }

    pub(super) const fn on(rule: Rule, measured: u64, allowed: u64, track: TrackNumber) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violation_states_measured_and_allowed_value() {
        let text = Violation::new(Rule::FragmentDuration, 20_001, 20_000).to_string();
        assert_eq!(
            text,
            "20001 ms from the first to the last frame of a fragment, at most 20000 allowed: ack error 4002 \
             MAX_FRAGMENT_DURATION_REACHED"
        );
    }
}
