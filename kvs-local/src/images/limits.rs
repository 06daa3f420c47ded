//! Limits of image extraction, each with its source or reason. Limits of GetImages are in [`kvs_types::limits`].

use std::time::Duration;

/// Bytes of a parameter set or slice header that are parsed. A sequence parameter set with all scaling lists and two
/// sets of HRD parameters is smaller than 1 KB.
pub const HEADER_BYTES: usize = 4096;

/// Largest picture that is decoded, in macroblocks of 16x16 samples: 4096x2304, as in H.264 level 5.2 (table A-1). The
/// images of the service are at most 3840x2160.
pub const PICTURE_MACROBLOCKS: u32 = 36_864;

/// Most macroblocks in the reference pictures of a stream: twice `MaxDpbMbs` of level 5.2, 184,320 (H.264 table A-1),
/// because encoders exceed it slightly. Limits the memory of a decoder to about 300 MB.
pub const REFERENCE_MACROBLOCKS: u32 = 2 * 184_320;

/// Most frames of a fragment: 20 s, the longest fragment, at 240 fps.
pub const FRAGMENT_FRAMES: usize = 4800;

/// Most contiguous fragments that are searched for the key frame of a fragment that does not start with one.
pub const LOOK_BACK_FRAGMENTS: usize = 16;

/// Largest distance between the last frame of a fragment and the start of the next for the two to be contiguous: one frame at
/// 1 fps, and rounding. A lost fragment leaves a larger gap, because fragments last at least 1 s.
pub const CONTIGUOUS_WITHIN: Duration = Duration::from_millis(1001);

/// Bytes of pictures that all decoders of the process hold at a time; more of them wait. Enough for the largest decoder of
/// [`REFERENCE_MACROBLOCKS`], or for twelve of H.264 in 1080p with four reference pictures.
pub const DECODER_BYTES: u64 = 512 << 20;

/// Bytes that an H.264 decoder needs for each macroblock of a stored picture: 384 samples, motion and modes of its 16 blocks.
pub const H264_MACROBLOCK_BYTES: u64 = 768;

/// Bytes that an H.265 decoder needs for the same area: it keeps samples in 16 bits.
pub const H265_MACROBLOCK_BYTES: u64 = 1024;

/// Pictures that a decoder and the renderer hold in addition to reference pictures: the one being decoded, its copy in 8 bits, the
/// scaled one.
pub const WORKING_PICTURES: u32 = 3;

/// Bytes of fragment media that all requests of the process keep in memory. Further fragments are read again when they are needed.
pub const KEPT_BYTES: usize = 256 << 20;

/// How long an ffmpeg process may run: a group of pictures of 20 s in 4K takes one core about half as long.
pub const FFMPEG_TIME: Duration = Duration::from_secs(60);

/// Bytes of address space of an ffmpeg process, where the system can limit it: the largest decoder of [`REFERENCE_MACROBLOCKS`] with
/// 4:4:4 and 16 bits takes 1.2 GiB.
pub const FFMPEG_MEMORY: u64 = 2 << 30;

/// Bytes that ffmpeg may allocate at once (`-max_alloc`): a picture of [`PICTURE_MACROBLOCKS`] with 4:4:4 and 16 bits takes 57 MB.
pub const FFMPEG_ALLOCATION: usize = 128 << 20;

/// Bytes of a group of pictures that ffmpeg gets: larger than a fragment (50 MB).
pub const FFMPEG_INPUT: usize = 64 << 20;

/// Bytes of pictures that one ffmpeg process returns; more pictures take another one.
pub const FFMPEG_PICTURES: usize = 64 << 20;

/// Pictures that one ffmpeg process returns: each makes the expression that selects them longer.
pub const FFMPEG_RUN_PICTURES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// A decoder that needs more than the whole budget would get all of it and exceed it.
    #[test]
    fn the_largest_decoder_fits_into_the_budget() {
        let macroblocks = REFERENCE_MACROBLOCKS + WORKING_PICTURES * PICTURE_MACROBLOCKS;
        for bytes in [H264_MACROBLOCK_BYTES, H265_MACROBLOCK_BYTES] {
            assert!(u64::from(macroblocks) * bytes <= DECODER_BYTES, "{macroblocks} of {bytes} bytes");
        }
        assert_eq!(DECODER_BYTES / (u64::from((4 + WORKING_PICTURES) * 120 * 68) * H264_MACROBLOCK_BYTES), 12);
    }
}
