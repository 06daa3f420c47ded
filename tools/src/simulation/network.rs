//! The line between the two: delay, capacity and what goes wrong with it.

use std::time::{Duration, Instant};

/// What the line does now; several troubles may hold at once.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    pub(crate) refused_until: Option<Instant>,
    pub(crate) no_names_until: Option<Instant>,
    pub(crate) no_handshakes_until: Option<Instant>,
    pub(crate) swallowed_until: Option<Instant>,
    pub(crate) slow_until: Option<Instant>,
    pub(crate) acks_lost_until: Option<Instant>,
    pub(crate) acks_doubled_until: Option<Instant>,
    pub(crate) acks_late_until: Option<Instant>,
    pub(crate) refusals_until: Option<Instant>,
    pub(crate) no_credentials_until: Option<Instant>,
}

impl Weather {
    /// Why no connection can be made now, in the order of trying.
    pub(crate) fn obstacle(&self, now: Instant) -> Option<&'static str> {
        let obstacles = [
            (self.no_names_until, "the name is not resolved"),
            (self.refused_until, "refused"),
            (self.no_handshakes_until, "the handshake failed"),
        ];
        obstacles.into_iter().find(|(until, _)| holds(*until, now)).map(|(_, text)| text)
    }

    /// Whether a new connection would be made and accepted now.
    pub(crate) fn lets_through(&self, now: Instant) -> bool {
        let others = [self.swallowed_until, self.refusals_until, self.no_credentials_until];
        self.obstacle(now).is_none() && !others.into_iter().any(|until| holds(until, now))
    }
}

pub(crate) fn holds(until: Option<Instant>, now: Instant) -> bool {
    until.is_some_and(|until| now < until)
}

/// One connection's uplink: a socket buffer in front of a line of some capacity.
#[derive(Debug)]
pub(crate) struct Uplink {
    /// When the line has carried all it was given.
    busy_until: Instant,
    latency: Duration,
    /// Bytes were swallowed: a connection that lost some delivers none after them.
    pub(crate) dead: bool,
}

/// When a piece of the body is off the producer's hands, and when it is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) taken: Instant,
    pub(crate) there: Instant,
}

impl Uplink {
    pub(crate) const fn new(latency: Duration, now: Instant) -> Self {
        Self { busy_until: now, latency, dead: false }
    }

    /// Nothing gets through until then; what was sent meanwhile does after it.
    pub(crate) fn stall(&mut self, until: Instant) {
        self.busy_until = self.busy_until.max(until);
    }

    /// Sends bytes down the line.
    pub(crate) fn carry(&mut self, bytes: usize, bytes_per_second: u64, now: Instant) -> Passage {
        let time = Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64);
        self.busy_until = self.busy_until.max(now) + time;
        // What fits into the socket's buffer is taken at once.
        let buffered = Duration::from_secs_f64(SOCKET_BUFFER as f64 / bytes_per_second as f64);
        let taken = self.busy_until.checked_sub(buffered).unwrap_or(now).max(now);
        Passage { taken, there: self.busy_until + self.latency }
    }
}

const SOCKET_BUFFER: u64 = 64 << 10;
