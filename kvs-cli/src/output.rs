//! What a command prints: results on stdout as text or JSON, notes on stderr.

use std::fmt::Display;
use std::io::Write;

use kvs_types::__internal::{Printable, PrintableJson};

/// How a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether results are JSON objects.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Whether only results and errors are wanted.
    pub(crate) const fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Prints one result on stdout: a line of text, or the object with `--json`.
    #[cfg(any(feature = "doctor", feature = "files", feature = "manage", feature = "read", feature = "timelapse"))]
    pub(crate) fn result(self, text: impl Display, object: &serde_json::Value) {
        if self.json { print_json(object) } else { print_line(text) }
    }

    /// Prints one result on stdout: lines of text, or the object with `--json`.
    #[cfg(any(feature = "doctor", feature = "gateway", feature = "manage", feature = "read"))]
    pub(crate) fn result_lines(self, lines: &[String], object: &serde_json::Value) {
        if self.json { print_json(object) } else { lines.iter().for_each(print_line) }
    }

    /// Prints a line about progress on stderr, unless it is not wanted.
    pub(crate) fn note(self, text: impl Display) {
        if !self.quiet && !self.json {
            complain(text);
        }
    }
}

/// Prints a line on stdout at once, also into a pipe. A reader that has closed the pipe (`| head`) is not an error.
///
/// Names, tags and messages of the service come from outside: what would control the terminal or begin another line is escaped
/// here, and in [`print_json`] and [`complain`].
pub(crate) fn print_line(line: impl Display) {
    print(format_args!("{}", Printable(line)));
}

/// Prints JSON on stdout at once.
pub(crate) fn print_json(value: impl Display) {
    print(format_args!("{}", PrintableJson(value)));
}

/// Prints a line on stderr. Nobody reads a closed one.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", Printable(line));
}

fn print(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints a whole document on stdout.
#[cfg(feature = "shell")]
pub(crate) fn print_bytes(document: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(document).and_then(|()| out.flush());
}
