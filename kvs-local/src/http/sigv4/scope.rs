//! The credential scope (day, region, service) and the age of a signature.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ring::digest;

use super::incomplete;
use crate::api::{ApiError, Exception};
use crate::limits;

/// The service name that all operations sign for.
const SERVICE: &str = "kinesisvideo";
/// The terminator of every scope.
const END: &str = "aws4_request";
/// The only algorithm of this service; the asymmetric one is for multi-Region access points.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The format of a signature's date.
const DATE: &str = "%Y%m%dT%H%M%SZ";

/// The parts of `Credential=KEY/DAY/REGION/SERVICE/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) access_key: String,
    pub(super) day: String,
    pub(super) region: String,
    pub(super) service: String,
    pub(super) end: String,
}

impl Scope {
    /// Parses a credential from its end, since access keys may contain slashes.
    pub(super) fn parse(credential: &str) -> Result<Self, ApiError> {
        let mut parts = credential.rsplitn(5, '/').map(str::to_owned);
        let parts = (parts.next(), parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(end), Some(service), Some(region), Some(day), Some(access_key)) = parts else {
            return Err(incomplete(format!(
                "Credential must have the form KEY/DAY/REGION/kinesisvideo/aws4_request, but is '{}'",
                credential.escape_debug()
            )));
        };
        Ok(Self { access_key, day, region, service, end })
    }

    /// Checks that the scope names this service and the day of `date`.
    pub(super) fn check(&self, region: &str, date: &str) -> Result<(), ApiError> {
        let refuse = |what: String| Err(ApiError::new(Exception::InvalidSignature, what));
        if self.region != region {
            let given = self.region.escape_debug();
            return refuse(format!(
                "Credential should be scoped to a valid region, not '{given}'. This service is in '{region}'."
            ));
        }
        if self.service != SERVICE {
            let given = self.service.escape_debug();
            return refuse(format!("Credential should be scoped to correct service: '{SERVICE}', not '{given}'."));
        }
        if self.end != END {
            let given = self.end.escape_debug();
            return refuse(format!("Credential should be scoped with a valid terminator: '{END}', not '{given}'."));
        }
        if !date.starts_with(&self.day) || self.day.len() != 8 {
            let given = self.day.escape_debug();
            return refuse(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
                                   HTTP: '{given}' != '{}'.",
                date.get(..8).unwrap_or(date).escape_debug()
            ));
        }
        Ok(())
    }

    pub(super) fn string_to_sign(&self, date: &str, canonical: &str) -> String {
        let Self { day, region, service, end, .. } = self;
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        format!("{ALGORITHM}\n{date}\n{day}/{region}/{service}/{end}\n{hash}")
    }
}

/// Checks that the date is within [`limits::CLOCK_SKEW`] of `now`, or within the lifetime of a presigned request.
pub(super) fn check_age(date: &str, expires: Option<Duration>, now: SystemTime) -> Result<(), ApiError> {
    let signed = parse_date(date)?;
    let life = expires.unwrap_or(limits::CLOCK_SKEW);
    let skew = limits::CLOCK_SKEW;
    let refuse = |message| Err(ApiError::new(Exception::InvalidSignature, message));
    if signed.checked_add(life).is_none_or(|end| end < now) {
        let oldest = now.checked_sub(life).unwrap_or(now);
        let (oldest, now) = (print_date(oldest), print_date(now));
        let minutes = life.as_secs() / 60;
        return refuse(format!("Signature expired: {date} is now earlier than {oldest} ({now} - {minutes} min.)"));
    }
    if now.checked_add(skew).is_none_or(|newest| newest < signed) {
        let newest = print_date(now.checked_add(skew).unwrap_or(now));
        let (now, minutes) = (print_date(now), skew.as_secs() / 60);
        return refuse(format!(
            "Signature not yet current: {date} is still later than {newest} ({now} + {minutes} min.)"
        ));
    }
    Ok(())
}

fn parse_date(date: &str) -> Result<SystemTime, ApiError> {
    let parsed = DateTime::strptime(DATE, date).and_then(|at| at.to_zoned(TimeZone::UTC));
    parsed.map(SystemTime::from).map_err(|_| {
        let date = date.escape_debug();
        incomplete(format!("Date must be in ISO-8601 'basic format' YYYYMMDDTHHMMSSZ. Got '{date}'."))
    })
}

fn print_date(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| "an impossible time".to_owned(), |at| at.strftime(DATE).to_string())
}

/// Encodes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().map_or('0', char::from);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Decodes hexadecimal of either case.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(nibble(*high)? << 4 | nibble(*low)?) } else { None }).collect()
}
