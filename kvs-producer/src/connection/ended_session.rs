//! The last session that was reset: its acknowledgements may arrive later than the news of its end.

use std::collections::BTreeMap;

use super::flight::Flight;
use super::session::Session;
use crate::io::ack_parser::AckParser;
use crate::io::session_id::SessionId;
use crate::report::span::FragmentId;

/// What the last session had sent and did not settle.
#[derive(Debug)]
pub(super) struct EndedSession {
    pub(super) id: SessionId,
    pub(super) acks: AckParser,
    unsettled: BTreeMap<u64, Flight>,
}

impl EndedSession {
    /// Keeps what a late acknowledgement may settle; `None` if nothing.
    pub(super) fn of(mut session: Session) -> Option<Self> {
        let unsettled = session.take_unsettled();
        (!unsettled.is_empty()).then_some(Self { id: session.id, acks: session.acks, unsettled })
    }

    /// Takes the fragment that was sent with this timecode.
    pub(super) fn take(&mut self, timecode: u64) -> Option<FragmentId> {
        self.unsettled.remove(&timecode).map(|flight| flight.fragment)
    }
}
