//! The network between producer and service: delay, capacity and faults.

use std::time::{Duration, Instant};

/// Active faults of the network; several can be active at once.
#[derive(Debug, Default)]
pub(crate) struct LinkFaults {
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

impl LinkFaults {
    /// Returns why no connection can be opened now: name resolution, then TCP, then TLS.
    pub(crate) fn obstacle(&self, now: Instant) -> Option<&'static str> {
        let obstacles = [
            (self.no_names_until, "the name is not resolved"),
            (self.refused_until, "refused"),
            (self.no_handshakes_until, "the handshake failed"),
        ];
        obstacles.into_iter().find(|(until, _)| is_active(*until, now)).map(|(_, text)| text)
    }

    /// Returns whether a new connection would be opened and accepted now.
    pub(crate) fn lets_through(&self, now: Instant) -> bool {
        let others = [self.swallowed_until, self.refusals_until, self.no_credentials_until];
        self.obstacle(now).is_none() && !others.into_iter().any(|until| is_active(until, now))
    }
}

pub(crate) fn is_active(until: Option<Instant>, now: Instant) -> bool {
    until.is_some_and(|until| now < until)
}

/// Uplink of one connection: a socket buffer in front of a line with a capacity.
#[derive(Debug)]
pub(crate) struct Uplink {
    /// When all bytes sent so far have arrived.
    busy_until: Instant,
    latency: Duration,
    /// Bytes were lost; the connection delivers none after them.
    pub(crate) dead: bool,
}

/// When a piece of the body has left the socket buffer, and when it arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) taken: Instant,
    pub(crate) there: Instant,
}

impl Uplink {
    pub(crate) const fn new(latency: Duration, now: Instant) -> Self {
        Self { busy_until: now, latency, dead: false }
    }

    /// Delays everything sent until this time.
    pub(crate) fn stall(&mut self, until: Instant) {
        self.busy_until = self.busy_until.max(until);
    }

    /// Sends bytes.
    pub(crate) fn carry(&mut self, bytes: usize, bytes_per_second: u64, now: Instant) -> Passage {
        let time = Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64);
        self.busy_until = self.busy_until.max(now) + time;
        // Bytes that fit into the socket buffer are accepted immediately.
        let buffered = Duration::from_secs_f64(SOCKET_BUFFER as f64 / bytes_per_second as f64);
        let taken = self.busy_until.checked_sub(buffered).unwrap_or(now).max(now);
        Passage { taken, there: self.busy_until + self.latency }
    }
}

const SOCKET_BUFFER: u64 = 64 << 10;
