//! What fragment timecodes count from.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// What the cluster timecodes of a PutMedia session count from (`x-amzn-fragment-timecode-type`).
    #[expect(clippy::exhaustive_enums, reason = "the header has these two values")]
    pub enum FragmentTimecodeType ("FragmentTimecodeType": "ABSOLUTE or RELATIVE") {
        /// From the Unix epoch.
        Absolute = "ABSOLUTE",
        /// From the producer start timestamp of the session.
        Relative = "RELATIVE",
    }
}
