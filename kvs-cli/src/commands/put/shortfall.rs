//! What a run did not persist, and where it is.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::ending::{Cut, Ending};
use super::options::Options;
use super::signals::Signal;
use super::source::is_pipe;
use crate::failure::Failure;
use crate::values::show_time;

/// Where the media came from.
#[derive(Clone, Copy)]
enum Origin<'a> {
    Program(&'a str),
    /// Its URL may have a password.
    Camera,
    StandardInput,
    Pipe(&'a str),
    File(&'a str),
}

impl<'a> Origin<'a> {
    fn of(options: &'a Options) -> Self {
        match (&options.exec, options.input.as_deref()) {
            (Some(command), _) => Self::Program(command),
            _ if options.camera().is_some() => Self::Camera,
            (None, None | Some("-")) => Self::StandardInput,
            (None, Some(pipe)) if is_pipe(Path::new(pipe)) => Self::Pipe(pipe),
            (None, Some(file)) => Self::File(file),
        }
    }

    /// Whether a signal is how it ends.
    const fn is_endless(self, options: &Options) -> bool {
        !matches!(self, Self::File(_)) && !options.offline
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(name) | Self::Pipe(name) | Self::File(name) => f.write_str(name),
            Self::Camera => f.write_str("the camera"),
            Self::StandardInput => f.write_str("standard input"),
        }
    }
}

/// What the reporter knows of the media.
pub(super) struct Known {
    /// The time of the first frame that was lost.
    pub(super) first_lost: Option<SystemTime>,
    /// How much of the source was put.
    pub(super) put: Duration,
}

/// Whether all media of the source is persisted.
pub(super) fn is_complete(options: &Options, ending: &Ending, late: u64) -> bool {
    let is_whole = match ending.cut {
        None => true,
        Some(Cut::Interrupted(_)) => ending.played.is_some() || Origin::of(options).is_endless(options),
        Some(Cut::GivenUp(_) | Cut::Halted) => false,
    };
    is_whole && late == 0 && ending.report.is_complete()
}

/// Says what was persisted, what was not, and where the rest is.
pub(super) fn describe(options: &Options, ending: &Ending, late: u64, known: &Known) -> Failure {
    let (totals, origin) = (&ending.report.totals, Origin::of(options));
    let all = totals.submitted.frames + totals.recovered.frames;
    let mut line = format!("{} of {all} frames were persisted", totals.persisted.frames);
    if totals.lost.frames > 0 {
        let from = known.first_lost.map_or_else(String::new, |first| format!(", from {} on", show_time(first)));
        let rest = match origin {
            Origin::File(file) => format!("{file} still has them"),
            _ => format!("they came from {origin} and are lost"),
        };
        line += &format!(", {} were not{from}: {rest}", totals.lost.frames);
    }
    if late > 0 {
        line += &format!(
            ", {late} came too long after later frames of other tracks and were not sent: ffmpeg -i IN -c copy OUT.mkv puts a recording \
             in order"
        );
    }
    if let Some(dir) = options.spool.as_ref().filter(|_| totals.spooled.frames > 0) {
        line += &format!(", {} are in the spool {}: the next run sends them", totals.spooled.frames, dir.display());
    }
    if ending.played.is_none() {
        line += &match origin {
            Origin::File(file) => format!(
                ", what follows {:.1} s from its beginning was not sent: {file} still has it",
                known.put.as_secs_f64()
            ),
            _ => format!(", what followed from {origin} was not read"),
        };
    }
    match (&ending.report.halted, ending.cut) {
        (Some(halted), _) => line += &format!("; sending stopped: {halted}"),
        (None, Some(cut)) => line += &format!("; {cut}"),
        (None, None) => {}
    }
    Failure::run(line)
}

/// A signal came before the stream was opened.
pub(super) fn before_the_start(options: &Options, signal: Signal) -> Failure {
    let origin = Origin::of(options);
    let rest = if matches!(origin, Origin::File(_)) { format!(": {origin} still has all") } else { String::new() };
    Failure::run(format!("{}; nothing was sent{rest}", Cut::Interrupted(signal)))
}
