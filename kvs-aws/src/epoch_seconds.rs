//! Timestamps in JSON bodies: seconds since 1970 as a number.
//!
//! The service prints them in scientific notation (`1.705489836421E9`), so reading goes through a double and is rounded
//! to the millisecond; writing gives whole seconds as an integer and at most three decimals else.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serializer};

/// Largest time taken, in seconds: the year 9999. Doubles hold milliseconds far beyond it.
const LATEST_SECONDS: f64 = 253_402_300_800.0;

/// Milliseconds since 1970; times before it count as 1970.
#[must_use]
pub fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time at a number of milliseconds since 1970; beyond what the platform's clock can hold it is its latest second.
#[must_use]
pub fn from_millis(millis: u64) -> SystemTime {
    let latest = Duration::from_secs(LATEST_SECONDS as u64);
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis).min(latest)
}

/// The time at a number of seconds since 1970, rounded to the millisecond; `None` when it is no time from 1970 to 9999.
#[must_use]
pub fn from_seconds(seconds: f64) -> Option<SystemTime> {
    let fits = seconds.is_finite() && (0.0..=LATEST_SECONDS).contains(&seconds);
    fits.then(|| from_millis((seconds * 1000.0).round() as u64))
}

/// Writes a time; for `#[serde(with = "…")]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let millis = millis(*time);
    if millis.is_multiple_of(1000) {
        serializer.serialize_u64(millis / 1000)
    } else {
        serializer.serialize_f64(millis as f64 / 1000.0)
    }
}

/// Reads a time; for `#[serde(with = "…")]`.
///
/// # Errors
/// When it is no number or no time from 1970 to 9999.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    from_seconds(seconds).ok_or_else(|| serde::de::Error::custom("a timestamp outside 1970 to 9999"))
}

/// The same for a time that may be missing or null.
pub mod option {
    use super::{Deserialize, Deserializer, Serializer, SystemTime};

    /// Writes a time or null; for `#[serde(with = "…")]`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a time, null or nothing; for `#[serde(default, with = "…")]`.
    ///
    /// # Errors
    /// When it is neither null nor a time from 1970 to 9999.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
        let Some(seconds) = Option::<f64>::deserialize(deserializer)? else { return Ok(None) };
        let time = super::from_seconds(seconds);
        time.map(Some).ok_or_else(|| serde::de::Error::custom("a timestamp outside 1970 to 9999"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, Deserialize)]
    struct Holder(#[serde(with = "super")] SystemTime);

    #[test]
    fn scientific_notation_is_read_to_the_millisecond() {
        let Holder(time) = serde_json::from_str("1.705489836421E9").unwrap();
        assert_eq!(millis(time), 1_705_489_836_421);
    }

    #[test]
    fn every_millisecond_survives_a_round_trip() {
        for ms in (0..5_000).chain(1_705_489_836_000..1_705_489_841_000).chain(253_402_300_799_990..253_402_300_800_000)
        {
            let json = serde_json::to_string(&Holder(from_millis(ms))).unwrap();
            let Holder(back) = serde_json::from_str(&json).unwrap();
            assert_eq!(millis(back), ms, "{json}");
        }
    }

    #[test]
    fn whole_seconds_are_integers() {
        assert_eq!(serde_json::to_string(&Holder(from_millis(1_700_000_000_000))).unwrap(), "1700000000");
        assert_eq!(serde_json::to_string(&Holder(from_millis(1_700_000_000_123))).unwrap(), "1700000000.123");
    }

    #[test]
    fn numbers_that_are_no_time_are_refused() {
        for bad in ["-1", "1e300", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Holder>(bad).is_err(), "{bad}");
        }
    }
}
