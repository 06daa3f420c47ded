//! A link that breaks: a proxy on loopback that resets connections, limits the rate and delays the bytes.

mod link;
mod plan;
mod pump;

pub use link::FlakyLink;
pub use plan::{LinkPlan, Resets};
