//! The faults that apply to one request.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::FaultKind;
use crate::api::wire::{self, JsonStyle, NumberFormat, Response};
use crate::api::{ApiError, Exception};

/// The faults that apply to one request.
#[derive(Debug, Default)]
pub(crate) struct InjectedFaults(Vec<FaultKind>);

impl InjectedFaults {
    pub(super) const fn new(faults: Vec<FaultKind>) -> Self {
        Self(faults)
    }

    #[cfg(test)]
    pub(super) fn kinds(&self) -> &[FaultKind] {
        &self.0
    }

    /// Returns the time of the service's clock as this request sees it.
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

    /// Delays the request, refuses it, or returns the response to send instead of handling it.
    pub(crate) async fn intervene(&self) -> Result<Option<Response>, ApiError> {
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

    /// Returns how the JSON body of the response is written.
    pub(crate) fn json_style(&self) -> JsonStyle {
        let scientific = self.0.contains(&FaultKind::ScientificTimestamps);
        let numbers = if scientific { NumberFormat::Scientific } else { NumberFormat::Plain };
        JsonStyle { numbers, omit_nulls: self.0.contains(&FaultKind::OmitNulls) }
    }

    /// Returns the error that GetImages reports in place of every image.
    pub(crate) fn image_error(&self) -> Option<&'static str> {
        self.0.iter().find_map(|fault| match fault {
            FaultKind::MediaError => Some("MEDIA_ERROR"),
            FaultKind::NoMedia => Some("NO_MEDIA"),
            _ => None,
        })
    }

    /// Returns whether ListFragments returns its pages in no order.
    pub(crate) fn unordered(&self) -> bool {
        self.0.contains(&FaultKind::Unordered)
    }

    /// Returns the latest server timestamp of fragments that are listed already, `None` if all are.
    pub(crate) fn listed_until(&self, now: SystemTime) -> Option<SystemTime> {
        self.0.iter().find_map(|fault| match fault {
            FaultKind::LateListing { ms } => {
                Some(now.checked_sub(Duration::from_millis(*ms)).unwrap_or(SystemTime::UNIX_EPOCH))
            }
            _ => None,
        })
    }

    /// Returns the error id for the `fragment`th fragment of the session, counted from 1.
    pub(crate) fn error_ack(&self, fragment: u32) -> Option<u16> {
        self.0.iter().find_map(|fault| match fault {
            FaultKind::ErrorAck { fragment: target, id } if *target == fragment => Some(*id),
            _ => None,
        })
    }

    /// Returns what happens when the body grows from `from` to `to` bytes.
    pub(crate) fn on_body(&self, from: u64, to: u64) -> ReadAction {
        let passes = |bytes: u64| from < bytes && bytes <= to;
        let mut pause = Duration::ZERO;
        for fault in &self.0 {
            match fault {
                FaultKind::CutAfter { bytes } if passes(*bytes) => return ReadAction::Disconnect,
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
        ReadAction::Continue { pause }
    }

    /// Returns how an ack line is sent.
    pub(crate) fn on_ack(&self, event: &str, line: Bytes) -> AckOutput {
        let mut output = AckOutput { delay: Duration::ZERO, pieces: vec![line] };
        for fault in &self.0 {
            match fault {
                FaultKind::DelayAcks { ms } => output.delay = output.delay.saturating_add(Duration::from_millis(*ms)),
                FaultKind::LoseAcks { event: lost } if lost == event => output.pieces.clear(),
                FaultKind::DuplicateAcks => output.pieces.extend_from_within(..),
                FaultKind::SplitAcks { bytes } => output.split(usize::try_from(*bytes).unwrap_or(usize::MAX).max(1)),
                _ => {}
            }
        }
        output
    }
}

/// What a PutMedia session does after reading from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadAction {
    /// Continues to read after this pause.
    Continue { pause: Duration },
    /// Closes the connection without a response end.
    Disconnect,
}

/// An ack line with injected faults applied.
#[derive(Debug)]
pub(crate) struct AckOutput {
    pub(crate) delay: Duration,
    pub(crate) pieces: Vec<Bytes>,
}

impl AckOutput {
    fn split(&mut self, size: usize) {
        let cut = |piece: &Bytes| piece.chunks(size).map(|part| piece.slice_ref(part)).collect::<Vec<_>>();
        self.pieces = self.pieces.iter().flat_map(cut).collect();
    }
}
