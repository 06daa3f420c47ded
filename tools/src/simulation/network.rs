//! The network between producer and service: delay, capacity and faults.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fastrand::Rng;

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
    /// What fits in front of the line.
    buffer: u64,
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
    pub(crate) const fn new(latency: Duration, buffer: u64, now: Instant) -> Self {
        Self { busy_until: now, latency, buffer, dead: false }
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
        let buffered = Duration::from_secs_f64(self.buffer as f64 / bytes_per_second as f64);
        let taken = self.busy_until.checked_sub(buffered).unwrap_or(now).max(now);
        Passage { taken, there: self.busy_until + self.latency }
    }
}

/// What breaks established connections all the time, apart from the faults. Distances are distributed exponentially.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LinkModel {
    Sound,
    /// Reset after this many bytes of the body, on average.
    Bytes(u64),
    /// Reset after this time, on average.
    Age(Duration),
    /// Reset when more than this arrives within a second.
    Burst(u64),
    /// After this time, on average, no ack arrives any more, although the media does.
    Deaf(Duration),
}

impl LinkModel {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        match rng.u8(..10) {
            0..=4 => Self::Sound,
            5 | 6 => Self::Bytes(rng.u64(20_000..400_000)),
            7 => Self::Age(Duration::from_millis(rng.u64(1_000..10_000))),
            8 => Self::Burst(rng.u64(30_000..300_000)),
            _ => Self::Deaf(Duration::from_millis(rng.u64(2_000..30_000))),
        }
    }

    pub(crate) fn fate(self, now: Instant, rng: &mut Rng) -> Fate {
        let distance = -(1.0 - rng.f64()).ln();
        let after = |mean: Duration| Some(now + mean.mul_f64(distance));
        let none = Fate { bytes: u64::MAX, burst: u64::MAX, dies: None, deaf: None, recent: VecDeque::new() };
        match self {
            Self::Sound => none,
            Self::Bytes(mean) => Fate { bytes: (mean as f64 * distance) as u64, ..none },
            Self::Age(mean) => Fate { dies: after(mean), ..none },
            Self::Burst(burst) => Fate { burst, ..none },
            Self::Deaf(mean) => Fate { deaf: after(mean), ..none },
        }
    }
}

/// When one connection breaks.
#[derive(Debug)]
pub(crate) struct Fate {
    /// Bytes that still arrive.
    bytes: u64,
    /// Bytes that may arrive within a second.
    burst: u64,
    pub(crate) dies: Option<Instant>,
    /// No ack arrives from here on.
    pub(crate) deaf: Option<Instant>,
    recent: VecDeque<(Instant, u64)>,
}

impl Fate {
    /// How many of these bytes arrive, if the connection breaks in the middle of them.
    pub(crate) fn breaks_after(&mut self, bytes: usize, now: Instant) -> Option<usize> {
        let bytes = bytes as u64;
        self.recent.push_back((now, bytes));
        while self.recent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > Duration::from_secs(1)) {
            self.recent.pop_front();
        }
        let recent: u64 = self.recent.iter().map(|(_, bytes)| bytes).sum();
        let passes = self.bytes.min(self.burst.saturating_add(bytes).saturating_sub(recent).min(self.burst));
        self.bytes = self.bytes.saturating_sub(bytes);
        (passes < bytes).then(|| usize::try_from(passes).unwrap_or(usize::MAX))
    }
}

/// How acks that are in transit when a connection breaks are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcksUnderWay {
    Lost,
    /// They are read before the news of the end.
    Read,
    /// They are read after it.
    Late,
}

impl AcksUnderWay {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        [Self::Lost, Self::Read, Self::Late][rng.usize(..3)]
    }
}
