//! The state of a connection.

use std::time::Instant;

use kvs_types::AckError;

use super::session::Session;
use crate::io::control::{ControlRequest, ControlRequestId};
use crate::io::session_id::SessionId;
use crate::report::reason::HaltReason;
use crate::report::span::FragmentId;

/// The state of a connection.
///
/// ```text
/// Idle --a request is needed--> Requesting --response--> Idle
///    |                              `------failure, timeout----.
///    |                                                         |
///    +--media waits--> Opening --failure, timeout--------------+
///    |                    |                                    |
///    |                  opened                                 +--> Waiting --time--> Idle
///    |                    |                                    |
///    |                    v                                    |
///    |                Streaming --broken, silent---------------+
///    |                 |      `--superseded, useless--> Idle   |
///    |        end of the body,                                 |
///    |        error ack (also in Opening)                      |
///    |                 |                                       |
///    |                 v                                       |
///    |              Draining --silent, broken, after an error--'
///    |                        `--everything persisted--> Idle
///    |
///    `--finish, nothing left--> Finished
///
/// If a retry would not help, Halted replaces Waiting: --resume--> Idle. If another request helps, Idle replaces Waiting.
/// Any state --deadline of the stop--> Finished.
/// ```
#[derive(Debug)]
pub(super) enum Link {
    /// Nothing is in progress.
    Idle,
    /// A control request is in progress.
    Requesting { id: ControlRequestId, request: ControlRequest, deadline: Instant },
    /// A connection is being established.
    Opening { session: Session, deadline: Instant },
    /// Media is sent, acknowledgements are received.
    Streaming { session: Session },
    /// No more media is sent; the last acknowledgements are awaited.
    Draining { session: Session, deadline: Instant, then: AfterDrain },
    /// Waits before the next attempt.
    Waiting { until: Instant },
    /// Nothing is tried until a resume.
    Halted { reason: HaltReason },
    /// Nothing follows.
    Finished,
}

/// What follows a drain.
#[derive(Debug)]
pub(super) enum AfterDrain {
    Idle,
    Retry(AckError),
    Halt(AckError),
}

impl Link {
    /// The session that is open or being opened.
    pub(super) const fn session(&self) -> Option<&Session> {
        match self {
            Self::Opening { session, .. } | Self::Streaming { session } | Self::Draining { session, .. } => {
                Some(session)
            }
            Self::Idle | Self::Requesting { .. } | Self::Waiting { .. } | Self::Halted { .. } | Self::Finished => None,
        }
    }

    /// The session with this id. Late data from an old session finds none.
    pub(super) fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        match self {
            Self::Opening { session, .. } | Self::Streaming { session } | Self::Draining { session, .. } => {
                Some(session).filter(|session| session.id == id)
            }
            Self::Idle | Self::Requesting { .. } | Self::Waiting { .. } | Self::Halted { .. } | Self::Finished => None,
        }
    }

    /// Nothing is awaited any more for a fragment that was settled outside of the current session.
    pub(super) fn forget(&mut self, fragment: FragmentId) {
        match self {
            Self::Opening { session, .. } | Self::Streaming { session } | Self::Draining { session, .. } => {
                session.forget(fragment);
            }
            Self::Idle | Self::Requesting { .. } | Self::Waiting { .. } | Self::Halted { .. } | Self::Finished => {}
        }
    }

    /// Takes the session out of its state.
    pub(super) fn into_session(self) -> Option<Session> {
        match self {
            Self::Opening { session, .. } | Self::Streaming { session } | Self::Draining { session, .. } => {
                Some(session)
            }
            Self::Idle | Self::Requesting { .. } | Self::Waiting { .. } | Self::Halted { .. } | Self::Finished => None,
        }
    }

    /// Takes the state out; the caller sets the next one.
    pub(super) const fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Idle)
    }
}
