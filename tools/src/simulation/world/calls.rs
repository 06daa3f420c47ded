//! What the service answers to calls and to attempts to connect.

use std::time::Duration;

use kvs_producer::{
    CloseReason, ControlRequest, ControlRequestId, ControlResponse, Failure, FailureKind, SessionId, StreamStatus,
};

use super::super::network::{Uplink, holds};
use super::super::service::{around, wall};
use super::{Happening, Line, World};

impl World {
    pub(super) fn on_call(&mut self, id: ControlRequestId, call: &ControlRequest) {
        let now = self.now;
        let wait = around(self.scenario.latency, &mut self.rng);
        if holds(self.weather.swallowed_until, now) {
            return;
        }
        let failed = |kind, text: &str| ControlResponse::Failed(Failure::new(kind, text));
        let answer = match call {
            ControlRequest::Credentials(_) if holds(self.weather.no_credentials_until, now) => {
                failed(FailureKind::Unreachable, "no credentials")
            }
            ControlRequest::Credentials(_) => {
                let lasts = around(self.scenario.credentials_last, &mut self.rng);
                self.credentials_until = Some(now + lasts);
                ControlResponse::Credentials { lasts: Some(lasts) }
            }
            _ if self.weather.obstacle(now).is_some() => {
                failed(FailureKind::Unreachable, self.weather.obstacle(now).unwrap_or_default())
            }
            _ if holds(self.weather.refusals_until, now) => ControlResponse::Failed(self.refusal()),
            ControlRequest::DescribeStream if !self.service.exists => failed(FailureKind::NotFound, "no such stream"),
            ControlRequest::DescribeStream => {
                ControlResponse::Described { status: StreamStatus::Active, retention: Duration::from_secs(3600) }
            }
            ControlRequest::CreateStream(_) => {
                self.service.exists = true;
                ControlResponse::Created
            }
            _ => ControlResponse::Endpoint(self.service.address()),
        };
        self.after(wait, Happening::Answer(id, answer));
    }

    fn refusal(&mut self) -> Failure {
        let kinds = [
            FailureKind::Throttled,
            FailureKind::Service,
            FailureKind::TimedOut,
            FailureKind::CredentialsExpired,
            FailureKind::ClockSkew,
            FailureKind::AccessDenied,
        ];
        let kind = kinds[self.rng.usize(..kinds.len())];
        let asked = (kind == FailureKind::Throttled && self.rng.bool()).then(|| Duration::from_secs(3));
        Failure::new(kind, "by the script").with_retry_after(asked)
    }

    pub(super) fn on_open(&mut self, session: SessionId, request: &kvs_producer::OpenRequest) {
        let now = self.now;
        let wait = around(self.scenario.latency, &mut self.rng) * 3;
        let failed = |kind, text: &str| CloseReason::Failed(Failure::new(kind, text));
        let reason = if holds(self.weather.swallowed_until, now) {
            return;
        } else if let Some(obstacle) = self.weather.obstacle(now) {
            failed(FailureKind::Unreachable, obstacle)
        } else if request.endpoint != self.service.address() {
            failed(FailureKind::Unreachable, "nobody lives here any more")
        } else if self.credentials_until.is_none_or(|until| until <= now) {
            failed(FailureKind::CredentialsExpired, "expired")
        } else if holds(self.weather.refusals_until, now) {
            CloseReason::Failed(self.refusal())
        } else {
            let service = self.service.accept(session, request, self.rng.u64(..), wall(self.start, now));
            let up = Uplink::new(self.scenario.latency, now);
            self.line = Some(Line { service, up, acks_until: now, left: false });
            return self.after(wait, Happening::Opened(session));
        };
        self.after(wait, Happening::Failed(session, reason));
    }
}
