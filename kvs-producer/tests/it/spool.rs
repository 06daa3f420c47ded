//! A producer with a spool: outages, stops, restarts and bad disks, in virtual time.
#![cfg(feature = "spool")]

use crate::support;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use kvs_producer::{
    Event, FragmentTag, Loss, LossReason, Overflow, ProducerConfig, SpoolConfig, SpoolError, SpoolOrder, SpoolProblem,
};
use proptest::prelude::*;
use support::*;

const S: fn(u64) -> Duration = Duration::from_secs;
const MIB: u64 = 1 << 20;
/// Memory for about ten of the fragments of these tests.
const MEMORY: usize = 300_000;

fn spool(dir: &Path) -> SpoolConfig {
    SpoolConfig::new(dir).bytes(64 * MIB)
}

fn small() -> ProducerConfig {
    config().buffer_bytes(MEMORY)
}

fn open(config: ProducerConfig, dir: &Path) -> Service {
    Service::with_spool(config, spool(dir), Overflow::DropOldest)
}

/// The times of all frames that the service stored, in ms since the epoch of the test.
fn stored_times(service: &Service) -> Vec<u64> {
    (0..service.stored.len()).flat_map(|fragment| service.times(fragment)).collect()
}

fn losses(service: &Service) -> Vec<Loss> {
    service
        .events
        .iter()
        .filter_map(|event| if let Event::Lost(loss) = event { Some(loss.clone()) } else { None })
        .collect()
}

fn problems(service: &Service) -> Vec<SpoolProblem> {
    let problem = |event: &Event| if let Event::SpoolProblem(problem) = event { Some(problem.clone()) } else { None };
    service.events.iter().filter_map(problem).collect()
}

/// Waits for the network, which is back.
fn drain(service: &mut Service, time: Duration) {
    let end = service.now + time;
    while service.now < end && service.producer.stats().totals.held().frames > 0 {
        service.pass(Duration::from_millis(100));
    }
}

#[test]
fn an_outage_that_memory_cannot_hold_loses_nothing_and_is_sent_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = open(small(), dir.path());
    service.producer.put_tag(FragmentTag::persistent("cam", "north")).unwrap();
    service.down = true;
    service.play(0, 120_000, 2000);
    assert!(service.producer.stats().buffered_bytes_peak <= MEMORY);
    assert!(service.producer.stats().totals.spooled.frames > 2000);
    service.down = false;
    drain(&mut service, S(30));
    service.finish(S(10));
    assert_eq!(stored_times(&service), (0..120_000).step_by(40).collect::<Vec<_>>());
    assert!(service.stored.iter().all(|seen| seen.tags == service.stored[0].tags && seen.tags[0][0].value == "north"));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.persisted, totals.lost.frames, totals.spooled.frames), (totals.submitted, 0, 0));
    assert!(service.sessions <= 2, "{} sessions", service.sessions);
    assert!(problems(&service).is_empty());
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"], "what is persisted takes no disk");
}

#[test]
fn what_waits_at_a_stop_is_sent_by_the_next_run_at_its_recorded_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(small(), dir.path());
    first.down = true;
    first.play(0, 60_000, 2000);
    first.finish(S(3));
    let totals = first.producer.stats().totals;
    assert_eq!((totals.submitted.frames, totals.persisted.frames, totals.lost.frames), (1500, 0, 0));
    assert_eq!(totals.spooled, totals.submitted);
    drop(first);

    let mut second = open(small(), dir.path());
    let recovered = second.events.iter().find_map(|event| match event {
        Event::Recovered { fragments, span } => Some((*fragments, span.frames, span.start)),
        _ => None,
    });
    assert_eq!(recovered, Some((30, 1500, start())));
    second.play(100_000, 110_000, 2000);
    second.finish(S(10));
    let expected: Vec<u64> = (0..60_000).step_by(40).chain((100_000..110_000).step_by(40)).collect();
    assert_eq!(stored_times(&second), expected);
    let totals = second.producer.stats().totals;
    assert_eq!((totals.recovered.frames, totals.persisted.frames, totals.spooled.frames), (1500, 1750, 0));
    let of_earlier_run = |event: &&Event| matches!(event, Event::Persisted(one) if one.fragment.is_recovered());
    assert_eq!(second.events.iter().filter(of_earlier_run).count(), 30);
    drop(second);
    assert_eq!(open(small(), dir.path()).producer.stats().totals.recovered.frames, 0);
}

