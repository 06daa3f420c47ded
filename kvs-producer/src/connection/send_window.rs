//! How much a session sends beyond what the service has persisted.
//!
//! ```text
//!      persisted     | sent, not persisted | complete, waits |  filling
//!  ------------------+---------------------+-----------------+~~~~~~~~~~~
//!                    |<----- window ------>|
//!                    |                     `-- an end mark: the service acknowledges
//!                    |                         the last fragment without the next one
//!                    `-- where the next session begins if this one is reset
//! ```
//!
//! A reset throws away everything to the right of what is persisted. Without a window, a session pours its backlog into the
//! buffers of the transport, which hold megabytes; a link that breaks every few megabytes then breaks each session before the
//! first acknowledgement, and each session begins at the same fragment.
//!
//! **Invariant.** If each connection lets one whole fragment and its acknowledgement through, each connection persists at least
//! one new fragment, and what is sent again after a reset is at most the window.
//!
//! * After a reset the window is one fragment, and nothing follows it until it is persisted, not even live media: bytes behind
//!   it could break the connection before its acknowledgement arrives. When the window is full, an end mark follows the last
//!   fragment, because otherwise the service waits for the next one before it acknowledges.
//! * Each persisted fragment widens the window by one, so it doubles with each round trip, as slow start of TCP does. In a
//!   session that follows a reset, the first one does, and then only every eighth: what the next reset throws away is about two
//!   fragments and an eighth of what the session has persisted, and the window still grows exponentially.
//! * It stops widening when fragments begin to queue in front of the link: then their acknowledgements take longer than the
//!   shortest one of the session. More in flight would not be faster; it would only be sent again. There is no other bound.
//! * A fragment that is still filling is live: it is sent as it comes, whatever the window is, once a fragment of the session is
//!   persisted.
//! * A session that ended in order leaves its window to the next one.

use std::time::Duration;

/// The window of a connection, in fragments. It outlives its sessions.
#[derive(Debug)]
pub(super) struct SendWindow {
    fragments: usize,
    /// After how many persisted fragments it is widened.
    every: usize,
    /// The link was full at this window: from here on it is widened at most once with each round trip.
    threshold: usize,
    /// Persisted fragments since it was changed.
    persisted: usize,
    /// The last session was reset, and nothing is persisted since then.
    probing: bool,
    /// It kept a fragment from being sent since the last acknowledgement: only then a wider one would help.
    was_full: bool,
    /// The shortest time in this session from the first byte of a fragment to its acknowledgement.
    shortest: Option<Duration>,
    queue: Queue,
}

/// What waits in front of the link, by the latest acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    /// Less than about one fragment: a wider window would fill the link better.
    Short,
    /// The link is full.
    Enough,
    /// More than about one fragment.
    Long,
}

/// What waits to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A complete fragment.
    Backlog,
    /// A fragment that is still filling, which goes out at the rate of the source.
    Live,
}

impl SendWindow {
    pub(super) const fn new() -> Self {
        Self {
            fragments: INITIAL,
            every: 1,
            threshold: usize::MAX,
            persisted: 0,
            probing: false,
            was_full: false,
            shortest: None,
            queue: Queue::Short,
        }
    }

    /// Whether one more fragment may be started while this many were sent beyond the last persisted one.
    pub(super) fn admits(&mut self, in_flight: usize, next: Next) -> bool {
        let limit = match next {
            _ if self.probing => 1,
            Next::Live => self.fragments.max(LIVE),
            Next::Backlog => self.fragments,
        };
        let admitted = in_flight < limit;
        self.was_full |= !admitted;
        admitted
    }

    /// The service acknowledged a fragment of a backlog for the first time, this long after its first byte was sent.
    pub(super) fn on_acknowledged(&mut self, after: Duration) {
        let shortest = self.shortest.map_or(after, |shortest| shortest.min(after));
        self.shortest = Some(shortest);
        self.queue = if after < shortest.mul_f64(NO_QUEUE) {
            Queue::Short
        } else if after > shortest.mul_f64(LONG_QUEUE) {
            Queue::Long
        } else {
            Queue::Enough
        };
    }

    /// A fragment of this session is persisted.
    pub(super) fn on_persisted(&mut self) {
        self.probing = false;
        self.persisted += 1;
        match self.queue {
            Queue::Short => self.widen(),
            Queue::Enough => self.threshold = self.threshold.min(self.fragments),
            Queue::Long => {
                self.threshold = self.threshold.min(self.fragments);
                self.narrow();
            }
        }
    }

    const fn widen(&mut self) {
        let full_link = self.fragments >= self.threshold;
        let enough = match self.fragments {
            1 => 1,
            fragments if full_link && fragments > self.every => fragments,
            _ => self.every,
        };
        if self.was_full && self.persisted >= enough {
            self.fragments = self.fragments.saturating_add(1);
            self.persisted = 0;
            self.was_full = false;
        }
    }

    /// At most once with each round trip: the acknowledgements of the next one show what it brought.
    const fn narrow(&mut self) {
        if self.fragments > FULL_LINK && self.persisted >= self.fragments {
            self.fragments -= 1;
            self.persisted = 0;
        }
    }

