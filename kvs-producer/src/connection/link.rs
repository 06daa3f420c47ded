//! Where a connection stands.

use std::time::Instant;

use crate::ack::AckError;
use crate::connection::session::Session;
use crate::io::control::{ControlRequest, ControlRequestId, SessionId};
use crate::report::event::HaltReason;

/// Where the connection stands.
///
/// ```text
/// Resting --a call is missing--> Calling --answered--> Resting
///    |                              `------failed, late--------.
///    |                                                         |
///    +--media waits--> Opening --failed, late------------------+
///    |                    |                                    |
///    |                  opened                                 +--> Waiting --time--> Resting
///    |                    |                                    |
///    |                    v                                    |
///    |                Streaming --broken, silent---------------+
///    |                 |      `---gone by, of no use--> Resting |
///    |        end of the body,                                 |
///    |        error ack (also to Opening)                      |
///    |                 |                                       |
///    |                 v                                       |
///    |              Draining --silent, broken, after an error--'
///    |                        `--all persisted--> Resting
///    |
///    `--finish, nothing left--> Finished
///
/// Where a failure leaves no way on, Halted takes the place of Waiting: --resume--> Resting. Where another call mends it,
/// Resting does.
/// Any state --the stop's deadline--> Finished.
/// ```
#[derive(Debug)]
pub(super) enum Link {
    /// Nothing is under way.
    Resting,
    /// A call is out.
    Calling { id: ControlRequestId, call: ControlRequest, deadline: Instant },
    /// A connection is being made.
    Opening { session: Session, deadline: Instant },
    /// Media goes out, acks come in.
    Streaming { session: Session },
    /// No more media goes out; the last acks are waited for.
    Draining { session: Session, deadline: Instant, then: Then },
    /// Until the next attempt.
    Waiting { until: Instant },
    /// Nothing more is tried.
    Halted { reason: HaltReason },
    /// Nothing more will come.
    Finished,
}

/// What follows a drain.
#[derive(Debug)]
pub(super) enum Then {
    Rest,
    Retry(AckError),
    Halt(AckError),
}

impl Link {
    /// The connection that is there or being made.
    pub(super) const fn session(&self) -> Option<&Session> {
        match self {
            Self::Opening { session, .. } | Self::Streaming { session } | Self::Draining { session, .. } => {
                Some(session)
            }
            Self::Resting | Self::Calling { .. } | Self::Waiting { .. } | Self::Halted { .. } | Self::Finished => None,
        }
    }

    /// The connection of this id: what a dead one still says is for nobody.
    pub(super) fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        match self {
            Self::Opening { session, .. } | Self::Streaming { session } | Self::Draining { session, .. } => {
                Some(session).filter(|session| session.id == id)
            }
            Self::Resting | Self::Calling { .. } | Self::Waiting { .. } | Self::Halted { .. } | Self::Finished => None,
        }
    }

    /// Takes the state out, to be replaced by the next.
    pub(super) const fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Resting)
    }
}
