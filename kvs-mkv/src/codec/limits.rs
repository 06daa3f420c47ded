//! What the codec parsers accept at most, with the source of each number.

/// Parameter sets of one kind that are kept: H.264 allows 32 SPS (7.4.2.1.1, `seq_parameter_set_id` 0..31), and an avcC
/// counts them with five bits.
pub const SEQUENCE_PARAMETER_SETS: usize = 31;
/// Picture parameter sets that are kept: H.264 allows 256 (7.4.2.2), an avcC counts them with eight bits.
pub const PICTURE_PARAMETER_SETS: usize = 255;
/// Bytes of one parameter set: avcC and hvcC hold its length in 16 bits.
pub const PARAMETER_SET_BYTES: usize = 0xffff;
/// Widest or highest picture that is believed: H.264 level 6.2 and H.265 level 6.2 end at 16,888 (A.3.1, A.4.1).
pub const PICTURE_SIDE: u32 = 16_888;
