//! Media on disk: what does not fit into the memory of a producer, and what waits when it stops.
//!
//! # On disk
//!
//! ```text
//!   DIR/lock             locked while a producer uses the folder
//!   DIR/0000000000.seg   fragments in the order of writing, each with checksums
//!   DIR/0000000000.ack   which of them are settled: persisted, or reported lost
//!   DIR/0000000000.lost  which media was lost with the segment, until the application was told
//! ```
//!
//! A segment is at most a sixteenth of the limit and 16 MiB. A fragment takes one `write` and one `fdatasync`. A segment
//! whose fragments are all settled is removed. At the limit, the oldest segment is removed and reported as lost. Recovered
//! segments are never appended to.
//!
//! # What survives
//!
//! A fragment that was reported as [`Event::Spooled`](crate::Event::Spooled) is on the disk and synced: it survives a kill
//! of the process and power loss at any instant. A record that was being written is recognized by its checksums and is
//! never sent. The journal is not synced, so after power loss fragments that were persisted may be sent a second time:
//! delivery is at least once, as always. Damage costs the records that it hits; the search for the next sound one goes on
//! behind it.
//!
//! A loss is reported, too: the notice of a segment that makes room is synced before the segment is removed. If the process or
//! the power ends before the application was told, the next run tells it; a loss may so be reported twice. Only on a disk
//! without a free block is there no notice.
//!
//! # Why not the store of kvs-local
//!
//! Both are append-only segments with checksums, and they share no code. The store keeps every fragment of many streams by
//! number, serves them at random, opens without reading media and removes them by age: it has a manifest, index files and
//! sequence numbers of the service. The spool is a queue of one stream: it has a limit in bytes, a journal of what is
//! settled and an order of sending, searches behind damage, and treats a full or read-only disk as a state, not as an error.
//! It runs on devices that others may write to, so it follows no links and its files belong to their owner. What is left in
//! common, a head with two checksums, is thirty lines; a place that both crates may depend on would be a crate of its own to
//! publish, since `kvs-types` and `kvs-mkv` have no I/O.

pub(crate) mod message;

#[cfg(feature = "spool")]
pub(crate) mod config;
#[cfg(feature = "spool")]
pub(crate) mod disk;
#[cfg(feature = "spool")]
pub(crate) mod engine;
#[cfg(feature = "spool")]
pub(crate) mod error;
#[cfg(feature = "spool")]
mod journal;
#[cfg(feature = "spool")]
mod notice;
#[cfg(feature = "spool")]
mod record;
#[cfg(feature = "spool")]
mod segment;
#[cfg(feature = "spool")]
mod std_disk;

#[cfg(all(test, feature = "spool"))]
mod sim;
#[cfg(all(test, feature = "spool"))]
mod tests;
