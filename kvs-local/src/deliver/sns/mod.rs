//! Messages in the format of SNS: signed, stored in a folder and posted to subscribers.
//!
//! ```text
//! Publisher ──> Subscriber task ──> Poster
//!     │               │
//!     └──> Envelope <─┘──> Signer
//! SnsEndpoint: certificate, ConfirmSubscription, Unsubscribe
//! ```

pub(super) mod endpoint;
mod envelope;
mod post;
pub(super) mod publisher;
pub(super) mod signer;
mod subscriber;
pub(super) mod subscription;
pub(super) mod topic;
pub(super) mod topic_client;
