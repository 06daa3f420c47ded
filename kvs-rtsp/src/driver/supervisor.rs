//! Keeps a camera connected.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use retina::client::SessionGroup;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::queue::Queue;
use super::session::{Passed, Playing};
use super::stale::StaleSessions;
use crate::address::Address;
use crate::error::CameraError;
use crate::event::CameraEvent;
use crate::intake::Intake;
use crate::options::CameraOptions;
use crate::reconnect::Reconnect;
use crate::stats::CameraState;

/// The task of a camera.
pub(super) struct Supervisor {
    address: Address,
    options: CameraOptions,
    queue: Arc<Queue>,
    group: Arc<SessionGroup>,
    stale: StaleSessions,
    intake: Intake,
    reconnect: Reconnect,
    /// Whether the camera has accepted the credentials since they were last rejected.
    was_authorized: bool,
    /// Whether the last session gave frames.
    had_frames: bool,
}

/// How long the end of a session may take at the exit.
const TEARDOWN: Duration = Duration::from_secs(2);

impl Supervisor {
    pub(super) fn new(address: Address, options: CameraOptions, queue: Arc<Queue>) -> Self {
        let random = options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let (first, longest) = (options.retry_first, options.retry_longest);
        Self {
            intake: Intake::new(options.on_loss, options.clock, options.settle),
            reconnect: Reconnect::new(first, longest, options.unauthorized_wait, random),
            group: Arc::new(SessionGroup::default().named(address.to_string())),
            stale: StaleSessions::default(),
            address,
            options,
            queue,
            was_authorized: false,
            had_frames: false,
        }
    }

    /// Runs until it is stopped.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => {}
            () = self.keep_connected() => {}
        }
        self.intake.end_session();
        self.pass_on();
        // The session was dropped above, which begins its TEARDOWN.
        let _ = timeout(TEARDOWN, self.group.await_teardown()).await;
        self.queue.update_stats(|stats| stats.state = CameraState::Stopped);
        self.queue.close();
    }

    async fn keep_connected(&mut self) {
        loop {
            self.queue.update_stats(|stats| stats.state = CameraState::Connecting);
            let Err(error) = self.session().await;
            self.intake.end_session();
            self.pass_on();
            debug!(camera = %self.address, %error, "session ended");
            let wait = self.handle_failure(error);
            sleep(wait).await;
        }
    }

    /// One session, to its end.
    async fn session(&mut self) -> Result<std::convert::Infallible, CameraError> {
        self.had_frames = false;
        self.stale.wait(&self.group).await;
        let mut playing = Playing::start(&self.address, &self.options, &self.group).await?;
        self.was_authorized = true;
        self.intake.begin_session(playing.skipped());
        loop {
            let passed = playing.next(&mut self.intake, &self.options).await?;
            if passed == Passed::Frame {
                self.reconnect.handle_frame(Instant::now());
            }
            self.pass_on();
        }
    }

    /// Gives the caller what the intake has.
    fn pass_on(&mut self) {
        while let Some(event) = self.intake.poll_event() {
            match event {
                CameraEvent::Frame(_) => self.queue.update_stats(|stats| stats.last_frame = Some(SystemTime::now())),
                CameraEvent::Connected { .. } => {
                    self.had_frames = true;
                    self.queue.update_stats(|stats| {
                        stats.state = CameraState::Streaming;
                        stats.sessions += 1;
                    });
                }
                _ => {}
            }
            self.queue.push(event);
        }
        let clock = self.intake.clock_stats();
        self.queue.update_stats(|stats| stats.clock = clock);
    }

    /// Tells the failure and returns the wait before the next attempt.
    fn handle_failure(&mut self, error: CameraError) -> Duration {
        let is_rejected = matches!(error, CameraError::Unauthorized { .. });
        // Servers that let their nonce expire reject good credentials once.
        let is_unauthorized = is_rejected && !self.was_authorized;
        if is_rejected {
            self.was_authorized = false;
        }
        let retry_in = self.reconnect.handle_failure(is_unauthorized);
        let state = if is_unauthorized { CameraState::Unauthorized } else { CameraState::Waiting };
        self.queue.update_stats(|stats| {
            stats.state = state;
            stats.failures += 1;
        });
        self.queue.push(if is_unauthorized {
            CameraEvent::Unauthorized { error, retry_in }
        } else if self.had_frames {
            CameraEvent::CameraLost { error, retry_in }
        } else {
            CameraEvent::Retrying { error, retry_in, attempt: self.reconnect.failed() }
        });
        retry_in
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the camera was dropped.
    let _ = stop.wait_for(|is_stopped| *is_stopped).await;
}
