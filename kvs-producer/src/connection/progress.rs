//! Whether sessions bring progress, and what follows the reset of one.

use std::time::Duration;

use super::session::Session;
use crate::limits::{RECONNECT_AT_ONCE, RECONNECT_FIRST, RECONNECT_LATEST, SESSIONS_WITHOUT_PROGRESS};

/// Counts the sessions in a row that were reset before one of their fragments was persisted.
///
/// Refusals and failed openings say that the service or the network is not there; waiting longer each time is right
/// ([`Backoff`](super::backoff::Backoff)). A reset of an established session says that the link breaks, and a longer wait
/// only lets the backlog grow: the next session is opened at once if this one persisted something, and after at most
/// [`RECONNECT_LATEST`] if not.
#[derive(Debug, Default)]
pub(super) struct Progress {
    barren: u32,
    /// The most body bytes that the transport took in one of these sessions.
    accepted: u64,
    /// How many of them are reported next.
    report_at: u32,
    /// How many of them ended because nothing was received for too long.
    silent: u32,
}

/// Sessions in a row that persisted nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Barren {
    pub(super) sessions: u32,
    pub(super) accepted: u64,
}

impl Progress {
    /// A fragment is persisted.
    pub(super) fn on_persisted(&mut self) {
        *self = Self::default();
    }

    /// A session was reset. Returns the sessions without progress when so many have ended that it is worth a report: after
    /// [`SESSIONS_WITHOUT_PROGRESS`] and then after twice as many each time.
    pub(super) fn on_reset(&mut self, session: &Session, silent: bool) -> Option<Barren> {
        if session.persisted > 0 {
            self.on_persisted();
            return None;
        }
        self.barren = self.barren.saturating_add(1);
        self.accepted = self.accepted.max(session.accepted);
        self.silent += u32::from(silent);
        let report_at = self.report_at.max(SESSIONS_WITHOUT_PROGRESS);
        if self.barren < report_at {
            return None;
        }
        self.report_at = report_at.saturating_mul(2);
        Some(Barren { sessions: self.barren, accepted: self.accepted })
    }

    /// Returns how long silence may last, from how long it may last at first. On a slow link, a whole fragment may lie in the
    /// buffers of the transport, and take longer than the configured time to its acknowledgement; ending the session then
    /// would only begin again with the same fragment.
    pub(super) fn patience(&self, first: Duration) -> Duration {
        first.saturating_mul(1 << self.silent.min(PATIENCE_DOUBLINGS))
    }

    /// The number of the attempt that follows: one after a session with progress.
    pub(super) const fn attempts(&self) -> u32 {
        self.barren.saturating_add(1)
    }

    /// Returns the wait before the session that follows a reset.
    pub(super) fn wait(&self, rng: &mut fastrand::Rng) -> Duration {
        let Some(doublings) = self.barren.checked_sub(1) else { return RECONNECT_AT_ONCE.mul_f64(rng.f64()) };
        let full = RECONNECT_FIRST.saturating_mul(1 << doublings.min(MAX_DOUBLINGS)).min(RECONNECT_LATEST);
        full.mul_f64(0.5 + rng.f64() / 2.0)
    }
}

/// Up to 16 times the configured time.
const PATIENCE_DOUBLINGS: u32 = 4;
/// More would exceed [`RECONNECT_LATEST`] by far.
const MAX_DOUBLINGS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_short_and_grow_only_without_progress() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut progress = Progress::default();
        assert!(progress.wait(&mut rng) <= RECONNECT_AT_ONCE);
        for barren in 1..100u32 {
            progress.barren = barren;
            let wait = progress.wait(&mut rng);
            assert!(wait >= RECONNECT_FIRST / 2 && wait <= RECONNECT_LATEST, "{barren}: {wait:?}");
        }
        progress.on_persisted();
        assert!(progress.wait(&mut rng) <= RECONNECT_AT_ONCE);
    }
}
