//! Streams are opened and stopped many times, each with a connection and a fragment; no memory and no thread leaks.
//!
//! The suite runs 200 cycles. For 10,000:
//! `KVS_CYCLES=10000 cargo test --release -p kvs-producer --features blocking --test cycles -- --nocapture --test-threads 1`.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod service;
mod support;

use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use kvs_aws::Client;
use kvs_producer::{Producer, ProducerConfig, Timestamps};
use service::Service;
use support::*;
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_secs(20);

fn cycles() -> usize {
    std::env::var("KVS_CYCLES").map_or(200, |cycles| cycles.parse().unwrap())
}

fn live() -> ProducerConfig {
    config().timestamps(Timestamps::StartAt(start()))
}

/// Runs everything on this thread, where allocations are counted; the service has its own threads.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn cycle(client: &Client) {
    let stream = Producer::open(live(), client.clone()).await.unwrap();
    for ms in 0..3 {
        stream.put_frame(frame(V, ms * 40, ms == 0)).await.unwrap();
    }
    let report = stream.stop(SOON).await;
    assert!(report.is_complete(), "{report:?}");
}

async fn run(client: &Client, cycles: usize) {
    for _ in 0..cycles {
        cycle(client).await;
    }
}

fn report(what: &str, cycles: usize, started: Instant, heap: AllocationInfo) {
    println!(
        "{what}: {cycles} cycles in {:.1} s, at most {} KiB, left {} blocks and {} bytes",
        started.elapsed().as_secs_f64(),
        heap.bytes_max >> 10,
        heap.count_current,
        heap.bytes_current
    );
}

#[test]
fn all_memory_is_freed_after_many_streams() {
    let (service, cycles, started) = (Service::start(), cycles(), Instant::now());
    let everything = |cycles| {
        let client = service.client();
        runtime().block_on(run(&client, cycles));
    };
    // Allocations that are made once per process are made here.
    everything(5);
    let heap = measure(|| everything(cycles));
    report("client and runtime created and dropped", cycles, started, heap);
    assert_eq!((heap.count_current, heap.bytes_current), (0, 0));
    assert_eq!(service.fragments(), cycles + 5);
}

#[test]
fn a_long_lived_client_does_not_grow_with_the_number_of_streams() {
    let (service, cycles, started) = (Service::start(), cycles(), Instant::now());
    let (client, runtime) = (service.client(), runtime());
    runtime.block_on(run(&client, 20));
    let heap = measure(|| runtime.block_on(run(&client, cycles)));
    report("one client", cycles, started, heap);
    // The number of pooled connections varies; a leak of one block per cycle would exceed this.
    assert!(heap.count_current < 100 && heap.bytes_current < 64 << 10, "{heap:?}");
}

#[cfg(all(feature = "blocking", target_os = "linux"))]
#[test]
fn blocking_producers_leave_no_thread() {
    let (service, cycles) = (Service::start(), cycles() / 10);
    let client = service.client();
    for round in 0..cycles {
        let stream = kvs_producer::blocking::Producer::open(live(), client.clone()).unwrap();
        let mut events = stream.events();
        stream.put_frame(frame(V, 0, true)).unwrap();
        if round % 2 == 0 {
            assert!(stream.stop(SOON).is_complete());
        }
        assert!(threads_named("kvs-producer") > 0);
        drop(stream);
        while events.next().is_some() {}
    }
    assert_eq!(threads_named("kvs-producer"), 0);
}

/// The only test of this program that starts driver threads.
#[cfg(all(feature = "blocking", target_os = "linux"))]
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread may end during the count.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.trim() == name).count()
}
