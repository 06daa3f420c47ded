//! The compiled half of the Python package `kvs`. It holds what needs the Rust crates; the Python half (`python/kvs`) holds the public
//! names and their documentation.
use pyo3::prelude::*;

mod client;
mod errors;
mod event;
mod fragments;
mod images;
mod input;
mod notify;
mod producer;
mod runtime;
mod settings;
mod tracks;

/// The compiled half of the package. Its names are private: use those of `kvs`.
#[pymodule]
mod _kvs {
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::event::Event;
    #[pymodule_export]
    use crate::fragments::{Fragment, FragmentReader, Frame};
    #[pymodule_export]
    use crate::images::ImageIterator;
    #[pymodule_export]
    use crate::notify::{decode, image_metadata, parse_image_key};
    #[pymodule_export]
    use crate::producer::Producer;
}
