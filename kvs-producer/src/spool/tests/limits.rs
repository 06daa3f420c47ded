//! A full spool, a full disk, and what is told about the media that they cost.

use super::{EPOCH, KIB, ask, config, load, load_all, open, parcel, put, store};
use crate::config::Overflow;
use crate::report::span::FragmentId;
use crate::report::spool::SpoolProblem;
use crate::spool::engine::Spool;
use crate::spool::message::{Held, LossSource, Request, Response, SpoolLoss};
use crate::spool::sim::SimDisk;

#[test]
fn the_oldest_is_lost_at_the_limit_with_its_time_range_or_nothing_is_stored() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    let (mut lost, mut most, mut reported) = (Held::default(), 0, Vec::new());
    for n in 1..=100 {
        for response in ask(&mut spool, Request::Store(parcel(n, 5000))) {
            match response {
                Response::Lost { held, why, source } => {
                    assert_eq!((why, held.start), (SpoolLoss::Full, EPOCH + 2000 * (lost.fragments + 1)));
                    lost.add(&held);
                    reported.extend(source);
                }
                Response::Stored { key, .. } => assert!(ask(&mut spool, Request::Return(key)).is_empty()),
                other => panic!("{other:?}"),
            }
        }
        most = most.max(disk.bytes());
        for source in reported.drain(..) {
            assert!(ask(&mut spool, Request::Reported(source)).is_empty());
        }
    }
    assert!(disk.names().iter().all(|name| !name.ends_with(".lost")), "{:?}", disk.names());
    assert!(most <= 256 * KIB && most > 200 * KIB, "{most}");
    let left = load_all(&mut spool);
    assert_eq!(left, (lost.fragments + 1..=100).collect::<Vec<_>>());

    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(64 * KIB), Overflow::Refuse);
    let stored = (1..=10).take_while(|n| store(&mut spool, parcel(*n, 5000)).is_some()).count();
    assert_eq!(stored, 4);
    let problem = ask(&mut spool, Request::Store(parcel(11, 5000))).remove(0);
    assert!(matches!(problem, Response::Problem(SpoolProblem::LimitReached { limit: 65_536 })), "{problem:?}");
    assert!(store(&mut spool, parcel(12, 40_000)).is_none());
}

#[test]
fn a_full_or_read_only_disk_is_a_report_and_what_is_there_is_still_sent() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(1024 * KIB), Overflow::Refuse);
    for n in 1..=3 {
        put(&mut spool, parcel(n, 5000));
    }
    disk.set_capacity(Some(disk.bytes() + 7000));
    let answer = ask(&mut spool, Request::Store(parcel(4, 5000)));
    assert!(
        matches!(answer[..], [Response::Problem(SpoolProblem::DiskFull), Response::NotStored { .. }]),
        "{answer:?}"
    );
    disk.set_capacity(None);
    put(&mut spool, parcel(5, 5000));
    disk.set_read_only(true);
    let answer = ask(&mut spool, Request::Store(parcel(6, 5000)));
    assert!(
        matches!(answer[..], [Response::Problem(SpoolProblem::ReadOnly), Response::NotStored { .. }]),
        "{answer:?}"
    );
    let one = load(&mut spool).unwrap();
    let answer = ask(&mut spool, Request::Settle(one.key));
    assert!(matches!(answer[..], [Response::Problem(SpoolProblem::ReadOnly)]), "{answer:?}");
    assert_eq!(load_all(&mut spool), [2, 3, 5], "1 is settled although it could not be marked");
    disk.set_read_only(false);
    put(&mut spool, parcel(7, 5000));
    assert_eq!(load_all(&mut spool), [7]);
    drop(spool);
    // The record that did not fit is in the file, incomplete.
    let (_, held, problems) = open(&disk, &config(1024 * KIB), Overflow::Refuse);
    assert_eq!(held.fragments, 5);
    assert!(matches!(problems[..], [SpoolProblem::Incomplete { .. }]), "{problems:?}");
}

#[test]
fn a_loss_that_was_not_reported_is_reported_by_the_next_run() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    let mut lost = Vec::new();
    for n in 1.. {
        for response in ask(&mut spool, Request::Store(parcel(n, 5000))) {
            match response {
                Response::Stored { key, .. } => assert!(ask(&mut spool, Request::Return(key)).is_empty()),
                Response::Lost { held, .. } => lost.push(held),
                other => panic!("{other:?}"),
            }
        }
        if lost.len() == 2 {
            break;
        }
    }
    // The process ends before the application is told.
    drop(spool);
    for _ in 0..2 {
        let mut spool = Spool::on(Some(Box::new(disk.clone())), "cam", &config(256 * KIB), Overflow::DropOldest);
        let mut responses = ask(&mut spool, Request::Open).into_iter();
        let Some(Response::Opened(all)) = responses.next() else { panic!("opened first") };
        let again: Vec<_> = responses.collect();
        for (response, was) in again.iter().zip(&lost) {
            assert!(
                matches!(response, Response::Lost { held, why: SpoolLoss::Full, .. } if held == was),
                "{response:?}"
            );
        }
        assert_eq!(again.len(), 2);
        assert_eq!(all.fragments, lost[0].fragments + lost[1].fragments + load_all(&mut spool).len() as u64);
        assert_eq!(all.start, lost[0].start);
    }
    // Now it is told.
    for segment in [0, 1] {
        let (mut spool, mut sources) =
            (Spool::on(Some(Box::new(disk.clone())), "cam", &config(256 * KIB), Overflow::DropOldest), Vec::new());
        for response in ask(&mut spool, Request::Open) {
            if let Response::Lost { source, .. } = response {
                sources.extend(source);
            }
        }
        assert_eq!(sources, (segment..2).map(LossSource::Notice).collect::<Vec<_>>());
        ask(&mut spool, Request::Reported(sources[0]));
    }
    let (_, held, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    assert!(held.start > lost[1].start);
}

#[test]
fn a_notice_beside_its_segment_or_with_a_wrong_byte_is_no_loss() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    put(&mut spool, parcel(1, 500));
    drop(spool);
    let mut notice = [1_u64.to_le_bytes(); 5].concat();
    notice.extend(crc32fast::hash(&notice).to_le_bytes());
    disk.put("0000000000.lost", notice.clone());
    notice[3] ^= 1;
    disk.put("0000000007.lost", notice);
    let (mut spool, held, problems) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    assert_eq!((held.fragments, problems), (1, vec![]));
    assert_eq!((load_all(&mut spool), disk.names()), (vec![1], vec!["0000000000.seg".to_owned()]));
}

#[test]
fn what_never_fits_is_told_apart_from_what_does_not_fit_now() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(64 * KIB), Overflow::DropOldest);
    put(&mut spool, parcel(1, 5000));
    let answer = ask(&mut spool, Request::Store(parcel(2, 30_000)));
    assert!(
        matches!(
            answer[..],
            [Response::Problem(SpoolProblem::TooLarge { limit: 65_536, .. }), Response::Unfit { id: FragmentId(2) }]
        ),
        "{answer:?}"
    );
    assert_eq!(load_all(&mut spool), [1], "nothing was dropped for it");
}

#[test]
fn on_a_full_disk_the_oldest_makes_room_if_the_policy_drops_the_oldest() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    for n in 1..=5 {
        put(&mut spool, parcel(n, 5000));
    }
    disk.set_capacity(Some(disk.bytes() + 100));
    let answer = ask(&mut spool, Request::Store(parcel(6, 5000)));
    assert!(matches!(answer[..], [Response::Lost { .. }, Response::Stored { .. }]), "{answer:?}");
}
