//! The clock of timestamps.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// The clock that timestamps come from: `FragmentSelectorType` and `ImageSelectorType` in the API reference.
    #[expect(clippy::exhaustive_enums, reason = "a fragment has two timestamps")]
    pub enum TimestampOrigin ("TimestampOrigin": "SERVER_TIMESTAMP or PRODUCER_TIMESTAMP") {
        /// The clock of the service, read when a fragment arrived.
        Server = "SERVER_TIMESTAMP",
        /// The clock of the producer.
        Producer = "PRODUCER_TIMESTAMP",
    }
}
