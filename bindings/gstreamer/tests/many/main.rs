//! Many open and close cycles, in a process of their own: they measure it.

#[expect(dead_code, reason = "what the other tests use")]
#[path = "../it/support.rs"]
mod support;

use support::{Run, SINK, Service, number};

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Starts a pipeline, sends five frames, and ends.
fn cycle(service: &Service) {
    let line = format!(
        "videotestsrc num-buffers=5 ! video/x-raw,width=32,height=32,framerate=25/1 ! x264enc speed-preset=ultrafast ! \
         h264parse ! {SINK} name=sink stream-name=s endpoint={}",
        service.endpoint()
    );
    let mut run = Run::new(&line);
    run.play();
    run.finish().unwrap();
    assert_eq!(number(&run.stats(), "persisted-frames"), 5);
}

fn cycles(warm_up: u32, count: u32) {
    let service = Service::start();
    (0..warm_up).for_each(|_| cycle(&service));
    let before = (resident(), threads());
    (0..count).for_each(|_| cycle(&service));
    let after = (resident(), threads());
    println!("RSS {} KiB after {warm_up} cycles, {} KiB after {count} more", before.0, after.0);
    // The service's own list of fragments grows by less than 1 KiB with each.
    assert!(after.0 <= before.0 + 8_192 + u64::from(count), "{before:?} {after:?}");
    assert!(after.1 <= before.1 + 2, "threads: {before:?} {after:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn opening_and_closing_leaves_nothing_behind() {
    cycles(20, 40);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "takes minutes"]
fn a_thousand_cycles_leave_nothing_behind() {
    cycles(100, 1_000);
}
