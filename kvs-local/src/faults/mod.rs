//! Fault injection: the service misbehaves on request, so that clients can be tested against it.

mod injected;
mod script;

use serde::Deserialize;

pub(crate) use injected::{InjectedFaults, ReadAction};
pub use script::Faults;

use crate::api::{Exception, Operation};

/// A fault to inject: what goes wrong, and for which requests.
///
/// ```
/// use kvs_local::{Fault, FaultKind};
///
/// // The third fragment of the next session of `door` gets an error ack; later sessions are normal.
/// let fault = Fault::new(FaultKind::ErrorAck { fragment: 3, id: 4004 }).stream("door").times(1);
/// // The same fault from a script file.
/// let file = r#"[{ "stream": "door", "times": 1, "do": { "error_ack": { "fragment": 3, "id": 4004 } } }]"#;
/// assert_eq!(Fault::read(file)?, [fault]);
/// # Ok::<(), kvs_local::InvalidFaults>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Fault {
    /// Operation it applies to, by path without the slash (`putMedia`, `getImages`). Default: every operation that the kind
    /// can apply to.
    #[serde(rename = "on")]
    pub operation: Option<String>,
    /// Name of the stream it applies to. Default: all requests, also those without a stream.
    pub stream: Option<String>,
    /// Number of matching requests to leave alone first. Default: 0.
    #[serde(default)]
    pub after: u32,
    /// Number of matching requests it applies to after that. Default: all.
    pub times: Option<u32>,
    /// What goes wrong.
    #[serde(rename = "do")]
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum FaultKind {
    /// Refuses the request with an exception of the service, for example `ClientLimitExceededException` (throttling),
    /// `InvalidEndpointException` (stale endpoint), `ExpiredTokenException` (credentials) or `InternalFailure`.
    Refuse {
        /// Name of the exception.
        exception: String,
    },
    /// Responds with status 200 and `UnknownOperationException` in the body, as the service does at a wrong endpoint.
    UnknownOperation,
    /// Delays the response.
    Delay {
        /// Delay in milliseconds.
        ms: u64,
    },
    /// Writes timestamps in JSON with an exponent: `1.705489836421E9`.
    ScientificTimestamps,
    /// Omits absent values. Without this fault they are explicit nulls, as the service sends them.
    OmitNulls,
    /// Checks signatures, and sets the `Date` header, with a clock that is wrong.
    ClockSkew {
        /// Offset in seconds; negative means behind.
        seconds: i64,
    },
    /// GetImages reports `MEDIA_ERROR` for every image.
    MediaError,
    /// GetImages reports `NO_MEDIA` for every image.
    NoMedia,
    /// ListFragments returns fragments in no order, so that a page may contain older ones than the page before it. Without this
    /// fault the fragments of a page are unordered, and the pages are in order.
    Unordered,
    /// ListFragments does not return the fragments of the last milliseconds yet, and GetMediaForFragmentList does not find them:
    /// in the service both lag behind PERSISTED, usually less than a second.
    LateListing {
        /// Age in milliseconds, by server timestamp, from which a fragment is found.
        ms: u64,
    },
    /// PutMedia does not store a fragment, sends this error ack for it and ends the session.
    ErrorAck {
        /// Position of the fragment in the session, from 1.
        fragment: u32,
        /// `ErrorId` of the ack.
        id: u16,
    },
    /// PutMedia closes the connection within the body.
    CutAfter {
        /// Number of body bytes before that.
        bytes: u64,
    },
    /// PutMedia stops reading and acking for a while.
    StallAfter {
        /// Number of body bytes before that.
        bytes: u64,
        /// Duration in milliseconds.
        ms: u64,
    },
    /// PutMedia reads the body slowly.
    SlowReader {
        /// Bytes per second, at least 1.
        bytes_per_second: u32,
    },
    /// PutMedia delays each ack, and with it everything after it.
    DelayAcks {
        /// Delay in milliseconds.
        ms: u64,
    },
    /// PutMedia does not send acks of one type.
    LoseAcks {
        /// Type of the acks: `BUFFERING`, `RECEIVED`, `PERSISTED`, `IDLE` or `ERROR`.
        event: String,
    },
    /// PutMedia sends each ack twice.
    DuplicateAcks,
    /// PutMedia sends acks in pieces that end anywhere.
    SplitAcks {
        /// Bytes per piece, at least 1.
        bytes: u32,
    },
}

