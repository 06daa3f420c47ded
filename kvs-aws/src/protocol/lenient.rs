//! Readers for JSON that the service sends although its model does not describe it.

use serde::{Deserialize, Deserializer};

/// Reads null as the default value; for `#[serde(default, deserialize_with = "…")]`. The service sends null for empty lists.
///
/// # Errors
/// Returns the errors of `T`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
