//! One camera: a task that takes frames from its source and gives them to its producer. What fails in it stays in it.

mod board;
mod counters;
mod rate;
mod run;
mod state;
#[cfg(test)]
mod tests;
mod uplink;

use std::sync::Arc;
use std::time::Duration;

use kvs_producer::{Client, SharedBudget};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

pub(super) use board::{Board, Snapshot};
pub(super) use counters::{Counters, REASONS};
pub(super) use state::{CameraState, UploadState};

use super::config::CameraConfig;
use super::journal::Journal;
use run::Run;

/// What a camera's task works with.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) config: Arc<CameraConfig>,
    pub(super) board: Arc<Board>,
    pub(super) client: Client,
    pub(super) budget: SharedBudget,
    pub(super) journal: Journal,
}

/// When a camera has to be stopped; `None` until it should stop.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// A running camera.
pub(super) struct Camera {
    pub(super) config: Arc<CameraConfig>,
    pub(super) board: Arc<Board>,
    stop: watch::Sender<Option<Instant>>,
    ended: watch::Receiver<Option<Ending>>,
}

/// What was not persisted when a camera was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) lost_frames: u64,
    pub(super) spooled_frames: u64,
}

impl Ending {
    pub(super) const fn add(&mut self, other: Self) {
        self.lost_frames += other.lost_frames;
        self.spooled_frames += other.spooled_frames;
    }
}

/// Tells when a camera has ended.
pub(super) type Ended = watch::Receiver<Option<Ending>>;

impl Camera {
    /// Starts a camera as soon as these others have ended, which may have its stream or its folder.
    pub(super) fn start(context: Context, before: Vec<Ended>) -> Self {
        let (stop, stopping) = watch::channel(None);
        let (ending, ended) = watch::channel(None);
        let (config, board) = (Arc::clone(&context.config), Arc::clone(&context.board));
        board.configured(&config.stream, config.buffer);
        tokio::spawn(async move {
            for mut before in before {
                // An error is a task that was dropped: it has ended too.
                let _ = before.wait_for(Option::is_some).await;
            }
            let run = |context, stop| Run::new(context).until_stopped(stop);
            let last = supervise(context, stopping, run).await;
            ending.send_replace(Some(last));
        });
        Self { config, board, stop, ended }
    }

    /// Asks it to stop until then. A second call can only shorten the time.
    pub(super) fn stop(&self, deadline: Instant) {
        self.stop.send_modify(|stop| *stop = Some(stop.map_or(deadline, |earlier| earlier.min(deadline))));
    }

    pub(super) fn ended(&self) -> Ended {
        self.ended.clone()
    }
}

/// Runs a camera until it is stopped, and again if its task panics.
async fn supervise<R>(context: Context, mut stop: Stop, run: impl Fn(Context, Stop) -> R) -> Ending
where
    R: Future<Output = Ending> + Send + 'static,
{
    let mut wait = PANIC_WAITS.0;
    loop {
        let begun = Instant::now();
        let task = tokio::spawn(run(context.clone(), stop.clone()));
        match task.await {
            Ok(ending) => return ending,
            Err(ended) if !ended.is_panic() => return Ending::default(),
            Err(_) => {}
        }
        let board = &context.board;
        let frames = board.panicked();
        if begun.elapsed() >= PANIC_WAITS.1 {
            wait = PANIC_WAITS.0;
        }
        board.camera_is(CameraState::Failed, "its task panicked");
        let text = format!(
            "its task panicked, which is a fault of this program; {frames} frames in memory are lost; it is started again in {} s",
            wait.as_secs()
        );
        context.journal.camera(board.name(), "panic", text, json!({ "lost_frames": frames }));
        if is_stopped_within(&mut stop, wait).await {
            return Ending { lost_frames: frames, ..Ending::default() };
        }
        wait = (wait * 2).min(PANIC_WAITS.1);
    }
}

/// The wait before a camera whose task has panicked is started again grows from the first to the second.
const PANIC_WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

async fn is_stopped_within(stop: &mut Stop, wait: Duration) -> bool {
    tokio::select! {
        () = sleep(wait) => false,
        _ = stop.wait_for(Option::is_some) => true,
    }
}

/// Waits until all have ended, but not beyond the deadline; returns what was not persisted and how many have not ended.
pub(super) async fn all_ended(cameras: Vec<Ended>, deadline: Instant) -> (Ending, usize) {
    let (mut sum, mut missing) = (Ending::default(), 0);
    for mut ended in cameras {
        match timeout_at(deadline, ended.wait_for(Option::is_some)).await {
            Ok(Ok(ending)) => sum.add(ending.unwrap_or_default()),
            Ok(Err(_)) => {}
            Err(_) => missing += 1,
        }
    }
    (sum, missing)
}
