//! How a run ends: a file is not given up.
//!
//! ```text
//! Starting --signal--> nothing was sent
//!    |
//! Playing --all frames put--> Waiting ----all persisted--------------------------------> done
//!    |   `--other tracks-----> Waiting (10 s) ------------------------------------------> Playing, with another producer
//!    |                          |
//!    +--signal------------------+--> Draining (30 s; 5 s with a spool) --persisted, time--> done
//!    |                          |        `--second signal-------------------------------> done
//!    `--nothing persisted for --give-up-after, sending halted---------------------------> done
//! ```
//!
//! With a spool, done means that what was not persisted is on disk.

use std::fmt;
use std::time::Duration;

use kvs_producer::{Producer, StopReport};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::player::Played;
use super::signals::{Signal, Signals};
use crate::failure::Failure;

/// How long buffered media may take to be persisted after a signal.
const DRAIN: Duration = Duration::from_secs(30);
/// The same with a spool, which keeps the rest: `docker stop` kills after 10 s.
const DRAIN_WITH_SPOOL: Duration = Duration::from_secs(5);
/// How long buffered media may take to be persisted before a producer for other tracks takes over.
const REPLACE: Duration = Duration::from_secs(10);
/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Why a run ended before everything was persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Interrupted(Signal),
    /// Nothing was persisted for this long.
    GivenUp(Duration),
    /// The service refuses for good.
    Halted,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted(signal) => write!(f, "interrupted by {signal}"),
            Self::GivenUp(after) => {
                write!(f, "given up, because nothing was persisted for {} s (--give-up-after)", after.as_secs_f64())
            }
            Self::Halted => f.write_str("the service refuses the media; retrying would not help"),
        }
    }
}

/// How a run ended.
pub(super) struct Ending {
    /// `None` if the source was not read to its end.
    pub(super) played: Option<Result<Played, Failure>>,
    pub(super) report: StopReport,
    pub(super) cut: Option<Cut>,
}

impl Ending {
    /// Whether the source goes on, with other tracks.
    pub(super) fn is_change(&self) -> bool {
        self.cut.is_none() && matches!(self.played, Some(Ok(Played::OtherTracks)))
    }
}

/// What may end a run early.
pub(super) struct Limits<'a> {
    pub(super) signals: &'a mut Signals,
    pub(super) halted: &'a Notify,
    pub(super) give_up_after: Option<Duration>,
    pub(super) has_spool: bool,
}

/// Plays the source and waits until everything is persisted, unless the user or the service ends it.
pub(super) async fn run(
    play: impl Future<Output = Result<Played, Failure>>,
    stream: &Producer,
    mut limits: Limits<'_>,
) -> Ending {
    let mut played = None;
    let cut = {
        let whole = async {
            let end = played.insert(play.await);
            // The camera goes on meanwhile.
            let is_change = matches!(end, Ok(Played::OtherTracks));
            stream.stop(if is_change { REPLACE } else { Duration::MAX }).await
        };
        tokio::select! {
            report = whole => return Ending { played, report, cut: None },
            cut = interruption(stream, &mut limits) => cut,
        }
    };
    let report = match cut {
        Cut::Interrupted(_) => {
            let drain = if limits.has_spool { DRAIN_WITH_SPOOL } else { DRAIN };
            tokio::select! {
                report = stream.stop(drain) => report,
                _ = limits.signals.next() => stream.stop(Duration::ZERO).await,
            }
        }
        Cut::GivenUp(_) | Cut::Halted => stream.stop(Duration::ZERO).await,
    };
    Ending { played, report, cut: Some(cut) }
}

/// Waits for what ends a run early.
async fn interruption(stream: &Producer, limits: &mut Limits<'_>) -> Cut {
    tokio::select! {
        signal = limits.signals.next() => Cut::Interrupted(signal),
        () = limits.halted.notified() => Cut::Halted,
        after = without_progress(stream, limits.give_up_after) => Cut::GivenUp(after),
    }
}

/// Waits until nothing was persisted for this long; forever without a limit.
async fn without_progress(stream: &Producer, limit: Option<Duration>) -> Duration {
    let Some(limit) = limit else { return std::future::pending().await };
    let (mut persisted, mut since) = (0, Instant::now());
    loop {
        sleep(LOOK.min(limit)).await;
        let now = stream.stats().totals.persisted.frames;
        if now > persisted {
            (persisted, since) = (now, Instant::now());
        } else if since.elapsed() >= limit {
            return limit;
        }
    }
}
