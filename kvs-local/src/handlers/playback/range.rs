//! The fragment selectors of the three calls, which differ in their names and in what may be absent.

use std::time::SystemTime;

use kvs_types::__internal::from_epoch_millis;
use kvs_types::TimestampOrigin;
use serde::Deserialize;

use crate::api::{ApiError, required};
use crate::clock::from_json_seconds;
use crate::playback::limits::CLIP_RANGE;
use crate::playback::{PlaybackMode, Range};

/// `ClipFragmentSelector`, `HLSFragmentSelector` or `DASHFragmentSelector`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Selector {
    pub(super) fragment_selector_type: Option<TimestampOrigin>,
    pub(super) timestamp_range: Option<TimestampRange>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TimestampRange {
    start_timestamp: Option<f64>,
    end_timestamp: Option<f64>,
}

/// Returns the range of a clip, all members of which are needed. `member` is the selector's name in errors.
pub(super) fn clip(selector: Option<&Selector>, now: SystemTime) -> Result<Range, ApiError> {
    let selector = required("clipFragmentSelector", selector)?;
    let origin = required("clipFragmentSelector.fragmentSelectorType", selector.fragment_selector_type)?;
    let range = required("clipFragmentSelector.timestampRange", selector.timestamp_range.as_ref())?;
    let start = required("clipFragmentSelector.timestampRange.startTimestamp", range.start_timestamp)?;
    let end = required("clipFragmentSelector.timestampRange.endTimestamp", range.end_timestamp)?;
    checked(origin, start, end, now)
}

/// Returns the clock and the range of a session.
pub(super) fn session(
    selector: Option<&Selector>,
    mode: PlaybackMode,
    member: &str,
    now: SystemTime,
) -> Result<(TimestampOrigin, Option<Range>), ApiError> {
    let origin = selector.and_then(|selector| selector.fragment_selector_type).unwrap_or(TimestampOrigin::Server);
    let given = selector.and_then(|selector| selector.timestamp_range.as_ref());
    let Some(range) = given else {
        return match mode {
            PlaybackMode::Live => Ok((origin, None)),
            PlaybackMode::LiveReplay => required(&format!("{member}.timestampRange.startTimestamp"), None),
            PlaybackMode::OnDemand => required(&format!("{member}.timestampRange"), None),
        };
    };
    if mode == PlaybackMode::Live {
        return Err(ApiError::invalid("TimestampRange must not be set when PlaybackMode is LIVE"));
    }
    let start = required(&format!("{member}.timestampRange.startTimestamp"), range.start_timestamp)?;
    let range = match (mode, range.end_timestamp) {
        (_, Some(end)) => checked(origin, start, end, now)?,
        (PlaybackMode::LiveReplay, None) => {
            Range::since(origin, from_epoch_millis(from_json_seconds("StartTimestamp", start)?))
        }
        (_, None) => required(&format!("{member}.timestampRange.endTimestamp"), None)?,
    };
    Ok((origin, Some(range)))
}

fn checked(origin: TimestampOrigin, start: f64, end: f64, now: SystemTime) -> Result<Range, ApiError> {
    let time = |member, seconds| from_json_seconds(member, seconds).map(from_epoch_millis);
    let (from, to) = (time("StartTimestamp", start)?, time("EndTimestamp", end)?);
    let length = to.duration_since(from).unwrap_or_default();
    if length.is_zero() {
        return Err(ApiError::invalid("EndTimestamp must be later than StartTimestamp"));
    }
    if length > CLIP_RANGE {
        let (most, hours) = (CLIP_RANGE.as_secs() / 3600, length.as_secs_f64() / 3600.0);
        return Err(ApiError::invalid(format!("the time range must span at most {most} hours, got {hours:.2}")));
    }
    if origin == TimestampOrigin::Server && to > now {
        return Err(ApiError::invalid(
            "EndTimestamp must be in the past when FragmentSelectorType is SERVER_TIMESTAMP",
        ));
    }
    Ok(Range { origin, from, to })
}
