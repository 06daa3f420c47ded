//! The file in memory and what kind of file it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kvs_mkv::codec::aac::AdtsHeader;

use super::{MAX_FILE_BYTES, MediaError};

/// A file that is some kind of recording.
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) data: Bytes,
    pub(super) container: Container,
}

/// What a recording lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Mp4,
    Matroska,
    H264,
    H265,
    Adts,
}

impl Input {
    pub(super) fn read(path: &Path) -> Result<Self, MediaError> {
        let data = read_file(path)?;
        let container =
            sniff(path, &data).map_err(|looks_like| MediaError::NotMedia { path: path.to_owned(), looks_like })?;
        Ok(Self { path: path.to_owned(), data, container })
    }

    pub(super) fn damaged(&self, what: impl ToString) -> MediaError {
        MediaError::Damaged { path: self.path.clone(), what: what.to_string() }
    }

    pub(super) fn truncated(&self, what: impl ToString) -> MediaError {
        MediaError::Truncated { path: self.path.clone(), what: what.to_string() }
    }

    pub(super) fn codec(&self, kind: &'static str, codec: impl ToString) -> MediaError {
        MediaError::Codec { path: self.path.clone(), kind, codec: codec.to_string() }
    }

    pub(super) fn no_frames(&self) -> MediaError {
        MediaError::NoFrames { path: self.path.clone() }
    }
}

fn read_file(path: &Path) -> Result<Bytes, MediaError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => MediaError::Missing { path: path.to_owned() },
        _ => MediaError::Unreadable { path: path.to_owned(), source },
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE_BYTES {
        return Err(MediaError::TooLarge { path: path.to_owned(), size, limit: MAX_FILE_BYTES });
    }
    fs::read(path).map(Bytes::from).map_err(unreadable)
}

/// What the bytes are; otherwise what they look like.
fn sniff(path: &Path, data: &[u8]) -> Result<Container, &'static str> {
    if data.is_empty() {
        return Err("an empty file");
    }
    if data.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        return Ok(Container::Matroska);
    }
    if data.get(4..8).is_some_and(|kind| MP4_BOXES.iter().any(|known| known.as_slice() == kind)) {
        return Ok(Container::Mp4);
    }
    if begins_with_start_code(data) {
        return Ok(annex_b_codec(path, data));
    }
    if AdtsHeader::parse(data).is_ok() || data.starts_with(b"ID3") && named(path, &["aac"]) {
        return Ok(Container::Adts);
    }
    Err(looks_like(data))
}

/// What an MP4 or QuickTime file may begin with.
const MP4_BOXES: [&[u8; 4]; 10] =
    [b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"sidx", b"pnot"];

fn begins_with_start_code(data: &[u8]) -> bool {
    let zeros = data.iter().take(16).take_while(|&&byte| byte == 0).count();
    zeros >= 2 && data.get(zeros) == Some(&1)
}

/// H.265 by the name of the file, or by a first NAL unit that only H.265 begins a stream with.
fn annex_b_codec(path: &Path, data: &[u8]) -> Container {
    if named(path, &["h265", "265", "hevc"]) {
        return Container::H265;
    }
    let first = data.iter().position(|&byte| byte == 1).and_then(|code| data.get(code..)).unwrap_or_default();
    // Parameter sets 32 to 34 and the delimiter 35 of H.265, in layer 0 at the lowest temporal level.
    match first {
        [1, 0x40 | 0x42 | 0x44 | 0x46, 1, ..] if !named(path, &["h264", "264", "avc"]) => Container::H265,
        _ => Container::H264,
    }
}

fn named(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
}

fn looks_like(data: &[u8]) -> &'static str {
    const KNOWN: [(&[u8], &str); 10] = [
        (b"RIFF", "an AVI or WAV file"),
        (b"OggS", "an Ogg file"),
        (b"FLV", "an FLV file"),
        (b"ID3", "an MP3 file"),
        (b"\xff\xfb", "an MP3 file"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"\x89PNG", "a PNG picture"),
        (b"GIF8", "a GIF picture"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"%PDF", "a PDF document"),
    ];
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| data.starts_with(magic)) {
        return name;
    }
    if data.first() == Some(&0x47) && data.get(188) == Some(&0x47) {
        return "an MPEG transport stream";
    }
    let head = data.get(..512).unwrap_or(data);
    let printable = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace() || *byte >= 0x80;
    if head.iter().all(printable) { "text" } else { "unknown binary data" }
}
