//! The core of the producer, from a put to three acks per fragment, compared with the minimum for each kind of media: a search
//! for start codes, and framing by hand with a copy into one buffer. Quote the ratios.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journey::{Journey, Media};
use kvs_benches::container::frame_by_hand;
use measure::CpuTime;
use memchr::memmem;

#[path = "../../tools/src/bin/core_cost/journey.rs"]
#[expect(dead_code, reason = "the example measures more")]
mod journey;
mod measure;

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
        group.bench_function("framed_by_hand_with_a_copy", |b| b.iter(|| frame_by_hand(black_box(&payloads))));
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = core
}
criterion_main!(benches);
