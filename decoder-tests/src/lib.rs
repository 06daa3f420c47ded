//! The clips on which the decoders of kvs-local are tested.
//!
//! The tests are a package of their own, so that `.ci/sanitize` builds the decoders with AddressSanitizer without the rest of the
//! service.

use std::io;
use std::path::Path;

use kvs_local::__internal::fuzz::Clip;
use kvs_mkv::CodecId;

/// Clips without damage, each with its number of pictures. x265 and x264 made them from the test patterns of ffmpeg.
pub const CLIPS: [(&str, usize); 5] = [
    // Its 4-wide tail of motion compensation was read 8 bytes behind the plane.
    ("h265_208x120.265", 25),
    ("narrow.265", 8),
    ("cavlc_b_slices.h264", 8),
    ("cabac_b_slices.h264", 8),
    ("cropped.h264", 8),
];

/// Reads a clip of kvs-local's tests. The codec follows from the name.
///
/// # Errors
/// Those of the file system.
pub fn read(name: &str) -> io::Result<Clip> {
    let data = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../kvs-local/tests/clips").join(name))?;
    let codec = if name.ends_with(".h264") { CodecId::H264 } else { CodecId::H265 };
    Ok(Clip::parse(&data, codec, usize::MAX))
}
