//! What scripted faults do to one request.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::FaultKind;
use crate::api::wire::{self, Answer, Numbers, Style};
use crate::api::{ApiError, Exception};

/// The faults that befall a request.
#[derive(Debug, Default)]
pub(crate) struct Befallen(Vec<FaultKind>);

impl Befallen {
    pub(crate) const fn new(faults: Vec<FaultKind>) -> Self {
        Self(faults)
    }

    /// The service's clock as this request finds it.
    pub(crate) fn skewed(&self, now: SystemTime) -> SystemTime {
        self.0.iter().fold(now, |now, fault| match fault {
            FaultKind::ClockSkew { seconds } => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                let skewed = if *seconds < 0 { now.checked_sub(by) } else { now.checked_add(by) };
                skewed.unwrap_or(now)
            }
            _ => now,
        })
    }

    /// Waits, refuses, or answers something else than what was asked for.
    pub(crate) async fn intervene(&self) -> Result<Option<Answer>, ApiError> {
        for fault in &self.0 {
            match fault {
                FaultKind::Delay { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
                FaultKind::Refuse { exception } => {
                    let exception = Exception::from_name(exception).unwrap_or(Exception::InternalFailure);
                    return Err(ApiError::new(exception, "refused by the fault script of kvs-local"));
                }
                FaultKind::UnknownOperation => {
                    let body = Bytes::from_static(wire::UNKNOWN_OPERATION.as_bytes());
                    return Ok(Some(wire::with_body(http::StatusCode::OK, wire::JSON, body)));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// How JSON is written.
    pub(crate) fn style(&self) -> Style {
        let numbers =
            if self.0.contains(&FaultKind::ScientificTimestamps) { Numbers::Scientific } else { Numbers::Plain };
        Style { numbers, omit_nulls: self.0.contains(&FaultKind::OmitNulls) }
    }

    /// What stands in the place of every picture.
    pub(crate) fn image_error(&self) -> Option<&'static str> {
        self.0.iter().find_map(|fault| match fault {
            FaultKind::MediaError => Some("MEDIA_ERROR"),
            FaultKind::NoMedia => Some("NO_MEDIA"),
            _ => None,
        })
    }

    /// The error for the fragment of this place in the session, from 1.
    pub(crate) fn error_ack(&self, place: u32) -> Option<u16> {
        self.0.iter().find_map(|fault| match fault {
            FaultKind::ErrorAck { fragment, id } if *fragment == place => Some(*id),
            _ => None,
        })
    }

    /// What happens as the body grows from so many bytes to so many.
    pub(crate) fn on_body(&self, from: u64, to: u64) -> Reading {
        let passes = |bytes: u64| from < bytes && bytes <= to;
        let mut pause = Duration::ZERO;
        for fault in &self.0 {
            match fault {
                FaultKind::CutAfter { bytes } if passes(*bytes) => return Reading::Cut,
                FaultKind::StallAfter { bytes, ms } if passes(*bytes) => {
                    pause = pause.saturating_add(Duration::from_millis(*ms));
                }
                FaultKind::SlowReader { bytes_per_second } => {
                    let nanos =
                        to.saturating_sub(from).saturating_mul(1_000_000_000) / u64::from(*bytes_per_second).max(1);
                    pause = pause.saturating_add(Duration::from_nanos(nanos));
                }
                _ => {}
            }
        }
        Reading::On { pause }
    }

    /// How an ack goes out.
    pub(crate) fn on_ack(&self, event: &str, line: &Bytes) -> Outgoing {
        let mut outgoing = Outgoing { delay: Duration::ZERO, pieces: vec![line.clone()] };
        for fault in &self.0 {
            match fault {
                FaultKind::DelayAcks { ms } => {
                    outgoing.delay = outgoing.delay.saturating_add(Duration::from_millis(*ms))
                }
                FaultKind::LoseAcks { event: lost } if lost == event => outgoing.pieces.clear(),
                FaultKind::DuplicateAcks => outgoing.pieces.extend_from_within(..),
                FaultKind::SplitAcks { bytes } => outgoing.split(usize::try_from(*bytes).unwrap_or(usize::MAX).max(1)),
                _ => {}
            }
        }
        outgoing
    }
}

/// How reading a body goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// After this pause.
    On { pause: Duration },
    /// Not at all: the connection breaks.
    Cut,
}

/// An ack on its way.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) delay: Duration,
    pub(crate) pieces: Vec<Bytes>,
}

impl Outgoing {
    fn split(&mut self, size: usize) {
        let cut = |piece: &Bytes| piece.chunks(size).map(|part| piece.slice_ref(part)).collect::<Vec<_>>();
        self.pieces = self.pieces.iter().flat_map(cut).collect();
    }
}
