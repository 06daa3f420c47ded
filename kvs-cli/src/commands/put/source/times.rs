//! When the pictures of a stream without times are shown.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use kvs_mkv::codec::h264::FrameRate;

use crate::failure::Failure;

/// Where the times of a stream without times come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// Each frame has the time when its first byte arrived.
    Arrival,
    /// Frames per second.
    Rate(FrameRate),
    /// The frame rate that the stream states.
    Vui,
    /// A file with a time in milliseconds per line ("timecode format v2").
    PtsFile(PathBuf),
}

impl Times {
    /// Reads `arrival`, `vui`, `fps=N`, `fps=N/D` or `pts-file=F`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "arrival" => Ok(Self::Arrival),
            None if text == "vui" => Ok(Self::Vui),
            Some(("fps", rate)) => parse_rate(rate).map(Self::Rate),
            Some(("pts-file", path)) if !path.is_empty() => Ok(Self::PtsFile(PathBuf::from(path))),
            _ => Err(format!("{text:?} is not one of arrival, fps=N, vui, pts-file=FILE")),
        }
    }
}

/// Reads `30`, `29.97` or `30000/1001`.
fn parse_rate(text: &str) -> Result<FrameRate, String> {
    let wrong = || format!("{text:?} is not a number of frames per second from 0.01 to 1000, such as 30 or 30000/1001");
    let rate = match text.split_once('/') {
        Some((frames, seconds)) => {
            FrameRate { frames: frames.parse().map_err(|_| wrong())?, seconds: seconds.parse().map_err(|_| wrong())? }
        }
        None => {
            let rate: f64 = text.parse().map_err(|_| wrong())?;
            // Three decimals are kept: 29.97 becomes 29970 frames in 1000 s.
            let frames = (rate * 1000.0).round();
            if !(1.0..=1e6).contains(&frames) {
                return Err(wrong());
            }
            FrameRate { frames: frames as u64, seconds: 1000 }
        }
    };
    let possible = rate.frames > 0
        && rate.seconds > 0
        && rate.frames <= rate.seconds.saturating_mul(1000)
        && rate.seconds <= rate.frames.saturating_mul(100);
    if possible { Ok(rate) } else { Err(wrong()) }
}

/// Gives pictures their times, by their number in output order.
#[derive(Debug)]
pub(super) enum Clock {
    /// Arrival times of the pictures from number `first` on, each later than the one before.
    Arrival {
        first: u64,
        times: VecDeque<Duration>,
        last: Option<Duration>,
    },
    Rate {
        rate: Option<FrameRate>,
        stated: bool,
    },
    Lines {
        lines: Receiver<Result<Duration, String>>,
        path: PathBuf,
        first: u64,
        times: VecDeque<Duration>,
    },
}

/// Between two pictures that arrive together: a timecode has milliseconds.
const STEP: Duration = Duration::from_millis(1);
/// Most times that are kept for pictures that are shown later.
const MOST_TIMES: usize = 64;

impl Clock {
    pub(super) fn new(times: &Times) -> Self {
        match times {
            Times::Arrival => Self::Arrival { first: 0, times: VecDeque::new(), last: None },
            Times::Rate(rate) => Self::Rate { rate: Some(*rate), stated: false },
            Times::Vui => Self::Rate { rate: None, stated: true },
            Times::PtsFile(path) => {
                Self::Lines { lines: read_lines(path.clone()), path: path.clone(), first: 0, times: VecDeque::new() }
            }
        }
    }

    /// Takes the frame rate of new parameter sets.
    pub(super) fn set_rate(&mut self, found: Option<FrameRate>) -> Result<(), Failure> {
        if let Self::Rate { rate, stated: true } = self {
            *rate = Some(found.ok_or_else(|| {
                Failure::input("the stream states no frame rate; give it with --times fps=N, or use --times arrival")
            })?);
        }
        Ok(())
    }

    /// Notes the arrival of the next picture in decoding order.
    pub(super) fn arrived(&mut self, at: Duration) {
        if let Self::Arrival { times, last, .. } = self {
            let at = last.map_or(at, |last| at.max(last.saturating_add(STEP)));
            *last = Some(at);
            times.push_back(at);
        }
    }