/// An invalid fault script.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFaults {
    /// The script is not a JSON list of faults.
    #[error("fault script is not a JSON list of faults")]
    Json {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The service has no such exception.
    #[error("unknown exception '{name}'")]
    Exception {
        /// The given value.
        name: String,
    },
    /// The service has no such operation.
    #[error("unknown operation '{name}'; use the path without its slash, such as getImages")]
    Operation {
        /// The given value.
        name: String,
    },
    /// The fault can never apply to the operation it names.
    #[error("this fault does not apply to {operation}, only to {only}")]
    Misplaced {
        /// The given value.
        operation: String,
        /// The operation it applies to.
        only: &'static str,
    },
    /// The service has no such ack type.
    #[error("unknown ack type '{event}', expected BUFFERING, RECEIVED, PERSISTED, IDLE or ERROR")]
    Ack {
        /// The given value.
        event: String,
    },
    /// A number is zero.
    #[error("{member} must be at least 1, got 0")]
    Zero {
        /// Name of the member.
        member: &'static str,
    },
}

impl Fault {
    /// Creates a fault that applies to every request its kind can apply to.
    #[must_use]
    pub const fn new(kind: FaultKind) -> Self {
        Self { operation: None, stream: None, after: 0, times: None, kind }
    }

    /// Applies to this operation only, given by path without the slash.
    #[must_use]
    pub fn on(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Applies to requests for this stream only.
    #[must_use]
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    /// Leaves the first `requests` matching requests alone.
    #[must_use]
    pub const fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }

    /// Applies to `requests` requests only.
    #[must_use]
    pub const fn times(mut self, requests: u32) -> Self {
        self.times = Some(requests);
        self
    }

    /// Parses a fault script: a JSON list of faults.
    ///
    /// # Errors
    ///
    /// The text is not such a list, or a fault names something that does not exist or can never apply.
    pub fn read(json: &str) -> Result<Vec<Self>, InvalidFaults> {
        let faults: Result<Vec<Self>, _> = serde_json::from_str(json);
        let faults = faults.map_err(|error| InvalidFaults::Json { source: error.into() })?;
        faults.iter().try_for_each(Self::check)?;
        Ok(faults)
    }

    /// Rejects a fault that can never apply.
    pub(crate) fn check(&self) -> Result<(), InvalidFaults> {
        if let Some(name) = &self.operation {
            if Operation::from_path(&format!("/{name}")).is_none() {
                return Err(InvalidFaults::Operation { name: name.clone() });
            }
            if let Some(only) = self.kind.only().filter(|only| only != name) {
                return Err(InvalidFaults::Misplaced { operation: name.clone(), only });
            }
        }
        self.kind.check()
    }
}

impl FaultKind {
    fn check(&self) -> Result<(), InvalidFaults> {
        match self {
            Self::Refuse { exception } if Exception::from_name(exception).is_none() => {
                Err(InvalidFaults::Exception { name: exception.clone() })
            }
            Self::LoseAcks { event } if !ACKS.contains(&event.as_str()) => {
                Err(InvalidFaults::Ack { event: event.clone() })
            }
            Self::SlowReader { bytes_per_second: 0 } => Err(InvalidFaults::Zero { member: "bytes_per_second" }),
            Self::SplitAcks { bytes: 0 } => Err(InvalidFaults::Zero { member: "bytes" }),
            Self::ErrorAck { fragment: 0, .. } => Err(InvalidFaults::Zero { member: "fragment" }),
            _ => Ok(()),
        }
    }

    /// Returns whether it can apply to an operation; others must not count.
    fn applies_to(&self, operation: &str) -> bool {
        match self {
            Self::LateListing { .. } => matches!(operation, "listFragments" | "getMediaForFragmentList"),
            _ => self.only().is_none_or(|only| only == operation),
        }
    }

    /// Returns the only operation it can apply to, if there is just one.
    const fn only(&self) -> Option<&'static str> {
        match self {
            Self::MediaError | Self::NoMedia => Some("getImages"),
            Self::Unordered => Some("listFragments"),
            Self::ErrorAck { .. }
            | Self::CutAfter { .. }
            | Self::StallAfter { .. }
            | Self::SlowReader { .. }
            | Self::DelayAcks { .. }
            | Self::LoseAcks { .. }
            | Self::DuplicateAcks
            | Self::SplitAcks { .. } => Some("putMedia"),
            Self::Refuse { .. }
            | Self::UnknownOperation
            | Self::Delay { .. }
            | Self::ScientificTimestamps
            | Self::OmitNulls
            | Self::LateListing { .. }
            | Self::ClockSkew { .. } => None,
        }
    }
}

/// The ack types (`EventType`).
const ACKS: [&str; 5] = ["BUFFERING", "RECEIVED", "PERSISTED", "IDLE", "ERROR"];
