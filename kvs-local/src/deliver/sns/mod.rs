//! Messages as SNS sends them: signed, kept in a folder, posted to subscribers.

pub(in crate::deliver) mod post;
pub(in crate::deliver) mod publisher;
pub(in crate::deliver) mod signer;
pub(in crate::deliver) mod subscriber;
pub(in crate::deliver) mod topic;