    /// The session ended in order.
    pub(super) const fn on_ended(&mut self) {
        *self = Self { fragments: self.fragments, ..Self::new() };
    }

    /// The session was reset.
    pub(super) const fn on_reset(&mut self) {
        *self = Self { fragments: 1, every: EVERY_AFTER_RESET, probing: true, ..Self::new() };
    }
}

/// The window of the first session: one fragment is sent while another one is acknowledged.
const INITIAL: usize = 2;
/// Live fragments in flight at most. Reached only if acknowledgements take longer than so many fragments last.
const LIVE: usize = 16;
/// After a reset, this many persisted fragments are worth one that may have to be sent again.
const EVERY_AFTER_RESET: usize = 8;
/// Two fragments keep a link busy whose round trip is shorter than a fragment takes.
const FULL_LINK: usize = 2;
/// An acknowledgement that takes less than this many times the shortest one: less than about one fragment queues.
const NO_QUEUE: f64 = 1.75;
/// An acknowledgement that takes more than this many times the shortest one: more than about one fragment queues.
const LONG_QUEUE: f64 = 2.5;

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(100);

    /// Sends a backlog over a link on which one fragment takes `each` and returns how many fragments are persisted in `time`,
    /// and the window at its end.
    fn drain(window: &mut SendWindow, each: Duration, time: Duration) -> (usize, usize) {
        let (mut now, mut free, mut in_flight) = (Duration::ZERO, Duration::ZERO, std::collections::VecDeque::new());
        let mut persisted = 0;
        while now < time {
            while window.admits(in_flight.len(), Next::Backlog) {
                free = free.max(now) + each;
                in_flight.push_back((now, free + ROUND_TRIP));
            }
            let Some((sent, acknowledged)) = in_flight.pop_front() else { break };
            now = acknowledged;
            window.on_acknowledged(now - sent);
            window.on_persisted();
            persisted += 1;
        }
        (persisted, window.fragments)
    }

    #[test]
    fn one_fragment_follows_a_reset_and_nothing_follows_it() {
        let mut window = SendWindow::new();
        window.on_reset();
        assert!(window.admits(0, Next::Backlog) && !window.admits(1, Next::Backlog));
        assert!(!window.admits(1, Next::Live), "live bytes could break the connection before the acknowledgement");
        window.on_persisted();
        assert!(window.admits(1, Next::Live) && window.admits(1, Next::Backlog) && !window.admits(2, Next::Backlog));
    }

    #[test]
    fn nothing_follows_a_fragment_that_is_received_and_not_persisted() {
        let mut window = SendWindow::new();
        window.on_reset();
        assert!(!window.admits(1, Next::Backlog));
        window.on_acknowledged(ROUND_TRIP);
        assert!(!window.admits(1, Next::Backlog), "its last acknowledgement is still on the way");
        window.on_persisted();
        assert!(window.admits(1, Next::Backlog));
    }

    #[test]
    fn a_link_that_breaks_every_few_fragments_keeps_a_narrow_window() {
        let mut window = SendWindow::new();
        for _ in 0..20 {
            window.on_reset();
            let (_, fragments) = drain(&mut window, Duration::ZERO, ROUND_TRIP * 2);
            assert!(fragments <= 3, "{fragments}");
        }
    }

    #[test]
    fn a_slow_link_holds_about_two_fragments() {
        let mut window = SendWindow::new();
        window.on_reset();
        let (persisted, fragments) = drain(&mut window, Duration::from_secs(1), Duration::from_secs(100));
        assert!(persisted >= 97 && fragments <= 3, "{persisted} persisted, window {fragments}");
    }

    #[test]
    fn a_fast_link_is_filled_within_some_round_trips() {
        let mut window = SendWindow::new();
        window.on_reset();
        // 100 Mbit/s with fragments of 50 kB: 26 of them are on the way.
        let (persisted, fragments) = drain(&mut SendWindow::new(), Duration::from_millis(4), Duration::from_secs(10));
        assert!(persisted >= 2375 && fragments < 100, "{persisted} of 2500 persisted, window {fragments}");
        let (persisted, _) = drain(&mut window, Duration::from_millis(4), Duration::from_secs(10));
        assert!(persisted >= 2000, "{persisted} of 2500 persisted after a reset");
    }

    #[test]
    fn live_media_is_sent_as_it_comes() {
        let mut window = SendWindow::new();
        assert!((0..LIVE).all(|in_flight| window.admits(in_flight, Next::Live)));
    }

    #[test]
    fn a_session_that_ended_in_order_leaves_its_window() {
        let mut window = SendWindow::new();
        for _ in 0..10 {
            let _ = window.admits(usize::MAX, Next::Backlog);
            window.on_acknowledged(ROUND_TRIP);
            window.on_persisted();
        }
        window.on_ended();
        assert!(window.admits(INITIAL + 9, Next::Backlog));
        window.on_reset();
        assert!(!window.admits(1, Next::Backlog));
    }
}