#[test]
fn a_kill_loses_only_what_was_in_memory_and_sends_nothing_persisted_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(small(), dir.path());
    first.down = true;
    first.play(0, 60_000, 2000);
    first.down = false;
    first.slow = Some(20_000);
    (0..150).for_each(|_| first.pass(Duration::from_millis(100)));
    first.down = true;
    first.cut();
    first.play(60_000, 120_000, 2000);
    let persisted: BTreeSet<u64> = stored_times(&first).into_iter().collect();
    let on_disk = first.producer.stats().totals.spooled.frames;
    assert!(!persisted.is_empty() && on_disk > 0);
    // Neither a stop nor a drop of the core writes anything.
    drop(first);
    let mut second = open(small(), dir.path());
    drain(&mut second, S(30));
    second.finish(S(10));
    let sent = stored_times(&second);
    assert!(sent.len() as u64 >= on_disk);
    assert!(sent.iter().all(|time| !persisted.contains(time)), "what was persisted is not sent again");
}

#[test]
fn newest_first_sends_live_media_first_and_the_backlog_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let order = spool(dir.path()).bytes(4 * MIB).order(SpoolOrder::NewestFirst);
    let mut service = Service::with_spool(small(), order, Overflow::DropOldest);
    service.down = true;
    service.play(0, 120_000, 2000);
    service.down = false;
    let before = service.now;
    // An uplink of three times the media rate.
    service.slow = Some(36_000);
    let mut worst = 0;
    for ms in (120_000..240_000).step_by(40) {
        service.put(frame(V, ms, ms % 2000 == 0));
        service.pass(Duration::from_millis(40));
        let newest = stored_times(&service).into_iter().max().unwrap_or(0);
        if service.now > before + S(30) {
            worst = worst.max(ms - newest);
        }
    }
    service.slow = None;
    service.finish(S(30));
    assert!(worst < 20_000, "live media was {worst} ms late while the backlog was sent");
    let times = stored_times(&service);
    assert_eq!(times.iter().copied().collect::<BTreeSet<_>>(), (0..240_000).step_by(40).collect());
    let first = |from: u64, to: u64| times.iter().position(|time| (from..to).contains(time)).unwrap();
    assert!(first(116_000, 120_000) < first(0, 2000), "the newest part of the backlog precedes the oldest");
    assert!(service.sessions < 40, "{} sessions", service.sessions);
}

#[test]
fn a_full_spool_loses_the_oldest_with_its_time_range() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::with_spool(small(), spool(dir.path()).bytes(MIB), Overflow::DropOldest);
    service.down = true;
    service.play(0, 240_000, 2000);
    let lost: Vec<Loss> = losses(&service);
    assert!(!lost.is_empty() && lost.iter().all(|loss| loss.reason == LossReason::SpoolFull), "{lost:?}");
    service.down = false;
    drain(&mut service, S(30));
    service.finish(S(10));
    let totals = service.producer.stats().totals;
    assert_eq!(totals.lost.frames, totals.lost_by.spool_full);
    assert_eq!(totals.submitted.frames, totals.persisted.frames + totals.lost.frames);
    let since = |time: std::time::SystemTime| time.duration_since(start()).unwrap().as_millis();
    let ranges: Vec<_> = lost.iter().map(|loss| since(loss.span.start)..=since(loss.span.end)).collect();
    let sent = stored_times(&service);
    assert!(!sent.iter().any(|&time| ranges.iter().any(|range| range.contains(&u128::from(time)))));
    // What was read ahead for the sender is the only older media that is left.
    let end = *ranges.iter().map(|range| range.end()).max().unwrap();
    assert!(sent.iter().filter(|&&time| u128::from(time) < end).count() < 250);
}

