//! Reading a document as a type, with the path to the fault if there is one.

use serde::Deserialize;

use super::error::{DecodeError, Envelope};
use super::recognize::of_json;

/// Reads a whole document.
///
/// The path costs time on every member, so it is looked for only when the document is at fault.
pub(crate) fn read<'a, T: Deserialize<'a>>(document: &'a [u8], envelope: Envelope) -> Result<T, DecodeError> {
    // One check of the whole text spares one for each string in it.
    let outcome = match std::str::from_utf8(document) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(document),
    };
    outcome.map_err(|error| at_path::<T>(document, envelope, &error))
}

fn at_path<'a, T: Deserialize<'a>>(document: &'a [u8], envelope: Envelope, error: &serde_json::Error) -> DecodeError {
    if !error.is_data() {
        return of_json(error);
    }
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let found = serde_path_to_error::deserialize::<_, T>(&mut deserializer);
    let path = found.err().map(|error| error.path().to_string()).filter(|path| path != ".");
    DecodeError::field(envelope, path.unwrap_or_else(|| "the top".to_owned()), error.to_string())
}
