//! Why a byte stream cannot be split.

use crate::codec::{h264, h265};

/// A byte stream that cannot be split into access units; the encoder is wrong, or it is not an Annex B stream. Later calls
/// return the same error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// An access unit, or a NAL unit in it, does not end.
    #[error("the access unit at offset {at} has more than {limit} bytes; is it an Annex B stream of this codec?")]
    TooLong {
        /// Offset of its first start code in the stream.
        at: u64,
        /// The largest allowed size in bytes.
        limit: usize,
    },
    /// An access unit has too many NAL units.
    #[error("the access unit at offset {at} has more than {limit} NAL units; is it an Annex B stream of this codec?")]
    TooManyUnits {
        /// Offset of its first start code in the stream.
        at: u64,
        /// The largest allowed number.
        limit: usize,
    },
    /// The parameter sets before an access unit give no codec private data.
    #[error("the parameter sets of the H.264 access unit at offset {at} cannot be used")]
    H264 {
        /// Offset of its first start code in the stream.
        at: u64,
        /// What is wrong with them.
        source: h264::ParameterSetsError,
    },
    /// The parameter sets before an access unit give no codec private data.
    #[error("the parameter sets of the H.265 access unit at offset {at} cannot be used")]
    H265 {
        /// Offset of its first start code in the stream.
        at: u64,
        /// What is wrong with them.
        source: h265::ParameterSetsError,
    },
}
