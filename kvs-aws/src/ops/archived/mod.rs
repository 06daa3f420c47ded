//! Operations on archived media.

mod clip;
mod fragment_list;
mod fragments;
mod sessions;

pub use clip::GetClip;
pub use fragment_list::GetMediaForFragmentList;
pub use fragments::{FragmentPage, ListFragments};
pub use sessions::{
    ContainerFormat, DiscontinuityMode, FragmentDisplay, GetDashStreamingSessionUrl, GetHlsStreamingSessionUrl,
    PlaybackMode,
};

use std::ops::Range;
use std::time::SystemTime;

use serde::Serialize;

use kvs_types::__internal::epoch_seconds;
use kvs_types::{FieldProblem, InvalidField, TimestampOrigin, limits};

/// A time range by one of two clocks, in the JSON form that the archived-media operations share.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FragmentSelector {
    fragment_selector_type: TimestampOrigin,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_range: Option<TimestampRange>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TimestampRange {
    #[serde(with = "epoch_seconds")]
    start_timestamp: SystemTime,
    #[serde(with = "epoch_seconds::option", skip_serializing_if = "Option::is_none")]
    end_timestamp: Option<SystemTime>,
}

impl FragmentSelector {
    fn of(origin: TimestampOrigin, range: Range<SystemTime>) -> Self {
        let range = TimestampRange { start_timestamp: range.start, end_timestamp: Some(range.end) };
        Self { fragment_selector_type: origin, timestamp_range: Some(range) }
    }

    /// Checks that the range starts in 1970 or later and ends after its start.
    fn check(&self) -> Result<(), InvalidField> {
        let Some(range) = &self.timestamp_range else { return Ok(()) };
        if range.start_timestamp < SystemTime::UNIX_EPOCH {
            return Err(InvalidField::new("StartTimestamp", FieldProblem::BeforeEpoch));
        }
        match range.end_timestamp {
            Some(end) if end <= range.start_timestamp => {
                Err(InvalidField::new("EndTimestamp", FieldProblem::EmptyRange))
            }
            _ => Ok(()),
        }
    }

    /// Checks the range, and that it is no longer than a clip or a session may be.
    fn check_clip(&self) -> Result<(), InvalidField> {
        self.check()?;
        let Some(TimestampRange { start_timestamp, end_timestamp: Some(end) }) = &self.timestamp_range else {
            return Ok(());
        };
        let range = end.duration_since(*start_timestamp).unwrap_or_default();
        if range > limits::CLIP_RANGE {
            let (max_seconds, actual_seconds) = (limits::CLIP_RANGE.as_secs(), range.as_secs());
            return Err(InvalidField::new("EndTimestamp", FieldProblem::LongRange { max_seconds, actual_seconds }));
        }
        Ok(())
    }
}
