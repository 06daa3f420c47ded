//! The tests in one program. `.ci/sanitize` runs it under AddressSanitizer, too: a read or write outside of memory ends it there.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod clips;
mod hostile;
