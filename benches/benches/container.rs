//! Writing and reading live Matroska, compared with other crates in the same run. Quote ratios, not times; the measure is
//! processor time.

use std::hint::black_box;
use std::io::Cursor;
use std::time::Duration;

use bytes::{Buf, Bytes};
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use kvs_benches::container::{Sizes, live, walk, writer};
use kvs_benches::cpu_time::CpuTime;
use kvs_mkv::{Event, Frame, Limits, Parser, TrackNumber};
use matroska_demuxer::MatroskaFile;
use mkv_element::io::blocking_impl::ReadFrom;
use mkv_element::prelude::{Element, Header, SimpleBlock};
use webm_iterable::matroska_spec::{MatroskaSpec, SimpleBlock as WebmBlock};
use webm_iterable::{WebmIterator, WebmWriter};

/// Reads a whole file and counts its frames.
type CountFrames = fn(&Bytes) -> u64;

/// Twice the largest shared cache of usual machines.
const EVICT_BYTES: usize = 64 << 20;

/// Frames written in one iteration; all are within the 32 s that a cluster may span.
const BATCH: usize = 700;

/// One block: kvs-mkv writes a header and keeps the payload, the peers copy it.
fn block_header(c: &mut Criterion<CpuTime>) {
    for sizes in [Sizes::Mix, Sizes::Audio] {
        let mut group = c.benchmark_group(format!("write/{sizes:?}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        let payloads: Vec<Bytes> = (0..BATCH).map(|nth| Bytes::from(vec![0x5A; sizes.of(nth)])).collect();
        let mut writer = writer();
        writer.start_segment();
        writer.start_cluster(Duration::ZERO).expect("a cluster at zero");
        let frame = |nth: usize, payload: &Bytes| {
            Frame::new(TrackNumber::ONE, Duration::from_millis(nth as u64 * 40), payload.clone())
        };
        let frames: Vec<Frame> = payloads.iter().enumerate().map(|(nth, payload)| frame(nth, payload)).collect();
        // Frames are moved in, as a camera does; blocks are dropped, as after sending.
        group.bench_function("kvs-mkv", |b| {
            b.iter_batched(
                || frames.clone(),
                |frames| {
                    for frame in frames {
                        drop(black_box(writer.block(frame).expect("within the cluster")));
                    }
                },
                BatchSize::PerIteration,
            );
        });
        let prefixed: Vec<Vec<u8>> =
            payloads.iter().map(|payload| [&[0x81, 0, 0, 0x80][..], payload].concat()).collect();
        let mut out = Vec::with_capacity(prefixed.iter().map(|block| block.len() + 16).sum());
        group.bench_function("webm-iterable", |b| {
            b.iter(|| {
                out.clear();
                let mut writer = WebmWriter::new(&mut out);
                for block in &prefixed {
                    writer.write_raw(0xA3, block).expect("memory takes all");
                }
            });
        });
        group.finish();
    }
}

fn ours(parser: &mut Parser) -> u64 {
    let mut frames = 0;
    while let Some(event) = parser.next_event().expect("our own stream") {
        if let Event::Frame(frame) = event {
            frames += 1;
            black_box(&frame);
        }
    }
    frames
}

fn parse_ours(stream: &Bytes) -> u64 {
    let mut parser = Parser::new(Limits::default());
    parser.push(stream.clone());
    ours(&mut parser)
}

fn parse_demuxer(stream: &Bytes) -> u64 {
    let mut file = MatroskaFile::open(Cursor::new(stream)).expect("our own stream");
    let mut frame = matroska_demuxer::Frame::default();
    let mut frames = 0;
    while file.next_frame(&mut frame).expect("our own stream") {
        frames += 1;
        black_box(&frame);
    }
    frames
}

fn parse_webm_iterable(stream: &Bytes) -> u64 {
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

/// The peer does not read clusters of unknown size: these are walked by hand, and the peer decodes the blocks.
fn parse_mkv_element(stream: &Bytes) -> u64 {
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

/// Once like a received stream, in memory but far larger than the processor caches; and once repeatedly, with the headers, the
/// only bytes that are read, in the caches.
fn parse(c: &mut Criterion<CpuTime>) {
    let other = vec![1; EVICT_BYTES];
    for (sizes, frames) in [(Sizes::Mix, 22_200), (Sizes::Audio, 277_386)] {
        let stream = live(frames, sizes);
        let mut group = c.benchmark_group(format!("parse/{sizes:?}"));
        group.throughput(Throughput::Elements(frames as u64)).sampling_mode(SamplingMode::Flat).sample_size(20);
        let parsers: [(&str, CountFrames); 5] = [
            ("header walk", |stream| black_box(walk(stream)).0),
            ("kvs-mkv", parse_ours),
            ("matroska-demuxer", parse_demuxer),
            ("webm-iterable", parse_webm_iterable),
            ("mkv-element", parse_mkv_element),
        ];
        for (name, parse) in parsers {
            assert_eq!(parse(&stream), frames as u64, "{name} finds all frames");
            group.bench_function(name, |b| {
                b.iter_batched(|| evict(&other), |_| parse(&stream), BatchSize::PerIteration);
            });
            group.bench_function(format!("{name}, again"), |b| b.iter(|| parse(&stream)));
        }
        group.finish();
    }
}

/// Reads one byte of every cache line, to evict everything else from the caches.
fn evict(other: &[u8]) -> u64 {
    black_box(other.iter().step_by(64).map(|&byte| u64::from(byte)).sum())
}

/// The same stream in one piece, in pieces of a socket read, and in pieces of a TCP segment.
fn push(c: &mut Criterion<CpuTime>) {
    let frames = 22_200;
    let stream = live(frames, Sizes::Mix);
    let mut group = c.benchmark_group("push");
    group.throughput(Throughput::Elements(frames as u64)).sampling_mode(SamplingMode::Flat).sample_size(20);
    for piece in [stream.len(), 64 << 10, 1400] {
        let pieces: Vec<Bytes> =
            (0..stream.len()).step_by(piece).map(|from| stream.slice(from..stream.len().min(from + piece))).collect();
        group.bench_function(BenchmarkId::from_parameter(if piece > 1 << 20 { 0 } else { piece }), |b| {
            b.iter_batched(
                || pieces.clone(),
                |pieces| {
                    let mut parser = Parser::new(Limits::default());
                    let mut found = 0;
                    for piece in pieces {
                        parser.push(piece);
                        found += ours(&mut parser);
                    }
                    assert_eq!(found, frames as u64);
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// The time per frame does not depend on the number of frames before it, in one continuous document.
fn growth(c: &mut Criterion<CpuTime>) {
    let piece_frames = 1_000;
    let stream = live(piece_frames, Sizes::Audio);
    let first_cluster = stream.windows(4).position(|id| id == [0x1F, 0x43, 0xB6, 0x75]).expect("clusters");
    let clusters = stream.slice(first_cluster..);
    let mut group = c.benchmark_group("growth");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for frames in [1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
        group.throughput(Throughput::Elements(frames as u64));
        group.bench_function(BenchmarkId::from_parameter(frames), |b| {
            b.iter(|| {
                let mut parser = Parser::new(Limits::default());
                parser.push(stream.clone());
                let mut found = ours(&mut parser);
                while found < frames as u64 {
                    parser.push(clusters.clone());
                    found += ours(&mut parser);
                }
                assert_eq!(found, frames as u64);
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = container;
    config = Criterion::default().with_measurement(CpuTime).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = block_header, parse, push, growth
}
criterion_main!(container);
