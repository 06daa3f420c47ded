//! Giving media back: what GetMedia, GetMediaForFragmentList and ListFragments answer, without HTTP.
//!
//! A request is parsed into [`StartSelector`], [`ListedMedia`] or [`Listing`], and these read from a
//! [`Store`](crate::store::Store). Media goes out byte for byte as it came in; the service's own tags stand around it as the
//! service writes them.

pub mod limits;

mod listing;
mod media;
mod selector;
mod service_tags;

pub use listing::{InvalidListing, Listing, Page};
pub use media::{InvalidFragmentList, ListedMedia, MediaReader, Read};
pub use selector::{InvalidSelector, StartSelector};

#[cfg(test)]
mod tests;
