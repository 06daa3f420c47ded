//! The state of a stream.

use crate::open_enum::open_enum;

open_enum! {
    /// The state of a stream.
    pub enum StreamStatus {
        /// Being created.
        Creating = "CREATING",
        /// Ready for use.
        Active = "ACTIVE",
        /// Being updated; the service rejects further updates in this state.
        Updating = "UPDATING",
        /// Being deleted.
        Deleting = "DELETING",
    }
}
