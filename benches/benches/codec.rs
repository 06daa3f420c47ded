//! Conversion from Annex B to length-prefixed, and splitting a pipe into access units, compared with a search for the start codes of the same bytes. Quote the ratio.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kvs_mkv::TrackNumber;
use kvs_mkv::codec::nal::{self, LengthPrefixer};
use kvs_mkv::codec::{AccessUnitSplitter, SplitEvent};
use memchr::memmem;

/// Access units of the "1080p mix": a key frame of 60 kB with parameter sets every 50 frames; the others have one slice of 8 kB.
fn access_units() -> Vec<Bytes> {
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    (0..200).map(|nth| if nth % 50 == 0 { key_frame(&mut noise) } else { frame(&mut noise, 0x41, 8_000) }).collect()
}

fn key_frame(noise: &mut Noise) -> Bytes {
    let units = [(0x67, 24), (0x68, 5), (0x06, 40), (0x65, 60_000)];
    units.iter().flat_map(|&(header, size)| frame(noise, header, size)).collect::<Vec<u8>>().into()
}

/// A NAL unit like the output of an entropy coder: any bytes without a start code.
fn frame(noise: &mut Noise, header: u8, size: usize) -> Bytes {
    let mut bytes = vec![0, 0, 0, 1, header];
    for _ in 0..size {
        let zeros = bytes.ends_with(&[0, 0]);
        bytes.push(if zeros { noise.byte().max(3) } else { noise.byte() });
    }
    bytes.push(0x80);
    bytes.into()
}

struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_le_bytes()[5]
    }
}

fn annex_b(c: &mut Criterion) {
    let units = access_units();
    let mut group = c.benchmark_group("annex_b");
    group.throughput(Throughput::Bytes(units.iter().map(|unit| unit.len() as u64).sum()));
    group.bench_function("memmem", |b| {
        b.iter(|| units.iter().map(|unit| memmem::find_iter(black_box(unit), &[0, 0, 1]).count()).sum::<usize>());
    });
    group.bench_function("LengthPrefixer", |b| {
        let mut prefixer = LengthPrefixer::new();
        b.iter(|| {
            for unit in &units {
                drop(black_box(prefixer.convert(black_box(unit))));
            }
        });
    });
    group.bench_function("annex_b_to_length_prefixed", |b| {
        b.iter(|| {
            for unit in &units {
                drop(black_box(nal::annex_b_to_length_prefixed(black_box(unit))));
            }
        });
    });
    group.finish();
}

/// The same mix as one stream with readable headers, in pieces as a pipe gives them.
fn stream() -> Vec<Bytes> {
    const SETS: &[u8] = b"\0\0\0\x01\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10\0\0\0\x01\x68\xce\x3c\x80";
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let mut stream = Vec::new();
    for nth in 0..200 {
        let (header, size) = if nth % 50 == 0 { (&b"\x65\x88\x84"[..], 60_000) } else { (&b"\x41\x9a\x02"[..], 8_000) };
        if nth % 50 == 0 {
            stream.extend_from_slice(SETS);
        }
        let unit = frame(&mut noise, 0, size);
        stream.extend_from_slice(&unit[..4]);
        stream.extend_from_slice(header);
        stream.extend_from_slice(&unit[5..]);
    }
    let stream = Bytes::from(stream);
    (0..stream.len()).step_by(PIPE).map(|at| stream.slice(at..stream.len().min(at + PIPE))).collect()
}

/// Bytes of a pipe on Linux.
const PIPE: usize = 64 << 10;

fn pipe(c: &mut Criterion) {
    let pieces = stream();
    let mut group = c.benchmark_group("annex_b_pipe");
    group.throughput(Throughput::Bytes(pieces.iter().map(|piece| piece.len() as u64).sum()));
    group.bench_function("memmem", |b| {
        b.iter(|| pieces.iter().map(|piece| memmem::find_iter(black_box(piece), &[0, 0, 1]).count()).sum::<usize>());
    });
    group.bench_function("AccessUnitSplitter", |b| {
        b.iter(|| {
            let mut splitter = AccessUnitSplitter::h264(TrackNumber::ONE);
            let mut units = 0;
            for piece in &pieces {
                splitter.push(piece.clone());
                while let Ok(Some(event)) = splitter.next_event() {
                    units += usize::from(matches!(black_box(event), SplitEvent::AccessUnit(_)));
                }
            }
            while let Ok(Some(event)) = splitter.finish() {
                units += usize::from(matches!(black_box(event), SplitEvent::AccessUnit(_)));
            }
            assert_eq!(units, 200);
        });
    });
    group.finish();
}

criterion_group!(benches, annex_b, pipe);
criterion_main!(benches);