    /// Whether pictures that are missing have a time: a line of the file, or their part of the frame rate.
    pub(super) const fn counts_missing(&self) -> bool {
        !matches!(self, Self::Arrival { .. })
    }

    /// Returns the time of the picture with this number.
    pub(super) fn time(&mut self, number: u64) -> Result<Duration, Failure> {
        match self {
            Self::Arrival { first, times, .. } => {
                forget(first, times, number);
                let at = usize::try_from(number.saturating_sub(*first)).unwrap_or(usize::MAX);
                Ok(times.get(at).or(times.back()).copied().unwrap_or_default())
            }
            Self::Rate { rate, .. } => {
                let rate = rate.unwrap_or(FrameRate { frames: 25, seconds: 1 });
                let nanos = u128::from(number).saturating_mul(rate.seconds.into()).saturating_mul(1_000_000_000);
                Ok(Duration::from_nanos(u64::try_from(nanos / u128::from(rate.frames.max(1))).unwrap_or(u64::MAX)))
            }
            Self::Lines { lines, path, first, times } => {
                forget(first, times, number);
                let at = usize::try_from(number.saturating_sub(*first)).unwrap_or(usize::MAX);
                while times.len() <= at {
                    let next = lines.recv().unwrap_or_else(|_| Err("it has no time".to_owned()));
                    let wrong = |what| Failure::input(format!("{}: {what} for picture {}", path.display(), number + 1));
                    times.push_back(next.map_err(wrong)?);
                }
                Ok(times.get(at).copied().unwrap_or_default())
            }
        }
    }
}

/// Drops times of pictures that are long shown.
fn forget(first: &mut u64, times: &mut VecDeque<Duration>, number: u64) {
    while times.len() > MOST_TIMES && *first + (MOST_TIMES as u64) < number {
        times.pop_front();
        *first += 1;
    }
}

/// Lines that are read ahead.
const AHEAD: usize = 256;

/// Reads times on a thread of its own: opening a FIFO waits for the capture program, which waits for its reader in turn.
fn read_lines(path: PathBuf) -> Receiver<Result<Duration, String>> {
    let (sender, lines) = sync_channel(AHEAD);
    std::thread::spawn(move || {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) => {
                let _ = sender.send(Err(error.to_string()));
                return;
            }
        };
        let mut file = BufReader::new(file);
        loop {
            let next = next_line(&mut file);
            let is_last = next.is_err();
            if sender.send(next).is_err() || is_last {
                return;
            }
        }
    });
    lines
}

fn next_line(lines: &mut BufReader<File>) -> Result<Duration, String> {
    let mut line = String::new();
    loop {
        line.clear();
        match lines.read_line(&mut line) {
            Ok(0) => return Err("it has no time".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let millis: f64 = text.parse().map_err(|_| format!("{text:?} is not a time in milliseconds"))?;
        return Duration::try_from_secs_f64(millis / 1000.0)
            .map_err(|_| format!("{text:?} is not a time in milliseconds"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed_and_wrong_ones_name_what_is_accepted() {
        assert_eq!(Times::parse("arrival"), Ok(Times::Arrival));
        assert_eq!(Times::parse("fps=30000/1001"), Ok(Times::Rate(FrameRate { frames: 30_000, seconds: 1001 })));
        assert_eq!(Times::parse("fps=29.97"), Ok(Times::Rate(FrameRate { frames: 29_970, seconds: 1000 })));
        assert_eq!(Times::parse("pts-file=a=b"), Ok(Times::PtsFile(PathBuf::from("a=b"))));
        for wrong in ["", "fps", "fps=0", "fps=1/0", "fps=-3", "fps=nan", "fps=1e9", "pts-file=", "clock"] {
            assert!(Times::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pictures_that_arrive_together_have_different_times() {
        let mut clock = Clock::new(&Times::Arrival);
        for millis in [0, 40, 40, 40, 200] {
            clock.arrived(Duration::from_millis(millis));
        }
        let times = [0, 1, 2, 3, 4].map(|number| clock.time(number).unwrap().as_millis());
        assert_eq!(times, [0, 40, 41, 42, 200]);
    }
}
