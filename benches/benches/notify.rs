//! Events of S3: decoding into types, compared with `serde_json` into `Value`, the usual way without the crate.
//!
//! The bytes per second are the same for 10 and 10,000 records: the cost of a record does not depend on the ones before it.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kvs_notify::decode;
use measure::CpuTime;
use serde_json::Value;

mod measure;

/// An event with this many records, each like those of S3 (about 900 bytes).
fn s3_event(records: usize) -> String {
    let mut event = String::from("{\"Records\":[");
    for index in 0..records {
        let separator = if index == 0 { "" } else { "," };
        write!(
            event,
            "{separator}{{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\",\"awsRegion\":\"us-west-2\",\
             \"eventTime\":\"2023-07-30T08:54:50.{milliseconds:03}Z\",\"eventName\":\"ObjectCreated:Put\",\
             \"userIdentity\":{{\"principalId\":\"AWS:AIDAJDPLRKLG7UEXAMPLE\"}},\
             \"requestParameters\":{{\"sourceIPAddress\":\"205.251.233.183\"}},\
             \"responseElements\":{{\"x-amz-request-id\":\"C3D13FE58DE4C810\",\
             \"x-amz-id-2\":\"FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD\"}},\
             \"s3\":{{\"s3SchemaVersion\":\"1.0\",\"configurationId\":\"828aa6fc-f7b5-4305-8584-487c791949c1\",\
             \"bucket\":{{\"name\":\"amzn-s3-demo-bucket\",\"ownerIdentity\":{{\"principalId\":\"A3NL1KOZZKExample\"}},\
             \"arn\":\"arn:aws:s3:::amzn-s3-demo-bucket\"}},\
             \"object\":{{\"key\":\"gate+7/111122223333_demo-stream_{timecode}_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg\",\
             \"size\":22693,\"eTag\":\"d41d8cd98f00b204e9800998ecf8427e\",\"sequencer\":\"0055AED6DCD9{index:06X}\"}}}}}}",
            milliseconds = index % 1000,
            timecode = 1_690_707_290_324_u64 + index as u64,
        )
        .expect("a String takes all that is written");
    }
    event.push_str("]}");
    event
}

fn bench(criterion: &mut Criterion<CpuTime>) {
    for records in [10, 100, 1_000, 10_000] {
        let event = s3_event(records);
        let delivery = decode(event.as_bytes()).expect("the event is as S3 writes it");
        assert_eq!(delivery.objects().count(), records);
        let mut group = criterion.benchmark_group(format!("S3 event of {records} records"));
        group.throughput(Throughput::Bytes(event.len() as u64));
        group.bench_function("kvs_notify::decode", |bencher| bencher.iter(|| decode(black_box(event.as_bytes()))));
        group.bench_function("serde_json to Value", |bencher| {
            bencher.iter(|| serde_json::from_slice::<Value>(black_box(event.as_bytes())));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = bench
}
criterion_main!(benches);
