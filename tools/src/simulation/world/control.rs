//! Responses of the service to API calls and connection attempts.

use std::time::Duration;

use kvs_producer::{
    CloseReason, ControlRequest, ControlRequestId, ControlResponse, Failure, FailureKind, SessionId, StreamStatus,
};

use super::super::network::{LinkModel, Uplink, is_active};
use super::super::service::{around, wall};
use super::{Line, SimEvent, World};

impl World {
    pub(super) fn on_call(&mut self, id: ControlRequestId, call: &ControlRequest) {
        let now = self.now;
        let wait = around(self.scenario.latency, &mut self.rng);
        if is_active(self.link_faults.swallowed_until, now) {
            return;
        }
        let failed = |kind, text: &str| ControlResponse::Failed(Failure::new(kind, text));
        let answer = match call {
            ControlRequest::Credentials(_) if is_active(self.link_faults.no_credentials_until, now) => {
                failed(FailureKind::Unreachable, "no credentials")
            }
            ControlRequest::Credentials(_) => {
                let lasts = around(self.scenario.credentials_last, &mut self.rng);
                self.credentials_until = Some(now + lasts);
                ControlResponse::Credentials { lasts: Some(lasts) }
            }
            _ if self.link_faults.obstacle(now).is_some() => {
                failed(FailureKind::Unreachable, self.link_faults.obstacle(now).unwrap_or_default())
            }
            _ if is_active(self.link_faults.refusals_until, now) => ControlResponse::Failed(self.refusal()),
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
        self.after(wait, SimEvent::Answer(id, answer));
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
        let reason = if is_active(self.link_faults.swallowed_until, now) {
            return;
        } else if let Some(obstacle) = self.link_faults.obstacle(now) {
            failed(FailureKind::Unreachable, obstacle)
        } else if request.endpoint != self.service.address() {
            failed(FailureKind::Unreachable, "no service at this endpoint")
        } else if self.credentials_until.is_none_or(|until| until <= now) {
            failed(FailureKind::CredentialsExpired, "expired")
        } else if is_active(self.link_faults.refusals_until, now) {
            CloseReason::Failed(self.refusal())
        } else {
            let service = self.service.accept(session, request, self.rng.u64(..), wall(self.start, now));
            let up = Uplink::new(self.scenario.latency, self.scenario.socket_buffer, now);
            let link = if self.calm { LinkModel::Sound } else { self.scenario.link };
            let fate = link.fate(now + wait, &mut self.link_rng);
            if let Some(dies) = fate.dies {
                self.at(dies, SimEvent::LinkBreaks(session));
            }
            self.line = Some(Line { service, up, acks_until: now, left: false, fate });
            return self.after(wait, SimEvent::Opened(session));
        };
        self.after(wait, SimEvent::Failed(session, reason));
    }
}
