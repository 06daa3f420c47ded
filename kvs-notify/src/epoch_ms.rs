//! Instants as the service writes them: milliseconds since 1970, UTC.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serializer, de, ser};

/// The instant so many milliseconds after the epoch, or nothing if the system's clock cannot tell it.
pub(crate) fn instant(milliseconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))
}

/// Whole milliseconds since the epoch, or nothing for an instant before it.
pub(crate) fn milliseconds(at: SystemTime) -> Option<u64> {
    u64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The instant without its fraction of a millisecond, as it will read once it has been written.
#[cfg(feature = "s3")]
pub(crate) fn floor(at: SystemTime) -> Option<SystemTime> {
    instant(milliseconds(at)?)
}

/// Decimal digits without a sign, a space or a leading zero: the one way in which each number is written.
#[cfg(feature = "s3")]
pub(crate) fn parse(digits: &str) -> Option<SystemTime> {
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if !canonical {
        return None;
    }
    instant(digits.parse().ok()?)
}

pub(crate) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let milliseconds =
        milliseconds(*at).ok_or_else(|| ser::Error::custom("an instant before 1970 cannot be written"))?;
    serializer.serialize_u64(milliseconds)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let milliseconds = u64::deserialize(deserializer)?;
    instant(milliseconds)
        .ok_or_else(|| de::Error::custom(format_args!("{milliseconds} ms after 1970 is beyond the system's clock")))
}
