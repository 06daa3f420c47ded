//! The same work by `kvs-mkv` and by other crates, for benchmarks that run them side by side.

use std::hint::black_box;
use std::io::Cursor;

use bytes::{Buf, Bytes};
use kvs_mkv::{Event, EventRef, Limits, Parser};
use matroska_demuxer::MatroskaFile;
use mkv_element::io::blocking_impl::ReadFrom;
use mkv_element::prelude::{Element, Header, SimpleBlock};
use webm_iterable::matroska_spec::{MatroskaSpec, SimpleBlock as WebmBlock};
use webm_iterable::{WebmIterator, WebmWriter};

/// Parses all events that are complete and counts the frames.
///
/// # Panics
/// If the stream is not valid.
pub fn drain(parser: &mut Parser) -> u64 {
    let mut frames = 0;
    while let Some(event) = parser.next_event().expect("our own stream") {
        if let Event::Frame(frame) = event {
            frames += 1;
            black_box(&frame);
        }
    }
    frames
}

/// Parses a whole stream with `kvs-mkv` and counts its frames.
#[must_use]
pub fn parse_ours(stream: &Bytes) -> u64 {
    let mut parser = Parser::new(Limits::default());
    parser.push(stream.clone());
    drain(&mut parser)
}

/// Parses a whole stream with `kvs-mkv` without taking payloads, and counts its frames.
///
/// # Panics
/// If the stream is not valid.
#[must_use]
pub fn parse_ours_borrowed(stream: &Bytes) -> u64 {
    let mut parser = Parser::new(Limits::default());
    parser.push(stream.clone());
    let mut frames = 0;
    while let Some(event) = parser.next_event_ref().expect("our own stream") {
        if let EventRef::Frame(frame) = event {
            frames += 1;
            black_box(&frame);
        }
    }
    frames
}

/// Parses a whole stream with `matroska-demuxer`, which copies payloads, and counts its frames.
///
/// # Panics
/// If the stream is not valid.
#[must_use]
pub fn parse_demuxer(stream: &Bytes) -> u64 {
    let mut file = MatroskaFile::open(Cursor::new(stream)).expect("our own stream");
    let mut frame = matroska_demuxer::Frame::default();
    let mut frames = 0;
    while file.next_frame(&mut frame).expect("our own stream") {
        frames += 1;
        black_box(&frame);
    }
    frames
}

/// Parses a whole stream with `webm-iterable`, which copies payloads, and counts its frames.
///
/// # Panics
/// If the stream is not valid.
#[must_use]
pub fn parse_webm_iterable(stream: &Bytes) -> u64 {
    let mut source = &stream[..];
    let mut frames = 0;
    for tag in WebmIterator::new(&mut source, &[]) {
        let tag = tag.expect("our own stream");
        if matches!(tag, MatroskaSpec::SimpleBlock(_)) {
            black_box(WebmBlock::try_from(&tag).expect("our own block").raw_frame_data());
            frames += 1;
        }
    }
    frames
}

/// Parses a whole stream with `mkv-element` and counts its frames. The crate does not read clusters of unknown size: these are
/// walked by hand, and the crate decodes the blocks.
///
/// # Panics
/// If the stream is not valid.
#[must_use]
pub fn parse_mkv_element(stream: &Bytes) -> u64 {
    let mut rest = stream.clone();
    let mut frames = 0;
    while rest.has_remaining() {
        let mut head = &rest[..];
        let header = Header::read_from(&mut head).expect("our own stream");
        rest.advance(rest.len() - head.len());
        if header.size.is_unknown {
            continue;
        }
        let mut body = rest.split_to(usize::try_from(*header.size).expect("a size in memory"));
        if header.id == SimpleBlock::ID {
            black_box(SimpleBlock::decode_body(&mut body).expect("our own block"));
            frames += 1;
        }
    }
    frames
}

/// Writes blocks with `webm-iterable` into `out`, which is cleared first. The crate copies the payloads. Each block begins with
/// its header of four bytes.
///
/// # Panics
/// Never: memory takes all.
pub fn write_webm_iterable(blocks: &[Vec<u8>], out: &mut Vec<u8>) {
    out.clear();
    let mut writer = WebmWriter::new(out);
    for block in blocks {
        writer.write_raw(0xA3, block).expect("memory takes all");
    }
}
