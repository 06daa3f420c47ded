//! The log of state changes: one line each on standard output, as text or as JSON.
//!
//! A thread of its own writes it: a reader that does not read stops no camera. Lines that find no room are counted, and that is told
//! as soon as there is room.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

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
#[derive(Clone, Debug)]
pub(super) struct Journal {
    format: LogFormat,
    /// `None` if nobody wants a log.
    writer: Option<Arc<Writer>>,
}

/// The way to the thread that writes.
#[derive(Debug)]
struct Writer {
    entries: SyncSender<Entry>,
    /// Lines for which there was no room since the last one that was taken.
    left_out: AtomicU64,
}

/// What the thread does next.
#[derive(Debug)]
enum Entry {
    Line(Value),
    Text(String),
    /// Everything before is written.
    Flush(SyncSender<()>),
}

/// Most lines that wait for the reader of the log: 50 cameras tell some in an outage.
const LINES: usize = 1000;
/// How long the reader may take for the last lines.
const FLUSH: Duration = Duration::from_secs(2);
/// The wait for room at the end.
const FLUSH_PAUSE: Duration = Duration::from_millis(10);

impl Journal {
    pub(super) fn new(format: LogFormat, is_quiet: bool) -> std::io::Result<Self> {
        let writer = if is_quiet { None } else { Some(Arc::new(Writer::start(print)?)) };
        Ok(Self { format, writer })
    }

    /// Writes what has happened to the gateway.
    pub(super) fn gateway(&self, event: &str, text: impl Display, fields: Value) {
        self.write(None, event, &text, fields);
    }

    /// Writes what has happened to a camera.
    pub(super) fn camera(&self, name: &str, event: &str, text: impl Display, fields: Value) {
        self.write(Some(name), event, &text, fields);
    }

    /// Waits until everything is written, but not for a reader that does not read.
    pub(super) fn flush(&self) {
        let Some(writer) = &self.writer else { return };
        let (until, (done, written)) = (Instant::now() + FLUSH, sync_channel(1));
        let mut flush = Entry::Flush(done);
        while let Err(TrySendError::Full(again)) = writer.entries.try_send(flush) {
            if Instant::now() >= until {
                return;
            }
            flush = again;
            std::thread::sleep(FLUSH_PAUSE);
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }

    fn write(&self, camera: Option<&str>, event: &str, text: &dyn Display, fields: Value) {
        let Some(writer) = &self.writer else { return };
        let left_out = writer.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            let text = format!("{left_out} lines are left out here: the log was not read");
            writer.put(self.entry(None, "left_out", &text, json!({ "lines": left_out })), left_out);
        }
        writer.put(self.entry(camera, event, text, fields), 1);
    }

    fn entry(&self, camera: Option<&str>, event: &str, text: &dyn Display, fields: Value) -> Entry {
        let now = show_time(SystemTime::now());
        match self.format {
            LogFormat::Text => Entry::Text(format!("{now} {}: {text}", camera.unwrap_or("gateway"))),
            LogFormat::Json => {
                let mut object = Map::new();
                object.insert("event".to_owned(), event.into());
                object.insert("time".to_owned(), now.into());
                object.extend(camera.map(|camera| ("camera".to_owned(), camera.into())));
                object.insert("text".to_owned(), text.to_string().into());
                if let Value::Object(fields) = fields {
                    object.extend(fields);
                }
                Entry::Line(Value::Object(object))
            }
        }
    }
}

impl Writer {
    fn start(mut write: impl FnMut(Entry) + Send + 'static) -> std::io::Result<Self> {
        let (entries, written) = sync_channel(LINES);
        // It ends with the last sender.
        let run = move || written.into_iter().for_each(&mut write);
        std::thread::Builder::new().name("log".to_owned()).spawn(run)?;
        Ok(Self { entries, left_out: AtomicU64::new(0) })
    }

    /// Hands an entry over, or counts what it stands for.
    fn put(&self, entry: Entry, lines: u64) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.entries.try_send(entry) {
            self.left_out.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

fn print(entry: Entry) {
    match entry {
        Entry::Line(object) => print_json(object),
        Entry::Text(line) => print_line(line),
        Entry::Flush(done) => {
            let _ = done.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_does_not_read_stops_nobody_and_what_is_left_out_is_counted() {
        let (release, released) = sync_channel::<()>(0);
        let (seen, lines) = std::sync::mpsc::channel();
        let writer = Writer::start(move |entry| {
            // Until it is released, the first line is being written.
            let _ = released.recv();
            match entry {
                Entry::Text(line) => seen.send(line).unwrap(),
                entry => print(entry),
            }
        });
        let journal = Journal { format: LogFormat::Text, writer: Some(Arc::new(writer.unwrap())) };
        // One line may be with the thread already.
        for number in 0..LINES + 11 {
            journal.gateway("test", format!("line {number}"), Value::Null);
        }
        let left_out = journal.writer.as_ref().unwrap().left_out.load(Ordering::Relaxed);
        assert!((10..=11).contains(&left_out), "{left_out}");
        drop(release);
        for _ in left_out..LINES as u64 + 11 {
            lines.recv().unwrap();
        }
        journal.camera("door", "test", "after it", Value::Null);
        journal.flush();
        let told: Vec<String> = lines.try_iter().collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains(&format!("gateway: {left_out} lines are left out here")), "{told:?}");
        assert!(told[1].ends_with("door: after it"), "{told:?}");
    }
}
