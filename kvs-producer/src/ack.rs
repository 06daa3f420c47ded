//! One acknowledgement, as the service reports on a fragment.

use std::fmt;

use kvs_types::{ErrorId, FragmentNumber};

/// What the service says about a fragment or about the connection
/// (<https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ack {
    /// What happened.
    pub kind: AckKind,
    /// The fragment's cluster timecode in milliseconds as it was sent; absent on `IDLE` and on some errors.
    pub timecode: Option<u64>,
    /// The number the service gave the fragment.
    pub number: Option<FragmentNumber>,
    /// Set on error acks.
    pub error: Option<AckError>,
    /// Keys this version does not know, with their values as JSON text.
    pub other: Vec<(String, String)>,
}

/// The step a fragment has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckKind {
    /// The first bytes of the fragment arrived.
    Buffering,
    /// The whole fragment arrived.
    Received,
    /// The fragment is stored: it need not be kept any longer.
    Persisted,
    /// The fragment or the connection failed.
    Error,
    /// The connection is open and nothing arrives.
    Idle,
    /// A kind this version does not know.
    Other(String),
}

/// The error of an error ack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AckError {
    /// The number; [`ErrorId::meaning`] explains the documented ones.
    pub id: ErrorId,
    /// The name the service sent; empty where it sent none.
    pub code: String,
}

impl AckError {
    /// An error of this id and name.
    pub fn new(id: ErrorId, code: impl Into<String>) -> Self {
        Self { id, code: code.into() }
    }
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id.meaning() {
            Some(meaning) => write!(f, "{}: {meaning}", self.id),
            None if self.code.is_empty() => self.id.fmt(f),
            None => write!(f, "{} {}", self.id.0, self.code),
        }
    }
}
