//! Messages to systemd: ready, reloading, stopping, and that the process is alive. Nothing happens where `NOTIFY_SOCKET` is not set.

use std::time::Duration;

/// The service manager that has started this process, if one has.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServiceManager;

#[cfg(target_os = "linux")]
impl ServiceManager {
    /// The gateway takes frames; `status` is what `systemctl status` shows.
    pub(super) fn ready(self, status: &str) {
        self.tell(&[sd_notify::NotifyState::Ready, sd_notify::NotifyState::Status(status)]);
    }

    /// The configuration is read again.
    pub(super) fn reloading(self) {
        // Newer versions of systemd demand the time with it.
        match sd_notify::NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[sd_notify::NotifyState::Reloading, now]),
            Err(_) => self.tell(&[sd_notify::NotifyState::Reloading]),
        }
    }

    /// What is buffered is sent, then the process ends.
    pub(super) fn stopping(self) {
        self.tell(&[sd_notify::NotifyState::Stopping]);
    }

    /// The process is alive.
    pub(super) fn alive(self) {
        self.tell(&[sd_notify::NotifyState::Watchdog]);
    }

    /// How often [`alive`](Self::alive) has to be called: twice in the time after which the process counts as dead.
    pub(super) fn interval(self) -> Option<Duration> {
        let whole = sd_notify::watchdog_enabled()?;
        Some((whole / 2).max(Duration::from_millis(1)))
    }

    fn tell(self, states: &[sd_notify::NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(states) {
            tracing::debug!(%error, "the service manager cannot be told");
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl ServiceManager {
    pub(super) fn ready(self, _status: &str) {}

    pub(super) fn reloading(self) {}

    pub(super) fn stopping(self) {}

    pub(super) fn alive(self) {}

    pub(super) fn interval(self) -> Option<Duration> {
        None
    }
}
