//! Values on the command line: times, durations and sizes.

use std::time::{Duration, SystemTime};

/// Reads a time: RFC 3339, or without an offset in UTC (`2026-11-22T18:00:00`), a date alone, seconds since 1970,
/// `now`, or an age such as `-90s`, `-15m`, `-2h`, `-1d`.
pub(crate) fn parse_time(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    let text = text.trim();
    let refuse =
        || format!("invalid time {text:?}: use 2026-11-22T18:00:00Z, seconds since 1970, now, or an age such as -15m");
    if text == "now" {
        return Ok(now);
    }
    if let Some(age) = text.strip_prefix('-') {
        return now.checked_sub(parse_duration(age)?).ok_or_else(refuse);
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && let Some(time) = text.parse().ok().and_then(kvs_types::__internal::from_epoch_seconds)
    {
        return Ok(time);
    }
    let stamp = text.parse::<jiff::Timestamp>().ok();
    let naive = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let stamp = stamp.or_else(|| naive().map(|zoned| zoned.timestamp())).ok_or_else(refuse)?;
    if stamp < jiff::Timestamp::UNIX_EPOCH {
        return Err(format!("invalid time {text:?}: it is before 1970"));
    }
    Ok(stamp.into())
}

/// Reads a duration: `200ms`, `5s`, `15m`, `2h`, `1d`; a number alone is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("invalid duration {text:?}: use 200ms, 5s, 15m, 2h or 1d");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| refuse())?;
    let unit = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(refuse()),
    };
    let seconds = (number * unit * 1000.0).round() / 1000.0;
    Duration::try_from_secs_f64(seconds).map_err(|_| refuse())
}

/// Reads a number of bytes: `1048576`, or with a unit of 1,024: `512M`, `4G`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let refuse = || format!("invalid number of bytes {text:?}: use 1048576, 512M or 4G");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return Err(refuse()),
    };
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    number.checked_mul(1 << shift).ok_or_else(refuse)
}

/// Reads a size such as `640x360`.
#[cfg(feature = "read")]
pub(crate) fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides.ok_or_else(|| format!("invalid size {text:?}: use 640x360"))
}

/// Formats a time in UTC, to the millisecond.
#[must_use]
pub(crate) fn show_time(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(stamp) => format!("{stamp:.3}"),
        Err(_) => format!("{time:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_in_every_documented_form() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let read = |text| parse_time(text, now).map(kvs_types::__internal::epoch_millis);
        assert_eq!(read("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
        assert_eq!(read("2023-11-14T23:13:20.5+01:00"), Ok(1_700_000_000_500));
        assert_eq!(read("2023-11-14T22:13:20"), Ok(1_700_000_000_000));
        assert_eq!(read("2023-11-14"), Ok(1_699_920_000_000));
        assert_eq!(read("1700000000.25"), Ok(1_700_000_000_250));
        assert_eq!(read("-1.5h"), Ok(1_699_994_600_000));
        assert_eq!(read("now"), Ok(1_700_000_000_000));
        for wrong in ["", "yesterday", "-", "-5x", "1960-01-01", "12:00", "1e9"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn errors_of_durations_and_sizes_show_the_expected_form() {
        assert_eq!(parse_duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!((parse_bytes("1048576"), parse_bytes("4G")), (Ok(1 << 20), Ok(4 << 30)));
        assert!(["", "G", "-1", "1.5G", "4GB", "99999999T"].iter().all(|wrong| parse_bytes(wrong).is_err()));
        assert_eq!(parse_duration("0.1"), Ok(Duration::from_millis(100)));
        assert!(parse_duration("-5s").is_err());
        #[cfg(feature = "read")]
        assert_eq!(parse_size("640x360"), Ok((640, 360)));
        #[cfg(feature = "read")]
        assert_eq!(parse_size("640"), Err("invalid size \"640\": use 640x360".to_owned()));
    }
}
