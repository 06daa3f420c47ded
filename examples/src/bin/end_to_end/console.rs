//! What a person sees while it runs: a line for each thing that happens, and a progress bar below them.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kvs_types::__internal::Printable;

/// Characters of the bar.
const WIDTH: usize = 40;
/// Returns to the start of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

/// The terminal. Without one there are lines and no bar.
#[derive(Debug)]
pub(crate) struct Console {
    has_bar: bool,
    /// Length of the recording in milliseconds.
    length: u64,
    /// Milliseconds of it that were sent.
    position: AtomicU64,
}

impl Console {
    /// A console with a bar for a recording of this length.
    pub(crate) fn new(length: Duration) -> Self {
        let length = crate::journal::millis(length).max(1);
        Self { has_bar: std::io::stderr().is_terminal(), length, position: AtomicU64::new(0) }
    }

    /// Prints one line about something that happened. Text from outside cannot control the terminal.
    pub(crate) fn say(&self, line: impl Display) {
        self.clear();
        println!("{}", Printable(line));
        self.draw();
    }

    /// Shows that the recording was sent up to here.
    pub(crate) fn sent(&self, position: Duration) {
        let position = crate::journal::millis(position);
        let before = self.position.fetch_max(position, Ordering::Relaxed);
        // A tenth of a second is as fine as the bar and its number are.
        if position / 100 > before / 100 {
            self.draw();
        }
    }

    /// Removes the bar.
    pub(crate) fn done(&self) {
        self.position.store(0, Ordering::Relaxed);
        self.clear();
    }

    fn clear(&self) {
        if self.has_bar {
            eprint!("{CLEAR}");
        }
    }

    fn draw(&self) {
        let position = self.position.load(Ordering::Relaxed).min(self.length);
        if !self.has_bar || position == 0 {
            return;
        }
        let part = position as f64 / self.length as f64;
        let filled = (part * WIDTH as f64) as usize;
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(WIDTH.saturating_sub(filled)));
        let line = format!("{CLEAR}[{bar}] {:>3.0}%  {:.1} s sent", part * 100.0, position as f64 / 1000.0);
        // A terminal that was closed is not an error of the journey.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
