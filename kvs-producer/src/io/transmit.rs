//! What the driver has to do, in order.

use std::time::SystemTime;

use kvs_mkv::Chunks;
use kvs_types::FragmentTimecodeType;

use super::control::{ControlRequest, ControlRequestId};
use super::session_id::SessionId;
#[cfg(feature = "spool")]
use crate::spool::message::SpoolRequest;

/// One action for the driver. Execute them in the order in which
/// [`poll_transmit`](crate::ProducerCore::poll_transmit) returns them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Transmit {
    /// Send a control request and pass its result to [`handle_response`](crate::ProducerCore::handle_response).
    Control {
        /// Identifies the request in `handle_response`.
        id: ControlRequestId,
        /// The request.
        request: ControlRequest,
    },
    /// Open a PutMedia connection, then call [`handle_opened`](crate::ProducerCore::handle_opened) or
    /// [`handle_closed`](crate::ProducerCore::handle_closed).
    Open {
        /// Identifies the connection from now on.
        session: SessionId,
        /// Where to connect, and the headers of the request.
        request: OpenRequest,
    },
    /// Send these bytes of the request body, then call [`handle_sent`](crate::ProducerCore::handle_sent) when the transport
    /// has accepted them.
    Body {
        /// The connection.
        session: SessionId,
        /// Matroska data: whole blocks, with what begins or ends their fragment. Payloads of more than 512 bytes are not copied.
        chunks: Chunks,
    },
    /// End the request body. The response stays open, because acknowledgements still arrive.
    End {
        /// The connection.
        session: SessionId,
    },
    /// Pass the request to [`Spool::handle`](crate::Spool::handle) on a thread that may block, in order, and its responses to
    /// [`handle_spool`](crate::ProducerCore::handle_spool).
    #[cfg(feature = "spool")]
    Spool(SpoolRequest),
    /// Drop the connection immediately. The core expects nothing more from it.
    Abort {
        /// The connection.
        session: SessionId,
    },
}

/// The endpoint and the headers of a PutMedia request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenRequest {
    /// The data endpoint, from GetDataEndpoint or from the configuration.
    pub endpoint: String,
    /// The header `x-amzn-fragment-timecode-type`.
    pub timecode_type: FragmentTimecodeType,
    /// The header `x-amzn-producer-start-timestamp`: the time that relative timecodes count from. With absolute timecodes
    /// it is the time of the first fragment, which the service ignores.
    pub producer_start: SystemTime,
}
