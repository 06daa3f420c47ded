//! The limits of the codec parsers, with the source of each number.

/// Sequence parameter sets in one collection: H.264 allows 32 (7.4.2.1.1, `seq_parameter_set_id` 0 to 31), but an avcC counts
/// them with five bits.
pub const SEQUENCE_PARAMETER_SETS: usize = 31;
/// Picture parameter sets in one collection: H.264 allows 256 (7.4.2.2), but an avcC counts them with eight bits.
pub const PICTURE_PARAMETER_SETS: usize = 255;
/// Bytes of one parameter set: avcC and hvcC store its length in 16 bits.
pub const PARAMETER_SET_BYTES: usize = 0xffff;
/// Width or height of a coded picture in pixels: level 6.2 of H.264 and of H.265 ends at 16,888 (A.3.1, A.4.1).
pub const PICTURE_SIDE: u32 = 16_888;
