//! Conversions between `SystemTime` and the numbers on the wire: whole milliseconds, or seconds with a fraction.

use std::time::{Duration, SystemTime};

/// Largest time in JSON seconds: the start of the year 10000. A double represents milliseconds far beyond it.
const LATEST_SECONDS: f64 = 253_402_300_800.0;

/// Returns the milliseconds since 1970; 0 for earlier times.
#[must_use]
pub fn epoch_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the milliseconds since 1970, `None` for earlier times.
#[must_use]
pub fn epoch_millis_checked(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Returns the time at a number of milliseconds since 1970, at most the start of the year 10000.
#[must_use]
pub fn from_epoch_millis(millis: u64) -> SystemTime {
    let latest = Duration::from_secs(LATEST_SECONDS as u64);
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis).min(latest)
}

/// Returns the time at a number of milliseconds since 1970, `None` if the platform cannot represent it.
#[must_use]
pub fn from_epoch_millis_checked(millis: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

/// Returns the milliseconds in a number of seconds since 1970, rounded; `None` if the number is not a time from 1970 to 9999.
///
/// Rounding matters: the service prints `1.705489836421E9`, which truncation would turn into a millisecond less.
#[must_use]
pub fn epoch_seconds_to_millis(seconds: f64) -> Option<u64> {
    let fits = seconds.is_finite() && (0.0..=LATEST_SECONDS).contains(&seconds);
    fits.then(|| (seconds * 1000.0).round() as u64)
}

/// Returns the time at a number of seconds since 1970, rounded to a millisecond; `None` outside 1970 to 9999.
#[must_use]
pub fn from_epoch_seconds(seconds: f64) -> Option<SystemTime> {
    epoch_seconds_to_millis(seconds).map(from_epoch_millis)
}

/// A time that serializes as seconds since 1970.
#[cfg(feature = "serde")]
pub(crate) struct EpochSeconds(pub(crate) SystemTime);

#[cfg(feature = "serde")]
impl serde::Serialize for EpochSeconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        epoch_seconds::serialize(&self.0, serializer)
    }
}

/// Times in JSON as seconds since 1970; for `#[serde(with = "…")]`.
///
/// Whole seconds are written as an integer, others with up to three decimals. Reading accepts scientific notation, which
/// the service prints.
#[cfg(feature = "serde")]
pub mod epoch_seconds {
    use super::{SystemTime, epoch_millis, from_epoch_seconds};
    use serde::{Deserialize, Deserializer, Serializer};

    const OUT_OF_RANGE: &str = "timestamp outside 1970 to 9999";

    /// Writes a time.
    ///
    /// # Errors
    /// Returns the errors of the serializer.
    pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = epoch_millis(*time);
        if millis % 1000 == 0 {
            serializer.serialize_u64(millis / 1000)
        } else {
            serializer.serialize_f64(millis as f64 / 1000.0)
        }
    }

    /// Reads a time.
    ///
    /// # Errors
    /// Returns an error if the value is not a number or not a time from 1970 to 9999.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        from_epoch_seconds(f64::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom(OUT_OF_RANGE))
    }

    /// Optional times: a missing member and null are `None`.
    pub mod option {
        use super::{Deserialize, Deserializer, OUT_OF_RANGE, Serializer, SystemTime, from_epoch_seconds};

        /// Writes a time or null.
        ///
        /// # Errors
        /// Returns the errors of the serializer.
        pub fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads a time or null; add `default` to accept a missing member.
        ///
        /// # Errors
        /// Returns an error if the value is neither null nor a time from 1970 to 9999.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
            let Some(seconds) = Option::<f64>::deserialize(deserializer)? else { return Ok(None) };
            from_epoch_seconds(seconds).map(Some).ok_or_else(|| serde::de::Error::custom(OUT_OF_RANGE))
        }
    }
}

/// Times in JSON as whole milliseconds since 1970; for `#[serde(with = "…")]`.
#[cfg(feature = "serde")]
pub mod epoch_millis_serde {
    use super::{SystemTime, epoch_millis_checked, from_epoch_millis_checked};
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    /// Writes a time.
    ///
    /// # Errors
    /// Returns an error for a time before 1970.
    pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        let millis =
            epoch_millis_checked(*time).ok_or_else(|| ser::Error::custom("cannot serialize a time before 1970"))?;
        serializer.serialize_u64(millis)
    }

    /// Reads a time.
    ///
    /// # Errors
    /// Returns an error if the value is not a whole number or not a time that the platform can represent.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let millis = u64::deserialize(deserializer)?;
        from_epoch_millis_checked(millis)
            .ok_or_else(|| de::Error::custom(format_args!("timestamp {millis} ms is out of the platform's range")))
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Holder(#[serde(with = "epoch_seconds")] SystemTime);

    #[test]
    fn reads_scientific_notation_to_the_millisecond() {
        let Holder(time) = serde_json::from_str("1.705489836421E9").unwrap();
        assert_eq!(epoch_millis(time), 1_705_489_836_421);
    }

    #[test]
    fn every_millisecond_survives_a_round_trip() {
        for ms in (0..5_000).chain(1_705_489_836_000..1_705_489_841_000).chain(253_402_300_799_990..253_402_300_800_000)
        {
            let json = serde_json::to_string(&Holder(from_epoch_millis(ms))).unwrap();
            let Holder(back) = serde_json::from_str(&json).unwrap();
            assert_eq!(epoch_millis(back), ms, "{json}");
        }
    }

    #[test]
    fn writes_whole_seconds_as_integers() {
        assert_eq!(serde_json::to_string(&Holder(from_epoch_millis(1_700_000_000_000))).unwrap(), "1700000000");
        assert_eq!(serde_json::to_string(&Holder(from_epoch_millis(1_700_000_000_123))).unwrap(), "1700000000.123");
    }

    #[test]
    fn rejects_numbers_that_are_not_times() {
        for bad in ["-1", "1e300", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Holder>(bad).is_err(), "{bad}");
        }
        assert_eq!(epoch_seconds_to_millis(f64::NAN), None);
    }
}
