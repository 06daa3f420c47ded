//! Whether a configuration of a stream is in effect.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// Whether an image-generation or notification configuration is in effect.
    #[non_exhaustive]
    pub enum ConfigurationStatus ("Status": "ENABLED or DISABLED") {
        /// In effect.
        Enabled = "ENABLED",
        /// Stored, but not in effect.
        Disabled = "DISABLED",
    }
}
