//! Ingestion: the bytes of a PutMedia body in, acks and complete fragments out.
//!
//! [`Ingest`] has no runtime, sockets, clock or disk. With a producer core connected to it, a day of video is a unit test; the
//! service adds the connection and the store.

pub mod limits;

mod acked_fragment;
mod body;
mod body_buffer;
mod config;
mod fragment;
mod number;
mod open_fragment;
mod session;

pub use config::{AckMode, IngestConfig, Now, ProducerStart, Profile, Retention};
pub use fragment::IngestedFragment;
pub use kvs_types::{Ack, AckEventType, FragmentTimecodeType};
pub use number::{NumberParts, first_sequence_after};
pub use session::Ingest;

#[cfg(test)]
mod tests;
