//! On or off.

use serde::{Deserialize, Serialize};

use crate::protocol::error::Error;
use crate::protocol::response::Response;

/// Whether a configuration is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ConfigurationStatus {
    /// In force.
    Enabled,
    /// Kept, but not in force.
    Disabled,
}

/// Reads a success that says nothing.
pub(crate) async fn nothing(response: Response) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Nothing {}
    let Nothing {} = response.json(crate::limits::RESPONSE_BYTES).await?;
    Ok(())
}
