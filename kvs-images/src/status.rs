//! On or off.

use kvs_aws::{Error, Reply};
use serde::{Deserialize, Serialize};

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
pub(crate) async fn nothing(reply: Reply) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Nothing {}
    let Nothing {} = reply.json(kvs_aws::limits::RESPONSE_BYTES).await?;
    Ok(())
}
