//! Lines on stdout and a progress bar on stderr.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// Prints a line on stdout. A reader that has closed the pipe (`| head`) is not an error.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A bar for a known number of steps, on stderr, and only if somebody looks at it.
#[must_use]
pub(crate) fn progress(steps: u64) -> indicatif::ProgressBar {
    if !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} eta {eta}");
    let bar = indicatif::ProgressBar::new(steps);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
