//! The core of the producer, from a put to three acks per fragment, compared with the minimum for each kind of media: a search
//! for start codes, and framing by hand with a copy into one buffer. Quote the ratios.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journey::{Journey, Media};
use kvs_benches::cpu_time::CpuTime;
use memchr::memmem;

#[path = "../../tools/src/bin/core_cost/journey.rs"]
#[expect(dead_code, reason = "the example measures more")]
mod journey;

fn core(c: &mut Criterion<CpuTime>) {
    for (name, media) in [("lengths", Media::Lengths), ("start_codes", Media::StartCodes), ("sound", Media::Sound)] {
        let payloads = media.payloads();
        let mut group = c.benchmark_group(format!("producer/{name}"));
        group.throughput(Throughput::Elements(payloads.len() as u64));
        group.bench_function("put_to_acks", |b| {
            let mut journey = Journey::new(media);
            b.iter(|| payloads.iter().for_each(|payload| journey.step(black_box(payload))));
        });
        group.bench_function("search_for_start_codes", |b| {
            let finder = memmem::Finder::new(&[0, 0, 1]);
            b.iter(|| payloads.iter().map(|payload| finder.find_iter(black_box(payload)).count()).sum::<usize>());
        });
        group.bench_function("framed_by_hand_with_a_copy", |b| b.iter(|| by_hand(black_box(&payloads))));
        group.finish();
    }
}

/// What a program without a producer would do: copy header and payload into one buffer per group of pictures.
fn by_hand(payloads: &[Bytes]) -> usize {
    let mut body = Vec::new();
    let mut made = 0;
    for (nth, payload) in payloads.iter().enumerate() {
        if nth.is_multiple_of(50) {
            made += black_box(&body).len();
            body.clear();
        }
        let [_, size @ ..] = (payload.len() as u64 + 4).to_be_bytes();
        body.extend_from_slice(&[0xA3, 0x01]);
        body.extend_from_slice(&size);
        body.extend_from_slice(&[0x81, 0, 40, 0]);
        body.extend_from_slice(payload);
    }
    made + body.len()
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = core
}
criterion_main!(benches);
