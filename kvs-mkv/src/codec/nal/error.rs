//! Why an access unit cannot be split into NAL units.

/// An access unit that cannot be split into NAL units; the encoder or the framing setting is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NalError {
    /// The data contains no start code.
    #[error("no start code in {len} bytes")]
    NoStartCode {
        /// Bytes searched.
        len: usize,
    },
    /// The data has bytes other than zero before the first start code.
    #[error("byte {byte:#04x} at offset {at} is before the first start code at offset {start_code}")]
    BeforeStartCode {
        /// Offset of the first such byte.
        at: usize,
        /// That byte.
        byte: u8,
        /// Offset of the first start code's `00 00 01`.
        start_code: usize,
    },
    /// A length is cut, or points past the end of the data.
    #[error("the NAL unit length at offset {at} is {declared} bytes, but only {left} bytes follow")]
    Truncated {
        /// Offset of the length field.
        at: usize,
        /// Its value; 0 if the field itself is cut.
        declared: usize,
        /// Bytes after the field; if the field itself is cut, bytes from `at` to the end.
        left: usize,
    },
    /// A NAL unit is longer than a four-byte length can state.
    #[error("the NAL unit of {len} bytes at offset {at} does not fit a four-byte length")]
    TooLong {
        /// Offset of its first byte.
        at: usize,
        /// Its size in bytes.
        len: usize,
    },
    /// A length leads to what is no NAL unit: its first bit is set, or it begins with two zeros, as a start code does.
    #[error("what follows the NAL unit length at offset {at} begins with {head:#06x}, which is no NAL unit header")]
    Header {
        /// Offset of the length field.
        at: usize,
        /// The first two bytes; a missing second one is 0.
        head: u16,
    },
    /// The data has neither start codes nor four-byte lengths.
    #[error("the access unit of {len} bytes has neither start codes nor four-byte NAL unit lengths")]
    UnknownFraming {
        /// Size of the access unit in bytes.
        len: usize,
    },
}
