//! What the core and its driver exchange: requests, responses, and the bytes of the acks.

pub(crate) mod ack_parser;
pub(crate) mod control;
pub(crate) mod transmit;
