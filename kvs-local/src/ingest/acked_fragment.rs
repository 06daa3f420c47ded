//! The fragment that an acknowledgement names.

use kvs_types::{Ack, AckEventType, ErrorId, FragmentNumber};

/// The fragment that an acknowledgement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AckedFragment {
    /// The cluster's timecode as sent, in ms: since the session's start, or since the Unix epoch.
    pub(super) timecode_ms: u64,
    /// The number assigned to the fragment.
    pub(super) number: FragmentNumber,
}

impl AckedFragment {
    /// Returns the acknowledgement that the fragment has reached a state.
    pub(super) fn ack(&self, reached: AckEventType) -> Ack {
        Ack::new(reached).with_fragment(self.timecode_ms, self.number.clone())
    }
}

/// Returns the acknowledgement of an error, of a fragment or of the session.
pub(super) fn error_ack(fragment: Option<&AckedFragment>, id: ErrorId) -> Ack {
    let ack = Ack::error(id);
    match fragment {
        Some(AckedFragment { timecode_ms, number }) => ack.with_fragment(*timecode_ms, number.clone()),
        None => ack,
    }
}
