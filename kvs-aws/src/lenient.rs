//! Reading what the service really sends.

use serde::{Deserialize, Deserializer};

/// Reads an explicit null as the default; for `#[serde(default, deserialize_with = "…")]`.
///
/// # Errors
/// Those of `T`.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
