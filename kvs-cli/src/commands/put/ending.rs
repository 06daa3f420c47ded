//! How a run ends: a file is not given up.
//!
//! ```text
//! Playing --all frames put--> Waiting ----all persisted-------------------> done
//!    |                          |
//!    +--Ctrl-C------------------+--> Draining (30 s) --all persisted, time--> done
//!    |                          |        `--Ctrl-C------------------------> done
//!    `--nothing persisted for --give-up-after, sending halted-------------> done
//! ```

use std::fmt;
use std::time::Duration;

use kvs_producer::{Producer, StopReport};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::failure::Failure;

/// How long buffered media may take to be persisted after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Why a run ended before everything was persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Ctrl-C.
    Interrupted,
    /// Nothing was persisted for this long.
    GivenUp(Duration),
    /// The service refuses for good.
    Halted,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("interrupted"),
            Self::GivenUp(after) => {
                write!(f, "given up, because nothing was persisted for {} s (--give-up-after)", after.as_secs_f64())
            }
            Self::Halted => f.write_str("the service refuses the media; retrying would not help"),
        }
    }
}

/// How a run ended.
pub(super) struct Ending {
    pub(super) played: Result<(), Failure>,
    pub(super) report: StopReport,
    pub(super) cut: Option<Cut>,
}

/// Plays the source and waits until everything is persisted, unless the user or the service ends it.
pub(super) async fn run(
    play: impl Future<Output = Result<(), Failure>>,
    stream: &Producer,
    halted: &Notify,
    give_up_after: Option<Duration>,
) -> Ending {
    let mut cut = None;
    let mut played = Ok(());
    let report = {
        let whole = async {
            played = play.await;
            stream.stop(Duration::MAX).await
        };
        tokio::select! {
            report = whole => Some(report),
            reason = interruption(stream, halted, give_up_after) => {
                cut = Some(reason);
                None
            }
        }
    };
    let report = match (report, cut) {
        (Some(report), _) => report,
        (None, Some(Cut::Interrupted)) => tokio::select! {
            report = stream.stop(DRAIN) => report,
            _ = tokio::signal::ctrl_c() => stream.stop(Duration::ZERO).await,
        },
        (None, _) => stream.stop(Duration::ZERO).await,
    };
    Ending { played, report, cut }
}

/// Waits for what ends a run early.
async fn interruption(stream: &Producer, halted: &Notify, give_up_after: Option<Duration>) -> Cut {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Cut::Interrupted,
        () = halted.notified() => Cut::Halted,
        after = without_progress(stream, give_up_after) => Cut::GivenUp(after),
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
