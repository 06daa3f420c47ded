//! What the core and its driver exchange: requests and their results, connections, and the bytes of acknowledgements.

pub(crate) mod ack_parser;
pub(crate) mod control;
pub(crate) mod failure;
pub(crate) mod session_id;
pub(crate) mod transmit;
