//! Writing and reading live Matroska, compared with other crates in the same run. Quote ratios, not times; the measure is
//! processor time.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use kvs_benches::caches::Caches;
use kvs_benches::container::{Sizes, live, walk, writer};
use kvs_benches::peers::{
    drain, parse_demuxer, parse_mkv_element, parse_ours, parse_webm_iterable, write_webm_iterable,
};
use kvs_mkv::{Frame, Limits, Parser, TrackNumber};
use measure::CpuTime;

mod measure;

/// Reads a whole file and counts its frames.
type CountFrames = fn(&Bytes) -> u64;

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
            b.iter(|| write_webm_iterable(&prefixed, &mut out));
        });
        group.finish();
    }
}

/// Once like a received stream, in memory but far larger than the processor caches; and once repeatedly, with the headers, the
/// only bytes that are read, in the caches.
fn parse(c: &mut Criterion<CpuTime>) {
    let caches = Caches::default();
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
                b.iter_batched(|| caches.evict(), |_| parse(&stream), BatchSize::PerIteration);
            });
            group.bench_function(format!("{name}, again"), |b| b.iter(|| parse(&stream)));
        }
        group.finish();
    }
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
                        found += drain(&mut parser);
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
                let mut found = drain(&mut parser);
                while found < frames as u64 {
                    parser.push(clusters.clone());
                    found += drain(&mut parser);
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
