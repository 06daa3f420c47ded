//! The errors of the parser.

use crate::ElementId;

/// An error in the input: at which byte, in which element, and what is wrong.
///
/// The sender of the bytes is at fault, not the caller. A parser that returned an error returns the same one on every later
/// call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{element} at byte {offset}: {problem}")]
#[non_exhaustive]
pub struct ParseError {
    /// Offset of the element from the start of the stream, in bytes.
    pub offset: u64,
    /// The element; if its id cannot be read, the element around it.
    pub element: ElementId,
    /// What is wrong.
    pub problem: Problem,
}

impl ParseError {
    pub(crate) const fn new(offset: u64, element: ElementId, problem: Problem) -> Self {
        Self { offset, element, problem }
    }
}

/// What is wrong with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes are not an element: EBML does not allow this form of id or size.
    #[error("invalid element id or size")]
    NotAnElement,
    /// The input does not start with an EBML head.
    #[error("not Matroska: no EBML head")]
    NotMatroska,
    /// The EBML head states a document type other than `matroska` and `webm`.
    #[error("document type is neither matroska nor webm")]
    DocType,
    /// The EBML head requires more than EBML version 1 with ids of four bytes and sizes of eight bytes.
    #[error("requires {needed}, at most {limit} is supported")]
    Version {
        /// The required value.
        needed: u64,
        /// The largest supported value.
        limit: u64,
    },
    /// The size is unknown, which is allowed for Segments and Clusters only (RFC 9559 §5.1).
    #[error("size is unknown, which is allowed for Segment and Cluster only")]
    UnknownSize,
    /// The element is not allowed here.
    #[error("not allowed inside {within}")]
    Unexpected {
        /// The element around it; `EBML` for the outermost level.
        within: ElementId,
    },
    /// The element is larger than a limit of [`Limits`](crate::Limits).
    #[error("{size} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Declared size in bytes.
        size: u64,
        /// Largest allowed size in bytes.
        limit: u64,
    },
    /// The element ends after its parent.
    #[error("ends at byte {end}, past the end of {parent} at byte {parent_end}")]
    PastParent {
        /// Offset of its end.
        end: u64,
        /// The parent.
        parent: ElementId,
        /// Offset of the parent's end.
        parent_end: u64,
    },
    /// A mandatory child is missing.
    #[error("mandatory {child} is missing")]
    Missing {
        /// The missing child.
        child: ElementId,
    },
    /// A value has a size that its type cannot have.
    #[error("value of {length} bytes, which its type cannot have")]
    WrongLength {
        /// Size of the value in bytes.
        length: u64,
    },
    /// A value has no meaning here.
    #[error("value {value} is not allowed")]
    Value {
        /// The value.
        value: u64,
    },
    /// There are more children than a limit of [`Limits`](crate::Limits).
    #[error("more than {limit} entries, which is the limit")]
    TooMany {
        /// Largest allowed number.
        limit: u64,
    },
    /// Elements are nested too deep.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// Largest allowed number of levels.
        limit: u64,
    },
    /// A block is too short for its header.
    #[error("{length} bytes are too few for a block header")]
    ShortBlock {
        /// Its size in bytes.
        length: u64,
    },
    /// The frame sizes of a laced block do not fit the block.
    #[error("frame sizes of the lacing do not fit the block")]
    Lacing,
    /// A time is negative, or does not fit 64 bits of nanoseconds.
    #[error("time is negative or larger than 584 years")]
    TimeOutOfRange,
    /// The input ends inside the element.
    #[error("input ends inside it")]
    Truncated,
}
