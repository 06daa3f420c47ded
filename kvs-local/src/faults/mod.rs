//! Scripted faults: the service misbehaves on purpose, so that clients can be tried against it.

mod injected;
mod script;

use serde::Deserialize;

pub(crate) use injected::{Befallen, Reading};
pub use script::Faults;

use crate::api::{Exception, Route};

/// One fault: what goes wrong, and for which requests.
///
/// ```
/// use kvs_local::{Fault, FaultKind};
///
/// // The third fragment of the next session of `door` is refused, and the session after that goes well.
/// let fault = Fault::new(FaultKind::ErrorAck { fragment: 3, id: 4004 }).stream("door").times(1);
/// // The same from a file.
/// let file = r#"[{ "stream": "door", "times": 1, "do": { "error_ack": { "fragment": 3, "id": 4004 } } }]"#;
/// assert_eq!(Fault::read(file)?, [fault]);
/// # Ok::<(), kvs_local::InvalidFaults>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Fault {
    /// Which operation it befalls, by its path without the slash (`putMedia`, `getImages`); default: every one it fits.
    #[serde(rename = "on")]
    pub operation: Option<String>,
    /// Requests for which stream; default: any, and those that name none.
    pub stream: Option<String>,
    /// How many such requests go well first; default none.
    #[serde(default)]
    pub after: u32,
    /// How many such requests it befalls then; default all.
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
    /// The request is refused with this exception of the service: throttles (`ClientLimitExceededException`), an endpoint
    /// that is no good any more (`InvalidEndpointException`), expired credentials (`ExpiredTokenException`), failures
    /// (`InternalFailure`).
    Refuse {
        /// Its name.
        exception: String,
    },
    /// Status 200 and a body that says `UnknownOperationException`, as the service answers at the wrong endpoint.
    UnknownOperation,
    /// The answer comes late.
    Delay {
        /// By so many milliseconds.
        ms: u64,
    },
    /// Timestamps in JSON have an exponent: `1.705489836421E9`.
    ScientificTimestamps,
    /// Values that are absent are left out; without this fault they come as explicit nulls, as the service sends them.
    OmitNulls,
    /// Signatures are checked as if the service's clock were off.
    ClockSkew {
        /// By so many seconds; negative: behind.
        seconds: i64,
    },
    /// GetImages has media and cannot decode it.
    MediaError,
    /// GetImages finds no media at any time.
    NoMedia,
    /// PutMedia: a fragment of the session is not stored but gets this error, and the session ends.
    ErrorAck {
        /// Which one, from 1.
        fragment: u32,
        /// The error's id.
        id: u16,
    },
    /// PutMedia: the connection breaks after so many bytes of the body.
    CutAfter {
        /// So many.
        bytes: u64,
    },
    /// PutMedia: the service stops reading and acking for a while after so many bytes of the body.
    StallAfter {
        /// So many.
        bytes: u64,
        /// For so many milliseconds.
        ms: u64,
    },
    /// PutMedia: the service reads slowly.
    SlowReader {
        /// So many bytes a second, at least 1.
        bytes_per_second: u32,
    },
    /// PutMedia: each ack comes late, and what follows it too.
    DelayAcks {
        /// By so many milliseconds.
        ms: u64,
    },
    /// PutMedia: acks of a type are not sent.
    LoseAcks {
        /// The type: `BUFFERING`, `RECEIVED`, `PERSISTED`, `IDLE`, `ERROR`.
        event: String,
    },
    /// PutMedia: each ack is sent twice.
    DuplicateAcks,
    /// PutMedia: acks come in pieces, cut anywhere.
    SplitAcks {
        /// Bytes of a piece, at least 1.
        bytes: u32,
    },
}

/// A fault script that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFaults {
    /// Not a JSON list of faults.
    #[error("a fault script is a JSON list of faults: {0}")]
    Json(#[from] serde_json::Error),
    /// An exception the service does not know.
    #[error("'{name}' is no exception of the service")]
    Exception {
        /// What was given.
        name: String,
    },
    /// An operation the service does not know.
    #[error("'{name}' is no operation of the service; operations are named by their path, as getImages")]
    Operation {
        /// What was given.
        name: String,
    },
    /// A fault that can never befall the operation it names.
    #[error("this fault cannot befall {operation}, only {only}")]
    Misplaced {
        /// What was given.
        operation: String,
        /// The operation it can befall.
        only: &'static str,
    },
    /// A type of ack the service does not send.
    #[error("'{event}' is no type of ack: BUFFERING, RECEIVED, PERSISTED, IDLE or ERROR")]
    Ack {
        /// What was given.
        event: String,
    },
    /// A number that must not be zero.
    #[error("{member} must be at least 1")]
    Zero {
        /// Which one.
        member: &'static str,
    },
}

impl Fault {
    /// A fault that befalls every request it fits.
    #[must_use]
    pub const fn new(kind: FaultKind) -> Self {
        Self { operation: None, stream: None, after: 0, times: None, kind }
    }

    /// Befalls this operation only, by its path without the slash.
    #[must_use]
    pub fn on(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Befalls requests for this stream only.
    #[must_use]
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    /// Lets so many requests go well first.
    #[must_use]
    pub const fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }

    /// Befalls so many requests only.
    #[must_use]
    pub const fn times(mut self, requests: u32) -> Self {
        self.times = Some(requests);
        self
    }

    /// Reads a script: a JSON list of faults.
    ///
    /// # Errors
    ///
    /// When it is not one, or names what does not exist.
    pub fn read(json: &str) -> Result<Vec<Self>, InvalidFaults> {
        let faults: Vec<Self> = serde_json::from_str(json)?;
        faults.iter().try_for_each(Self::check)?;
        Ok(faults)
    }

    /// Refuses a fault that could never befall anything.
    pub(crate) fn check(&self) -> Result<(), InvalidFaults> {
        if let Some(name) = &self.operation {
            if Route::of(&format!("/{name}")) == Route::Unknown {
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

    /// Whether it can befall an operation at all, so that it is not used up by another.
    fn fits(&self, operation: &str) -> bool {
        self.only().is_none_or(|only| only == operation)
    }

    /// The one operation it can befall, if it is bound to one.
    const fn only(&self) -> Option<&'static str> {
        match self {
            Self::MediaError | Self::NoMedia => Some("getImages"),
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
            | Self::ClockSkew { .. } => None,
        }
    }
}

/// The types of acks (`EventType`).
const ACKS: [&str; 5] = ["BUFFERING", "RECEIVED", "PERSISTED", "IDLE", "ERROR"];
