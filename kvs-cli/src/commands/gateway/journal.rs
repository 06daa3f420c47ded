//! The log of state changes: one line each on standard output, as text or as JSON.

use std::fmt::Display;
use std::time::SystemTime;

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::output::{print_json, print_line};
use crate::values::show_time;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Writes the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journal {
    format: LogFormat,
    is_quiet: bool,
}

impl Journal {
    pub(super) const fn new(format: LogFormat, is_quiet: bool) -> Self {
        Self { format, is_quiet }
    }

    /// Writes what has happened to the gateway.
    pub(super) fn gateway(self, event: &str, text: impl Display, fields: Value) {
        self.write(None, event, &text, fields);
    }

    /// Writes what has happened to a camera.
    pub(super) fn camera(self, name: &str, event: &str, text: impl Display, fields: Value) {
        self.write(Some(name), event, &text, fields);
    }

    fn write(self, camera: Option<&str>, event: &str, text: &dyn Display, fields: Value) {
        if self.is_quiet {
            return;
        }
        let now = show_time(SystemTime::now());
        match self.format {
            LogFormat::Text => print_line(format_args!("{now} {}: {text}", camera.unwrap_or("gateway"))),
            LogFormat::Json => {
                let mut object = Map::new();
                object.insert("event".to_owned(), event.into());
                object.insert("time".to_owned(), now.into());
                object.extend(camera.map(|camera| ("camera".to_owned(), camera.into())));
                object.insert("text".to_owned(), text.to_string().into());
                if let Value::Object(fields) = fields {
                    object.extend(fields);
                }
                print_json(Value::Object(object));
            }
        }
    }
}
