//! What kind of recording an input is, from its first bytes.

use std::path::Path;

use kvs_mkv::codec::aac::AdtsHeader;
use kvs_mkv::codec::{h264, h265, nal};

use super::options::Format;
use super::{mpeg_ts, stranger};

/// Bytes from which the kind is detected.
pub(super) const HEAD: usize = 4096;
/// Bytes that suffice for all containers: four packets of a transport stream.
pub(super) const ENOUGH: usize = 4 * 204;

/// Detects the container, or returns what the bytes look like instead. The file name only decides between H.264 and H.265
/// where both are possible.
pub(super) fn sniff(name: &Path, data: &[u8]) -> Result<Format, &'static str> {
    if data.is_empty() {
        return Err("an empty file");
    }
    if data.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        return Ok(Format::Matroska);
    }
    if is_mp4(data) {
        return Ok(Format::Mp4);
    }
    if data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WAVE") || data.starts_with(b"RF64") {
        return Ok(Format::Wav);
    }
    if mpeg_ts::packet_size(data).is_some() {
        return Ok(Format::MpegTs);
    }
    // Its packets begin with start codes too.
    if let Some(name) = stranger::with_start_codes(data) {
        return Err(name);
    }
    // A ring buffer may begin inside a NAL unit.
    let is_named = named(name, H264_NAMES) || named(name, H265_NAMES);
    if starts_with_start_code(data) || is_named && nal::annex_b_lossy(data).next().is_some() {
        return Ok(byte_stream(name, data));
    }
    if AdtsHeader::parse(data).is_ok() || is_tagged_adts(name, data) {
        return Ok(Format::Adts);
    }
    Err(stranger::name(data))
}

/// Walks the first boxes: some cameras put a box of their own before those of the standard.
fn is_mp4(data: &[u8]) -> bool {
    let mut rest = data;
    for _ in 0..8 {
        let Some((size, behind)) = rest.split_first_chunk::<4>() else { return false };
        let Some(kind) = behind.first_chunk::<4>() else { return false };
        if MP4_BOXES.contains(&kind) {
            return true;
        }
        let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
        let is_name = kind.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ');
        match rest.get(size..) {
            Some(next) if size >= 8 && is_name => rest = next,
            _ => return false,
        }
    }
    false
}

/// The boxes that an MP4 or QuickTime file may start with.
const MP4_BOXES: [&[u8; 4]; 11] =
    [b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"sidx", b"pnot", b"uuid"];

const H264_NAMES: &[&str] = &["h264", "264", "avc"];
const H265_NAMES: &[&str] = &["h265", "265", "hevc"];

/// Whether ADTS follows an ID3 tag, as in audio segments of HLS. Behind a tag that is longer than the data, the name decides.
fn is_tagged_adts(name: &Path, data: &[u8]) -> bool {
    let Some((b"ID3", [_, _, _, size @ ..])) = data.split_first_chunk() else { return false };
    let Some(size) = size.first_chunk::<4>() else { return named(name, &["aac"]) };
    // Seven bits in each byte (ID3v2.4 §6.2).
    let len = size.iter().fold(0usize, |len, byte| len << 7 | usize::from(byte & 0x7f));
    match data.get(len.saturating_add(ID3_HEADER)..) {
        Some(behind) if !behind.is_empty() => AdtsHeader::parse(behind).is_ok(),
        _ => named(name, &["aac"]),
    }
}

/// Bytes of the header of an ID3 tag.
const ID3_HEADER: usize = 10;

fn starts_with_start_code(data: &[u8]) -> bool {
    // Any number of zeros may come before a start code (H.264 B.1.1).
    let zeros = data.iter().take_while(|&&byte| byte == 0).count();
    zeros >= 2 && data.get(zeros) == Some(&1)
}

/// The file name decides if it can. Else the first parameter set that can be read does, and in a stream that is joined in the
/// middle the headers of the NAL units: the second byte of H.265 is 1 in the lowest layer, that of an H.264 slice hardly ever.
fn byte_stream(name: &Path, data: &[u8]) -> Format {
    if named(name, H265_NAMES) {
        return Format::H265;
    }
    if named(name, H264_NAMES) {
        return Format::H264;
    }
    for unit in nal::annex_b_lossy(data) {
        if h264::Sps::parse(unit).is_ok() {
            return Format::H264;
        }
        let is_video_set = unit.starts_with(&[0x40, 1, 0x0c]);
        if is_video_set || h265::Sps::parse(unit).is_ok() {
            return Format::H265;
        }
    }
    let mut headers = nal::annex_b_lossy(data).filter_map(<[u8]>::first_chunk::<2>).peekable();
    let is_h265 = headers.peek().is_some() && headers.all(|[first, second]| first & 0x81 == 0 && *second == 1);
    if is_h265 { Format::H265 } else { Format::H264 }
}

fn named(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(data: &[u8]) -> Result<Format, &'static str> {
        sniff(Path::new("-"), data)
    }

    #[test]
    fn containers_are_recognized_by_their_first_bytes() {
        assert_eq!(kind(b"\x1a\x45\xdf\xa3"), Ok(Format::Matroska));
        assert_eq!(kind(b"\0\0\0\x18ftypisom"), Ok(Format::Mp4));
        assert_eq!(kind(b"\0\0\0\x0cinfoabcd\0\0\0\x18ftyp"), Ok(Format::Mp4));
        assert_eq!(kind(b"RIFF\0\0\0\0WAVEfmt "), Ok(Format::Wav));
        assert_eq!(kind(b"\0\0\0\x01\x67\x64"), Ok(Format::H264));
        assert_eq!(kind(&[&[0; 500], &b"\0\0\x01\x67\x64"[..]].concat()), Ok(Format::H264));
        assert_eq!(kind(b"\0\0\0\x01\x40\x01\x0c"), Ok(Format::H265));
        // Joined in the middle: delimiters and slices.
        assert_eq!(kind(b"\0\0\0\x01\x09\xf0\0\0\x01\x41\x9a\x02"), Ok(Format::H264));
        assert_eq!(kind(b"\0\0\0\x01\x46\x01\x50\0\0\x01\x02\x01\xd0"), Ok(Format::H265));
        assert_eq!(kind(b"dear diary"), Err("text"));
        // The audio of HLS has a tag in front; its size has seven bits in each byte.
        let tag = [b"ID3\x04\0\0\0\0\x01\x02", &[0; 130][..]].concat();
        let adts = b"\xff\xf1\x4c\x40\x02\x1f\xfc";
        assert_eq!(kind(&[&tag, &adts[..]].concat()), Ok(Format::Adts));
        assert_eq!(kind(&[&tag, &b"\xff\xfb\x90\x64"[..]].concat()), Err("an MP3 file"));
        assert_eq!(kind(&tag), Err("an MP3 file"));
        assert_eq!(sniff(Path::new("sound.aac"), &tag), Ok(Format::Adts));
        // A name helps where a dump begins inside a NAL unit.
        let inside = b"\x9a\x02\x77\0\0\0\x01\x40\x01\x0c";
        assert_eq!(sniff(Path::new("camera.265"), inside), Ok(Format::H265));
        assert_eq!(kind(inside), Err("unknown binary data"));
        assert_eq!(sniff(Path::new("notes.h264"), b"dear diary"), Err("text"));
        let mut packets = vec![0; 188 * 4];
        (0..4).for_each(|n| packets[n * 188] = 0x47);
        assert_eq!(kind(&packets), Ok(Format::MpegTs));
    }
}
