//! The durable store of fragments.
//!
//! # On disk
//!
//! ```text
//!   DIR/lock                               held while the store is open
//!   DIR/streams/LABEL-N/stream.json        the stream's name, and up to where it was trimmed
//!   DIR/streams/LABEL-N/0000000000.seg     fragments, one behind the other, each with checksums
//!   DIR/streams/LABEL-N/0000000000.idx     where they lie, for segments that are full
//! ```
//!
//! Each stream has append-only segment files of 64 MiB. A fragment is one `write` and one `fdatasync`; one file a fragment
//! would need two syncs and a rename, and leave half a million files for 100 GB, and an embedded database would write the media
//! twice. Retention removes whole segments; a fragment past it is not listed or served any more, even if its segment is still there.
//! Opening reads one small file for each stream; a stream's indexes are read at its first use, and media never.
//!
//! # What survives what
//!
//! With [`Durability::Synced`], the default, a fragment whose [`Store::append`] returned `Ok` survives the end of the process
//! and the loss of power at any instant: its bytes are synced, and so are the names of its segment and folder. With
//! [`Durability::Written`] it survives the end of the process only. A record that was cut short is dropped at the next opening, and
//! nothing is served whose checksum does not match.

pub mod limits;

mod directory;
mod disk;
mod error;
mod fragment;
mod index;
mod policy;
mod record;
mod segment;
mod stream;

pub use directory::Store;
pub use disk::{Disk, Durability};
pub use error::StoreError;
pub use fragment::{Contents, StoredFragment};
pub use index::{FragmentInfo, Selection, TimestampKind};
pub use policy::{Keep, StorePolicy, Trimmed};

#[cfg(test)]
mod sim;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
