//! Checks that connections bring progress, that not too much is sent again, and that waits are as short as documented. Uses no
//! code of the producer.

use std::time::{Duration, Instant};

use kvs_producer::{CloseReason, Event, Persisted, SessionId};

/// What the connections of a run brought.
#[derive(Debug, Default)]
pub(crate) struct ProgressChecker {
    current: Option<Connection>,
    /// The last connection was reset, and the producer knows.
    after_reset: bool,
    /// The connection that the link model broke last, until the producer knows.
    broken: Option<SessionId>,
    /// The connection of the last ack: it may be an earlier one.
    acked: Option<SessionId>,
    /// Waits after refusals since the last fragment was persisted.
    refusals: u32,
    /// What the next wait follows.
    ended: Option<Ended>,
    /// Media that was submitted so far, in bytes.
    submitted: u64,
    /// The largest fragment so far, in bytes.
    largest: u64,
    /// Connections that followed a reset and were reset.
    resets: Vec<Connection>,
}

/// One connection that was opened.
#[derive(Clone, Copy, Debug)]
struct Connection {
    session: SessionId,
    follows_reset: bool,
    /// Body bytes that the producer gave out.
    handed: u64,
    /// Fragments that arrived whole.
    arrived: u32,
    /// Fragments that were persisted meanwhile, also by late acks of an earlier connection.
    confirmed: u64,
    /// Those of this connection.
    persisted: u64,
    persisted_bytes: u64,
    submitted_before: u64,
    submitted: u64,
}

/// How an established connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    reset: bool,
    persisted: u64,
}

/// Why the link broke a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Load,
    Age,
}

macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}

impl ProgressChecker {
    pub(crate) fn submitted(&mut self, bytes: usize) {
        self.submitted += bytes as u64;
    }

    pub(crate) fn handed(&mut self, session: SessionId, bytes: usize) {
        if let Some(current) = self.current.as_mut().filter(|current| current.session == session) {
            current.handed += bytes as u64;
        }
    }

    pub(crate) fn arrived(&mut self, session: SessionId) {
        if let Some(current) = self.current.as_mut().filter(|current| current.session == session) {
            current.arrived += 1;
        }
    }

    /// The link breaks the connection. On one that follows a reset, nothing may follow its first fragment until that is
    /// persisted: what arrives later could not break it.
    pub(crate) fn breaks(&mut self, session: SessionId, cause: Cause) -> Result<(), String> {
        self.broken = Some(session);
        let Some(current) = self.current.as_mut().filter(|current| current.session == session) else { return Ok(()) };
        current.submitted = self.submitted - current.submitted_before;
        if !current.follows_reset {
            return Ok(());
        }
        self.resets.push(*current);
        ensure!(
            cause == Cause::Age || current.arrived == 0 || current.confirmed > 0,
            "{session:?} let {} whole fragments through and broke under what followed, and none was persisted",
            current.arrived
        );
        Ok(())
    }

    pub(crate) fn event(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Opened { session } => self.opened(*session),
            Event::Ack { session, .. } => self.acked = Some(*session),
            Event::Persisted(persisted) => self.persisted(persisted),
            Event::Lost(loss) => self.largest = self.largest.max(loss.span.bytes),
            Event::Closed { session, reason } => self.closed(*session, reason),
            Event::Retrying { wait, failure, .. } => return self.waits(*wait, failure.retry_after),
            _ => {}
        }
        Ok(())
    }

    fn opened(&mut self, session: SessionId) {
        self.current = Some(Connection {
            session,
            follows_reset: std::mem::take(&mut self.after_reset),
            handed: 0,
            arrived: 0,
            confirmed: 0,
            persisted: 0,
            persisted_bytes: 0,
            submitted_before: self.submitted,
            submitted: 0,
        });
    }

    fn persisted(&mut self, persisted: &Persisted) {
        self.refusals = 0;
        self.largest = self.largest.max(persisted.span.bytes);
        let Some(current) = &mut self.current else { return };
        current.confirmed += 1;
        if self.acked == Some(current.session) {
            current.persisted += 1;
            current.persisted_bytes += persisted.span.bytes;
        }
    }

    fn closed(&mut self, session: SessionId, reason: &CloseReason) {
        let reset = matches!(reason, CloseReason::Broken(_) | CloseReason::Silent { .. });
        let established = self.current.take_if(|current| current.session == session);
        // Only of the resets of the link model it is known what got through.
        self.after_reset |= reset && established.is_some() && self.broken.take() == Some(session);
        self.ended = established.map(|current| Ended { reset, persisted: current.persisted });
    }

    /// By the documentation: at most a tenth of a second after a session with progress, a second after one without, and
    /// after refusals 200 ms, doubled with each until a fragment is persisted.
    fn waits(&mut self, wait: Duration, asked: Option<Duration>) -> Result<(), String> {
        let most = match self.ended.take() {
            Some(Ended { reset: true, persisted: 1.. }) => Duration::from_millis(100),
            Some(Ended { reset: true, persisted: 0 }) => Duration::from_secs(1),
            _ => {
                self.refusals += 1;
                let doubled = 1u32.checked_shl(self.refusals - 1).unwrap_or(u32::MAX);
                Duration::from_millis(200).saturating_mul(doubled).max(asked.unwrap_or_default())
            }
        };
        ensure!(wait <= most, "a wait of {wait:?} where {most:?} is the longest");
        Ok(())
    }

    /// What a reset throws away is bounded by what the connection persisted, and by what was live.
    pub(crate) fn check_resets(&self) -> Result<(), String> {
        for reset in &self.resets {
            let Connection { session, handed, persisted, persisted_bytes, submitted, .. } = *reset;
            let window = (2 + persisted) * self.largest;
            let most = (submitted + persisted_bytes + window) * 3 / 2 + OVERHEAD;
            ensure!(
                handed <= most,
                "{session:?} was given {handed} bytes, persisted {persisted} fragments of {persisted_bytes} bytes, and broke; \
                 {most} bytes would have been enough"
            );
        }
        Ok(())
    }
}

/// The time by which a backlog must be persisted after the network is good again.
pub(crate) fn drained_by(
    now: Instant,
    held: usize,
    bytes_per_second: u64,
    round: Duration,
    waits: Duration,
) -> Instant {
    let sending = Duration::from_secs_f64(held as f64 * 2.0 / bytes_per_second as f64);
    // A window that begins with one fragment needs some rounds to fill the line.
    now + sending + round * 40 + waits
}

/// Headers of a connection.
const OVERHEAD: u64 = 20_000;
