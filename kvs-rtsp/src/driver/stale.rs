//! Sessions that were dropped and may still send.

use std::time::Duration;

use retina::client::SessionGroup;
use tokio::time::timeout;

/// Decides what to wait for before the next session.
///
/// Old servers put the packets of a session that has ended into other connections, for 65 s (live555 before June 2017). The RTSP
/// library takes every packet of an unknown source for one of those. Most often it is a camera that has restarted, which would be
/// out of the picture for a minute: only the second session in a row that breaks so is followed by the wait.
#[derive(Debug, Default)]
pub(super) struct StaleSessions {
    known: usize,
    in_a_row: u32,
}

/// Longer than packets of a dropped session come.
const STALE: Duration = Duration::from_secs(70);
/// How long the camera may take to answer TEARDOWN: the library itself gives up after 5 s.
const TEARDOWN: Duration = Duration::from_secs(6);
/// Sessions in a row that must break by packets of an unknown source.
const SUSPICIOUS: u32 = 2;

impl StaleSessions {
    /// Waits for the end of earlier sessions: a camera may serve one at a time.
    pub(super) async fn wait(&mut self, group: &SessionGroup) {
        let _ = timeout(TEARDOWN, group.await_teardown()).await;
        // Our own have ended.
        if self.is_suspicious(group.stale_sessions().num_sessions) {
            let stale = group.stale_sessions();
            let _ = timeout(STALE, group.await_stale_sessions(&stale)).await;
            self.known = group.stale_sessions().num_sessions;
        }
    }

    /// Whether to wait, with so many sessions that may still send.
    const fn is_suspicious(&mut self, count: usize) -> bool {
        self.in_a_row = if count > self.known { self.in_a_row.saturating_add(1) } else { 0 };
        self.known = count;
        self.in_a_row >= SUSPICIOUS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unknown_source_is_a_camera_that_restarted_and_two_in_a_row_are_waited_for() {
        let mut stale = StaleSessions::default();
        let waits = [0, 1, 1, 2, 3, 3, 0, 1].map(|count| stale.is_suspicious(count));
        assert_eq!(waits, [false, false, false, false, true, false, false, false]);
    }
}
