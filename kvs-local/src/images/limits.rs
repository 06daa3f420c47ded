//! Every limit of the picture code, with its reason.

use std::time::Duration;

/// Bytes of a parameter set or slice header that are looked at. A sequence parameter set with all scaling lists and two
/// HRD descriptions stays under 1 KB.
pub const HEADER_BYTES: usize = 4096;

/// Largest picture that is decoded, in macroblocks of 16x16: that of H.264 level 5.2, 4096x2304 (table A-1). The
/// service's own pictures end at 3840x2160.
pub const PICTURE_MACROBLOCKS: u32 = 36_864;

/// Most macroblocks a stream may keep as references: twice level 5.2's 184,320 (table A-1, `MaxDpbMbs`), since encoders
/// overdraw a little. Bounds a decoder to about 300 MB.
pub const REFERENCE_MACROBLOCKS: u32 = 2 * 184_320;

/// Frames of one fragment that are looked at: 20 s (the longest fragment) at 240 frames a second.
pub const FRAGMENT_FRAMES: usize = 4800;

/// Parameter sets of each kind that a stream may have: what their ids can name (H.264 §7.4.2.1.1, §7.4.2.2).
pub const PARAMETER_SETS: usize = 256;

/// How many contiguous fragments are searched backwards for the key frame that a fragment without one needs.
pub const LOOK_BACK_FRAGMENTS: usize = 16;

/// How far the end of a fragment and the start of the next may lie apart for the two to be contiguous: one frame at one
/// frame a second and rounding. A lost fragment leaves a larger hole, as fragments last a second or more.
pub const CONTIGUOUS_WITHIN: Duration = Duration::from_millis(1001);

/// How much time may lie between the end of a fragment and the start of the one that goes on from it for the first to cover
/// it too: as many B-frames as encoders put in a row at 25 frames a second. They are shown before the frame they are sent
/// behind, which gives the second its start.
pub const GAP_AT_A_CUT: Duration = Duration::from_millis(250);

/// Bytes of fragments that one request keeps in memory; beyond it fragments are read again when they are needed.
pub const KEPT_BYTES: usize = 256 << 20;

/// Widest picture that may be asked for.
/// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_reader_GetImages.html>
pub const WIDTH_PIXELS: u32 = 3840;

/// Highest picture that may be asked for, by the same page.
pub const HEIGHT_PIXELS: u32 = 2160;

/// JPEG quality when none is asked for, by the same page.
pub const JPEG_QUALITY: u8 = 80;