/// Nothing is read ahead behind a fragment of more than a quarter of the memory, so no cluster follows it.
#[test]
fn a_large_fragment_of_an_earlier_run_is_completed_before_the_next_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(small(), dir.path());
    first.down = true;
    first.play(0, 36_000, 9000);
    first.finish(S(1));
    assert_eq!(first.producer.stats().totals.spooled.frames, 900);
    drop(first);
    let mut second = open(small(), dir.path());
    drain(&mut second, S(20));
    let totals = second.producer.stats().totals;
    assert_eq!((totals.recovered.frames, totals.persisted.frames, second.sessions), (900, 900, 1));
}

/// A fragment that the whole spool cannot hold, and small ones before and behind it. Returns the times of all frames.
fn play_with_a_giant(service: &mut Service) -> Vec<u64> {
    for ms in (0..30_000).step_by(40) {
        let mut one = frame(V, ms, ms % 2000 == 0);
        if ms == 4000 {
            one.data = vec![7; 1_200_000].into();
        }
        service.put(one);
        service.pass(Duration::from_millis(40));
    }
    (0..30_000).step_by(40).collect()
}

#[test]
fn a_fragment_that_never_fits_is_sent_from_memory_and_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let memory = || config().buffer_bytes(2_000_000);
    let disk = || spool(dir.path()).bytes(MIB).after(Duration::ZERO);
    let mut service = Service::with_spool(memory(), disk(), Overflow::DropOldest);
    service.down = true;
    let all = play_with_a_giant(&mut service);
    let spooled = |event: &&Event| matches!(event, Event::Spooled { .. });
    assert_eq!(service.events.iter().filter(spooled).count(), 13, "all complete ones but the giant");
    assert!(matches!(problems(&service)[..], [SpoolProblem::TooLarge { .. }]), "{:?}", problems(&service));
    service.down = false;
    drain(&mut service, S(30));
    service.finish(S(10));
    assert_eq!((stored_times(&service), service.producer.stats().totals.lost.frames), (all.clone(), 0));
    drop(service);

    // At a stop, only the giant is lost.
    let mut first = Service::with_spool(memory(), disk(), Overflow::DropOldest);
    first.down = true;
    play_with_a_giant(&mut first);
    first.finish(S(1));
    assert_eq!(first.producer.stats().totals.lost.frames, 50);
    drop(first);
    let mut second = Service::with_spool(memory(), disk(), Overflow::DropOldest);
    drain(&mut second, S(30));
    second.finish(S(10));
    let left: Vec<u64> = all.into_iter().filter(|ms| !(4000..6000).contains(ms)).collect();
    assert_eq!(stored_times(&second), left);
}

#[test]
fn what_is_on_disk_leaves_memory_before_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let disk = spool(dir.path()).bytes(MIB);
    let mut service = Service::with_spool(config().buffer_bytes(1_300_000), disk, Overflow::DropOldest);
    service.down = true;
    let all = play_with_a_giant(&mut service);
    assert_eq!(losses(&service), [], "the giant stays although memory is full");
    service.down = false;
    drain(&mut service, S(30));
    service.finish(S(10));
    // The giant goes first, because nothing can be read before.
    let mut stored = stored_times(&service);
    stored.sort_unstable();
    assert_eq!(stored, all);
}

#[test]
fn with_refuse_a_full_spool_refuses_frames_and_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::with_spool(small(), spool(dir.path()).bytes(MIB), Overflow::Refuse);
    service.down = true;
    let mut accepted = Vec::new();
    for ms in (0..200_000).step_by(40) {
        if service.producer.put_frame(frame(V, ms, ms % 2000 == 0), service.now).is_ok() {
            accepted.push(ms);
        }
        service.run();
        service.pass(Duration::from_millis(40));
    }
    assert!(accepted.len() > 2000 && accepted.len() < 5000, "{}", accepted.len());
    service.down = false;
    drain(&mut service, S(60));
    service.finish(S(10));
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
    assert_eq!(stored_times(&service), accepted);
}

