//! A progress bar on stderr. A program that was built without the feature `terminal` has none.

use std::fmt::Display;
use std::time::Duration;

#[cfg(feature = "terminal")]
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

/// A progress bar; hidden when stderr is not a terminal.
pub(crate) struct Bar {
    #[cfg(feature = "terminal")]
    bar: ProgressBar,
}

#[cfg(feature = "terminal")]
impl Bar {
    fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    /// A bar for a known number of steps.
    #[cfg(any(feature = "read", feature = "timelapse"))]
    pub(crate) fn of_steps(output: Output, steps: u64) -> Self {
        use std::io::IsTerminal;

        if output.is_quiet() || output.is_json() || !std::io::stderr().is_terminal() {
            return Self::hidden();
        }
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} eta {eta}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: ProgressBar::new(steps).with_style(style) }
    }

    /// A bar of the length of media, or a spinner for a live stream.
    pub(crate) fn of_media(output: Output, length: Option<Duration>) -> Self {
        if output.is_quiet() {
            return Self::hidden();
        }
        let bar = length.map_or_else(ProgressBar::new_spinner, |length| ProgressBar::new(millis(length)));
        let template = if length.is_some() { "{bar:30} {percent:>3}%  {msg}" } else { "{spinner} {msg}" };
        Self { bar: bar.with_style(ProgressStyle::with_template(template).expect("the template is well formed")) }
    }

    pub(crate) fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// Makes one step.
    #[cfg(any(feature = "read", feature = "timelapse"))]
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// Moves the end of the bar, and writes a message behind it.
    pub(crate) fn set(&self, position: Duration, message: String) {
        self.bar.set_position(millis(position));
        self.bar.set_message(message);
    }

    /// Prints a line above the bar.
    pub(crate) fn println(&self, line: impl Display) {
        self.bar.println(line.to_string());
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(feature = "terminal")]
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(not(feature = "terminal"))]
#[expect(clippy::unused_self, reason = "the other build has a bar")]
impl Bar {
    #[cfg(any(feature = "read", feature = "timelapse"))]
    pub(crate) const fn of_steps(_: Output, _: u64) -> Self {
        Self {}
    }

    pub(crate) const fn of_media(_: Output, _: Option<Duration>) -> Self {
        Self {}
    }

    pub(crate) const fn is_hidden(&self) -> bool {
        true
    }

    #[cfg(any(feature = "read", feature = "timelapse"))]
    pub(crate) const fn step(&self) {}

    pub(crate) fn set(&self, _: Duration, _: String) {}

    pub(crate) fn println(&self, _: impl Display) {}

    pub(crate) const fn clear(&self) {}
}
