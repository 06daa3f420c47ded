//! For the tests, tools and fuzz targets of this family. Not covered by semantic versioning.

/// The ingest core: the bytes of a PutMedia body in, acks and fragments out.
pub mod ingest {
    pub use crate::ingest::*;
}

/// Durable storage of fragments.
#[cfg(feature = "store")]
pub mod store {
    pub use crate::store::*;
}

/// Entry points of the fuzz targets.
#[cfg(feature = "store")]
pub mod fuzz {
    pub use crate::fuzz::*;
}

/// Delivery of images and notifications.
#[cfg(feature = "server")]
pub mod deliver {
    pub use crate::deliver::*;
}

/// Extraction of images from stored media.
#[cfg(feature = "images")]
pub mod images {
    pub use crate::images::*;
}

/// Limits of the service.
#[cfg(feature = "server")]
pub mod limits {
    pub use crate::limits::*;
}