#[test]
fn one_folder_serves_one_producer_and_one_stream() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(small(), dir.path());
    let again = kvs_producer::Spool::open(&spool(dir.path()), "cam", Overflow::DropOldest);
    assert!(matches!(again, Err(SpoolError::InUse { .. })), "{again:?}");
    first.down = true;
    first.play(0, 10_000, 2000);
    first.finish(S(1));
    let other = kvs_producer::Spool::open(&spool(dir.path()), "door", Overflow::DropOldest);
    assert!(matches!(&other, Err(SpoolError::OtherStream { stream, .. }) if stream == "cam"), "{other:?}");
    drop(other);
    assert!(kvs_producer::Spool::open(&spool(dir.path()), "cam", Overflow::DropOldest).is_ok(), "a stop releases it");
}

#[cfg(unix)]
#[test]
fn files_belong_to_their_owner_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/spool");
    let mut service = open(small(), &folder);
    service.down = true;
    service.play(0, 10_000, 2000);
    service.finish(S(1));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 2 && files.iter().all(|file| mode(file) == 0o600), "{files:?}");

    let link = dir.path().join("link");
    symlink(&folder, &link).unwrap();
    let refused = kvs_producer::Spool::open(&spool(&link), "cam", Overflow::DropOldest);
    assert!(matches!(refused, Err(SpoolError::NotPlain { .. })), "{refused:?}");

    let victim = dir.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    let refused = kvs_producer::Spool::open(&spool(&victim), "cam", Overflow::DropOldest);
    assert!(matches!(refused, Err(SpoolError::NotPlain { .. })), "{refused:?}");
    for name in ["lock", "0000000000.seg", "0000000000.ack", "0000000000.lost", "0000000001.seg"] {
        let folder = dir.path().join(format!("of {name}"));
        std::fs::create_dir(&folder).unwrap();
        symlink(&victim, folder.join(name)).unwrap();
        if let Ok(opened) = kvs_producer::Spool::open(&spool(&folder), "cam", Overflow::DropOldest) {
            let mut service = Service::with_opened(small(), spool(&folder), opened);
            service.down = true;
            service.play(0, 10_000, 2000);
            service.finish(S(1));
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious", "{name}");
    }
}

#[test]
fn a_damaged_segment_is_reported_and_the_rest_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(small(), dir.path());
    first.down = true;
    first.play(0, 60_000, 2000);
    first.finish(S(1));
    drop(first);
    let file = dir.path().join("0000000000.seg");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let mut second = open(small(), dir.path());
    drain(&mut second, S(10));
    second.finish(S(10));
    let totals = second.producer.stats().totals;
    assert_eq!((totals.recovered.frames, totals.persisted.frames, totals.lost_by.spool_damaged), (1500, 1450, 50));
    assert!(matches!(problems(&second)[..], [SpoolProblem::Damaged { .. }]), "{:?}", problems(&second));
}

#[test]
fn a_disk_that_never_answers_does_not_stop_live_media() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::mute(small(), spool(dir.path()));
    service.play(0, 20_000, 2000);
    assert!(service.producer.stats().totals.persisted.frames > 200);
    assert!(matches!(problems(&service)[..], [SpoolProblem::Slow { .. }]), "{:?}", problems(&service));
    service.finish(S(5));
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

#[test]
fn an_ack_that_arrives_after_the_fragment_left_memory_settles_it_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = open(small(), dir.path());
    service.ack = |_| Vec::new();
    service.play(0, 24_000, 2000);
    let session = service.session.unwrap();
    assert!(service.producer.stats().buffered_bytes_peak <= MEMORY);
    for timecode in service.stored.iter().map(|seen| seen.timecode).collect::<Vec<_>>() {
        for ack in all_acks(timecode) {
            service.producer.handle_ack(session, ack.as_bytes(), service.now);
        }
    }
    service.ack = all_acks;
    service.finish(S(10));
    assert_eq!(stored_times(&service), (0..24_000).step_by(40).collect::<Vec<_>>(), "nothing is sent twice");
    let totals = service.producer.stats().totals;
    assert_eq!((totals.persisted, totals.lost.frames), (totals.submitted, 0));
}

