//! Durable storage of fragments.
//!
//! # On disk
//!
//! ```text
//!   DIR/lock                               locked while the store is open
//!   DIR/streams/LABEL-N/stream.json        manifest: the stream's name, and up to which fragment it was trimmed
//!   DIR/streams/LABEL-N/0000000000.seg     fragments in sequence, each with checksums
//!   DIR/streams/LABEL-N/0000000000.idx     index of a sealed segment
//! ```
//!
//! Each stream has append-only segment files of 64 MiB. A fragment takes one `write` and one `fdatasync`. One file per fragment
//! would need two syncs and a rename and leave half a million files for 100 GB; an embedded database would write the media
//! twice. Retention removes whole segments; a fragment past its retention is neither listed nor served, even if its segment
//! still exists. Opening reads one small file per stream. The indexes of a stream are read when it is first used; media is not.
//!
//! # Durability
//!
//! With [`Durability::Synced`], the default, a fragment whose [`Store::append`] returned `Ok` survives the end of the
//! process and power loss at any time: its bytes are synced, and so are the directory entries of its segment and folder. With
//! [`Durability::Written`] it survives the end of the process only. An incomplete record is ignored at the next opening. Fragments
//! with a wrong checksum are never served.
//!
//! # Damage
//!
//! Every file has checksums, so that damage costs what it hits and is named in the log. Behind a damaged record, reading goes on at
//! the next whole one. A stream whose manifest is damaged is set aside: its folder stays as it is, and the other streams are served.

pub mod limits;

pub(crate) mod checked;
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
pub use index::{FragmentRecord, Selection};
pub use policy::{Keep, StorePolicy, Trimmed};

#[cfg(test)]
mod sim;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
