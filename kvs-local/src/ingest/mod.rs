//! Ingestion: the bytes of one PutMedia body in, ack lines and complete fragments out.
//!
//! [`Ingest`] has no runtime, socket, clock or disk in it. Plug a producer core into it and a day of video is a unit test;
//! the service puts a connection and a store around it.

pub mod limits;

mod ack;
mod body;
mod body_buffer;
mod config;
mod fragment;
mod number;
mod open;
mod session;

pub use ack::{Ack, AckedFragment};
pub use config::{AckMode, IngestConfig, Now, ProducerStart, Profile, Retention};
pub use fragment::IngestedFragment;
pub use kvs_types::FragmentTimecodeType;
pub use number::{NumberParts, first_sequence_after};
pub use session::Ingest;

#[cfg(test)]
mod tests;
