//! Why bytes are not the Matroska they should be, and where.

use crate::ElementId;

/// What is wrong with the input: at which byte, in which element, and what.
///
/// The sender of the bytes is at fault, never the caller; a parser that returned one returns it again for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{element} at byte {offset}: {problem}")]
#[non_exhaustive]
pub struct ParseError {
    /// Absolute offset of the element in the bytes pushed.
    pub offset: u64,
    /// The element; where its id could not be read, the one around it.
    pub element: ElementId,
    /// What is wrong with it.
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
    /// The bytes there are no element: the id or size has a form that EBML does not allow.
    #[error("the bytes there are no element id and size")]
    NotAnElement,
    /// The input does not begin with an EBML head.
    #[error("no EBML head, so this is not Matroska")]
    NotMatroska,
    /// The EBML head names a document type other than `matroska` and `webm`.
    #[error("the document type is neither matroska nor webm")]
    DocType,
    /// The EBML head asks for more than EBML version 1 with ids of four and sizes of eight bytes.
    #[error("needs {needed}, at most {limit} is understood")]
    Version {
        /// What the document needs.
        needed: u64,
        /// What this parser offers.
        limit: u64,
    },
    /// Only Segments and Clusters may leave their size open.
    #[error("its size is marked unknown, which only Segment and Cluster may")]
    UnknownSize,
    /// An element that does not belong where it stands.
    #[error("does not belong in {within}")]
    Unexpected {
        /// The element it stands in; `EBML` for the outermost level.
        within: ElementId,
    },
    /// Larger than a ceiling of [`Limits`](crate::Limits).
    #[error("{size} bytes, at most {limit} allowed")]
    TooLarge {
        /// Bytes it declares.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// It reaches beyond the element it stands in.
    #[error("ends at byte {end}, past the end of {parent} at byte {parent_end}")]
    PastParent {
        /// Where it would end.
        end: u64,
        /// The element around it.
        parent: ElementId,
        /// Where that ends.
        parent_end: u64,
    },
    /// A child that must be there is not.
    #[error("has no {child}")]
    Missing {
        /// The child.
        child: ElementId,
    },
    /// A number in a number of bytes that no number has.
    #[error("a value of {length} bytes")]
    WrongLength {
        /// Bytes of the value.
        length: u64,
    },
    /// A value that means nothing there.
    #[error("the value {value} is not allowed")]
    Value {
        /// The value.
        value: u64,
    },
    /// More children than a ceiling of [`Limits`](crate::Limits).
    #[error("more than {limit} entries")]
    TooMany {
        /// Entries allowed.
        limit: u64,
    },
    /// Elements nested deeper than any sensible file has them.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// Levels allowed.
        limit: u64,
    },
    /// A block too short for its own header.
    #[error("{length} bytes are too few for a block")]
    ShortBlock {
        /// Bytes it has.
        length: u64,
    },
    /// Frame sizes of a laced block that do not fit into it.
    #[error("the frame sizes of the lacing do not fit into the block")]
    Lacing,
    /// A time before zero or beyond 2^64 − 1 nanoseconds.
    #[error("the time is before zero or past the year 2554")]
    TimeOutOfRange,
    /// The input ended inside the element.
    #[error("the input ends in the middle of it")]
    Truncated,
}
