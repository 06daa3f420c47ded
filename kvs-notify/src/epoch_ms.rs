//! Times in keys and metadata: milliseconds since 1970 in decimal digits.

use std::time::SystemTime;

use kvs_types::__internal::{epoch_millis_checked, from_epoch_millis_checked};

/// Returns the time without its fraction of a millisecond, as it reads back after it was written.
pub(crate) fn floor(at: SystemTime) -> Option<SystemTime> {
    from_epoch_millis_checked(epoch_millis_checked(at)?)
}

/// Parses decimal digits without sign, space and leading zero, so that each number has one spelling.
pub(crate) fn parse(digits: &str) -> Option<SystemTime> {
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if !canonical {
        return None;
    }
    from_epoch_millis_checked(digits.parse().ok()?)
}
