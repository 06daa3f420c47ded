//! What a person sees while it runs: a progress bar, and a line for each thing that happens.

use std::fmt::Display;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The terminal. Without one there is no bar, and the lines come all the same.
#[derive(Debug)]
pub(crate) struct Console {
    bar: ProgressBar,
}

impl Console {
    /// With a bar as long as the recording.
    pub(crate) fn new(duration: Duration) -> Self {
        let bar = ProgressBar::new(crate::journal::millis(duration));
        let style = ProgressStyle::with_template("{bar:40} {percent:>3}%  {msg}").expect("the template is well formed");
        bar.set_style(style);
        Self { bar }
    }

    /// One line about something that happened.
    pub(crate) fn say(&self, line: impl Display) {
        if self.bar.is_hidden() {
            println!("{line}");
        } else {
            self.bar.println(line.to_string());
        }
    }

    /// The recording was sent up to here.
    pub(crate) fn sent(&self, position: Duration) {
        let ms = crate::journal::millis(position);
        if ms > self.bar.position() {
            self.bar.set_position(ms);
            self.bar.set_message(format!("{:.1} s sent", position.as_secs_f64()));
        }
    }

    /// The bar has done its work.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