/// A frame per second is enough: 50 MB, against 1 MiB of memory and 16 MiB of disk.
#[test]
fn memory_holds_its_bound_during_an_outage_of_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let limit = 1 << 20;
    let mut service =
        Service::with_spool(config().buffer_bytes(limit), spool(dir.path()).bytes(16 * MIB), Overflow::DropOldest);
    service.down = true;
    let put = |from: u64, to: u64, service: &mut Service| {
        for ms in (from..to).step_by(1000) {
            let mut one = frame(V, ms, ms % 10_000 == 0);
            one.data = vec![1; 600].into();
            service.put(one);
            service.pass(S(1));
            service.events.clear();
            service.calls.clear();
        }
    };
    let day = 24 * 3600 * 1000;
    let measured = allocation_counter::measure(|| put(0, day, &mut service));
    assert!(service.producer.stats().buffered_bytes_peak <= limit);
    println!(
        "peak of the heap in a day's outage: {} bytes, at the end {} more",
        measured.bytes_max, measured.bytes_current
    );
    assert!(measured.bytes_max < limit as u64, "{measured:?}");
    let totals = service.producer.stats().totals;
    assert_eq!(totals.submitted.frames, 86_400);
    assert_eq!(totals.lost.frames, totals.lost_by.spool_full);
}

/// What happens to a camera with a spool.
#[derive(Clone, Debug)]
enum Act {
    Play { seconds: u64 },
    Cut,
    Network { down: bool, black_hole: bool },
    Pass { seconds: u64 },
    Pause,
    Resume,
    Stop { within: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1..40_u64).prop_map(|seconds| Act::Play { seconds }),
        2 => Just(Act::Cut),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(down, hole)| Act::Network { down, black_hole: hole && !down }),
        2 => (1..60_u64).prop_map(|seconds| Act::Pass { seconds }),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
        1 => (0..5_u64).prop_map(|within| Act::Stop { within }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// submitted + recovered = persisted + lost + left in the spool, in each run and over all runs.
    #[test]
    fn every_frame_is_persisted_or_reported_lost_over_all_runs(
        acts in prop::collection::vec(act(), 1..25), newest: bool, small_disk: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let order = if newest { SpoolOrder::NewestFirst } else { SpoolOrder::OldestFirst };
        let config = || spool(dir.path()).order(order).bytes(if small_disk { MIB } else { 64 * MIB });
        let mut service = Service::with_spool(small(), config(), Overflow::DropOldest);
        let (mut time, mut submitted, mut lost) = (0, 0, 0);
        let mut stored = BTreeSet::new();
        let mut end = |mut service: Service, within: u64, submitted: &mut u64| {
            service.finish(S(within));
            let totals = service.producer.stats().totals;
            *submitted += totals.submitted.frames;
            lost += totals.lost.frames;
            stored.extend(stored_times(&service));
            assert!(service.producer.stats().buffered_bytes_peak <= MEMORY);
            assert!(problems(&service).is_empty(), "{:?}", problems(&service));
            totals.spooled.frames
        };
        for act in acts {
            match act {
                Act::Play { seconds } => {
                    service.play(time, time + seconds * 1000, 2000);
                    time += seconds * 1000;
                }
                Act::Cut => service.cut(),
                Act::Network { down, black_hole } => {
                    service.cut();
                    (service.down, service.black_hole) = (down, black_hole);
                }
                Act::Pass { seconds } => {
                    service.pass(S(seconds));
                    time += seconds * 1000;
                }
                Act::Pause => service.producer.pause(service.now),
                Act::Resume => {
                    service.producer.resume(service.now);
                    service.run();
                }
                Act::Stop { within } => {
                    end(service, within, &mut submitted);
                    service = Service::with_spool(small(), config(), Overflow::DropOldest);
                }
            }
        }
        end(service, 0, &mut submitted);
        let mut last = Service::with_spool(small(), config(), Overflow::DropOldest);
        drain(&mut last, S(600));
        let left = end(last, 600, &mut submitted);
        prop_assert_eq!(left, 0);
        prop_assert!(stored.len() as u64 + lost >= submitted, "{} stored, {} lost, {} submitted", stored.len(), lost, submitted);
    }
}
