//! The one ordered tape of what the driver is to do.

use std::time::Duration;

use kvs_mkv::Chunks;

use crate::io::control::{ControlRequest, ControlRequestId, SessionId};

/// One thing to do, in the order it comes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Transmit {
    /// Make a call; [`handle_response`](crate::ProducerCore::handle_response) takes what it came to.
    Control {
        /// Goes back with the answer.
        id: ControlRequestId,
        /// What to ask.
        request: ControlRequest,
    },
    /// Open a PutMedia connection; [`handle_opened`](crate::ProducerCore::handle_opened) or
    /// [`handle_closed`](crate::ProducerCore::handle_closed) follows.
    Open {
        /// Its name from now on.
        session: SessionId,
        /// What to connect to and with.
        request: OpenRequest,
    },
    /// Send these bytes; [`handle_sent`](crate::ProducerCore::handle_sent) tells that the transport took them.
    Body {
        /// On which connection.
        session: SessionId,
        /// Matroska, a few header bytes and then the very payload that was put.
        chunks: Chunks,
    },
    /// End the request body in order. The answer stays open: acks still come.
    End {
        /// On which connection.
        session: SessionId,
    },
    /// Let go of the connection without another word; nothing more is expected from it.
    Abort {
        /// Which connection.
        session: SessionId,
    },
}

/// What a PutMedia request says in its head.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenRequest {
    /// The data endpoint, as GetDataEndpoint or the configuration gave it.
    pub endpoint: String,
    /// `x-amzn-fragment-timecode-type`.
    pub timecodes: Timecodes,
    /// `x-amzn-producer-start-timestamp`, since the Unix epoch: the time that relative timecodes count from; with absolute
    /// ones the time of the first fragment, which the service does not use.
    pub producer_start: Duration,
}

/// What cluster timecodes count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol's two kinds")]
pub enum Timecodes {
    /// The Unix epoch.
    #[default]
    Absolute,
    /// The producer start timestamp of the connection.
    Relative,
}
