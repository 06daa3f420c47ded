//! The file, and what kind of file it is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kvs_mkv::codec::aac::AdtsHeader;

use super::MediaError;

/// An open file that is a recording. Its contents are not kept in memory.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Its size in bytes when it was opened.
    pub(super) len: u64,
    file: File,
    pub(super) container: Container,
}

/// The container of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Mp4,
    Matroska,
    H264,
    H265,
    Adts,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, MediaError> {
        let (file, len) = open_file(path).map_err(|source| unreadable(path, source))?;
        let mut input = Self { path: path.to_owned(), len, file, container: Container::Matroska };
        let head = input.read_up_to(0, HEAD)?;
        input.container =
            sniff(path, &head).map_err(|looks_like| MediaError::NotMedia { path: path.to_owned(), looks_like })?;
        Ok(input)
    }

    /// Reads bytes that the file must have.
    pub(super) fn read(&self, at: u64, len: u64) -> Result<Bytes, MediaError> {
        let bytes = self.read_up_to(at, len)?;
        if bytes.len() as u64 == len {
            return Ok(bytes);
        }
        let end = at.saturating_add(len);
        Err(self.truncated(format!("{len} bytes are expected before byte {end} but {} are left", bytes.len())))
    }

    /// Reads as many of these bytes as the file has. The caller limits `len`: that much memory is allocated at once.
    pub(super) fn read_up_to(&self, at: u64, len: u64) -> Result<Bytes, MediaError> {
        let len = len.min(self.len.saturating_sub(at));
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| fill(file, &mut bytes));
        let read = read.map_err(|source| unreadable(&self.path, source))?;
        bytes.truncate(read);
        Ok(Bytes::from(bytes))
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

/// Bytes from which the kind of a file is detected.
const HEAD: u64 = 4096;

fn open_file(path: &Path) -> io::Result<(File, u64)> {
    // Opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}

/// Reads until the buffer is full or the file ends, and returns the number of bytes.
fn fill(mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn unreadable(path: &Path, source: io::Error) -> MediaError {
    match source.kind() {
        io::ErrorKind::NotFound => MediaError::Missing { path: path.to_owned() },
        _ => MediaError::Unreadable { path: path.to_owned(), source },
    }
}

/// Detects the container, or returns what the bytes look like instead.
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
    if starts_with_start_code(data) {
        return Ok(annex_b_codec(path, data));
    }
    if AdtsHeader::parse(data).is_ok() || data.starts_with(b"ID3") && named(path, &["aac"]) {
        return Ok(Container::Adts);
    }
    Err(looks_like(data))
}

/// The boxes that an MP4 or QuickTime file may start with.
const MP4_BOXES: [&[u8; 4]; 10] =
    [b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"sidx", b"pnot"];

fn starts_with_start_code(data: &[u8]) -> bool {
    let zeros = data.iter().take(16).take_while(|&&byte| byte == 0).count();
    zeros >= 2 && data.get(zeros) == Some(&1)
}

/// H.265 if the file name says so, or if no H.264 stream starts with such a NAL unit.
fn annex_b_codec(path: &Path, data: &[u8]) -> Container {
    if named(path, &["h265", "265", "hevc"]) {
        return Container::H265;
    }
    let first = data.iter().position(|&byte| byte == 1).and_then(|code| data.get(code..)).unwrap_or_default();
    // H.265 parameter sets (types 32 to 34) and access unit delimiter (35), in layer 0 at the lowest temporal level.
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
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"\x89PNG", "a PNG image"),
        (b"GIF8", "a GIF image"),
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
