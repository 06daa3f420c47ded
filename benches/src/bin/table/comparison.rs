//! Works that are measured in turn, and the rows that compare them.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

/// Works on the same frames, measured in turn: the speed of a shared machine varies from second to second. Of each, the
/// shortest pass counts.
pub(crate) struct Comparison {
    /// Frames of one pass.
    frames: usize,
    works: Vec<Work>,
    rows: Vec<Row>,
}

struct Work {
    name: &'static str,
    pass: Box<dyn FnMut() -> Duration>,
}

struct Row {
    text: &'static str,
    ours: &'static str,
    beside: &'static str,
    aim: Aim,
}

/// What the ratio of a row has to be.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// Our time is at most this many times that of the peer.
    AtMost(f64),
    /// Our time is below that of the peer.
    Below,
    /// Our rate is at least this part of that of the peer.
    Rate(f64),
    /// None: the row shows a limit.
    Unset,
}

impl Comparison {
    pub(crate) const fn new(frames: usize) -> Self {
        Self { frames, works: Vec::new(), rows: Vec::new() }
    }

    /// Adds work. A pass prepares, and returns the [`timed`] part.
    pub(crate) fn work(mut self, name: &'static str, pass: impl FnMut() -> Duration + 'static) -> Self {
        self.works.push(Work { name, pass: Box::new(pass) });
        self
    }

    /// Adds a row that compares two works by their names.
    pub(crate) fn row(mut self, text: &'static str, ours: &'static str, beside: &'static str, aim: Aim) -> Self {
        self.rows.push(Row { text, ours, beside, aim });
        self
    }

    /// Runs all works in turn for this long, three times at least, and returns the rows of the table.
    pub(crate) fn run(mut self, time: Duration) -> Vec<Line> {
        let mut shortest = vec![Duration::MAX; self.works.len()];
        let begun = Instant::now();
        let mut rounds = 0;
        while rounds < 3 || begun.elapsed() < time {
            for (work, shortest) in self.works.iter_mut().zip(&mut shortest) {
                *shortest = (work.pass)().min(*shortest);
            }
            rounds += 1;
        }
        let nanos = |name: &str| {
            let nth = self.works.iter().position(|work| work.name == name).expect("a row names works");
            shortest[nth].as_nanos() as f64 / self.frames as f64
        };
        let line = |row: &Row| Line {
            text: row.text,
            ours: nanos(row.ours),
            beside: row.beside,
            theirs: nanos(row.beside),
            aim: row.aim,
        };
        self.rows.iter().map(line).collect()
    }
}

/// Returns the processor time of this thread that the work takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = ThreadTime::now();
    black_box(work());
    begun.elapsed()
}

/// A row of the table with its figures, in nanoseconds per frame.
pub(crate) struct Line {
    text: &'static str,
    ours: f64,
    beside: &'static str,
    theirs: f64,
    aim: Aim,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, ours, beside, theirs, aim } = self;
        let ratio = ours / theirs;
        write!(f, "| {text} | {ours:.1} | {beside} | {theirs:.1} | ")?;
        let met = match *aim {
            Aim::AtMost(most) => {
                write!(f, "{ratio:.*} | ≤ {most}", if ratio < 0.1 { 3 } else { 2 })?;
                ratio <= most
            }
            Aim::Below => {
                write!(f, "{ratio:.2} | < 1")?;
                ratio < 1.0
            }
            Aim::Rate(least) => {
                write!(f, "{:.0} % of its rate | ≥ {:.0} %", 100.0 / ratio, 100.0 * least)?;
                1.0 / ratio >= least
            }
            Aim::Unset => return write!(f, "{ratio:.2} | | |"),
        };
        write!(f, " | {} |", if met { "yes" } else { "no" })
    }
}
