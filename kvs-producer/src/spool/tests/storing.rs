//! What is stored is sent once, and its space is used again.

use std::collections::BTreeSet;

use super::{EPOCH, KIB, ask, config, load, load_all, open, parcel, put, same, written};
use crate::config::{Overflow, SpoolOrder};
use crate::report::spool::SpoolProblem;
use crate::spool::message::{RecordKey, Request, Response};
use crate::spool::record;
use crate::spool::sim::SimDisk;

#[test]
fn a_record_is_read_back_as_it_was_and_its_payload_is_a_matroska_document() {
    let put = parcel(7, 600);
    let pointer = written(&put).pieces()[1].as_ptr();
    let (head, pieces) = record::encode(put.clone()).unwrap();
    assert!(pieces.iter().any(|piece| piece.as_ptr() == pointer), "the payload is not copied");
    let bytes = pieces.concat();
    assert_eq!(bytes.len() as u64, head.record_len());
    assert_eq!(bytes[record::HEAD_BYTES..][..4], [0x1a, 0x45, 0xdf, 0xa3], "an EBML head");
    assert!(same(&record::decode(bytes.clone().into()).unwrap(), &put));
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        assert!(record::decode(wrong.into()).is_none(), "byte {at}");
    }
}

#[test]
fn what_was_stored_is_sent_after_a_restart_in_either_order() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(1024 * KIB), Overflow::DropOldest);
    for n in 1..=40 {
        put(&mut spool, parcel(n, 5000));
    }
    drop(spool);
    assert!(disk.names().len() > 8, "several segments: {:?}", disk.names());
    let oldest = config(1024 * KIB);
    let (mut spool, held, problems) = open(&disk, &oldest, Overflow::DropOldest);
    assert_eq!((held.fragments, held.frames, problems), (40, 120, vec![]));
    assert_eq!((held.start, held.latest), (EPOCH + 2000, EPOCH + 80_000 + 1960));
    let first = load(&mut spool).unwrap();
    assert!(first.is_recovered && same(&first.parcel, &parcel(1, 5000)));
    assert_eq!(load_all(&mut spool), (2..=40).collect::<Vec<_>>());
    // What the core holds comes back if it is returned.
    ask(&mut spool, Request::Return(first.key));
    assert_eq!(load_all(&mut spool), [1]);

    let newest = oldest.order(SpoolOrder::NewestFirst);
    let (mut spool, _, _) = open(&disk, &newest, Overflow::DropOldest);
    let order = load_all(&mut spool);
    assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), (1..=40).collect());
    assert!(order[0] > 30 && *order.last().unwrap() < 10, "from the newest segment to the oldest: {order:?}");
    let falls = order.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert_eq!(falls, disk.names().len() - 1, "rising within each segment");
}

#[test]
fn what_is_settled_is_not_sent_again_and_frees_the_disk() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(1024 * KIB), Overflow::DropOldest);
    let keys: Vec<RecordKey> = (1..=40).map(|n| put(&mut spool, parcel(n, 5000))).collect();
    for key in keys.iter().step_by(2) {
        ask(&mut spool, Request::Settle(*key));
    }
    let (mut spool, held, _) = open(&disk, &config(1024 * KIB), Overflow::DropOldest);
    assert_eq!(held.fragments, 20);
    assert_eq!(load_all(&mut spool), (1..=20).map(|n| n * 2).collect::<Vec<_>>());
    for key in keys.iter().skip(1).step_by(2) {
        ask(&mut spool, Request::Settle(*key));
    }
    assert!(disk.names().is_empty(), "{:?}", disk.names());
    put(&mut spool, parcel(50, 100));
    assert_eq!(load_all(&mut spool), [50]);
}

#[test]
fn a_record_whose_sync_failed_is_stored_again_and_read_once() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(1024 * KIB), Overflow::Refuse);
    put(&mut spool, parcel(1, 5000));
    disk.set_fails_to_sync(true);
    let before = disk.bytes();
    let answer = ask(&mut spool, Request::Store(parcel(2, 5000)));
    assert!(
        matches!(answer[..], [Response::Problem(SpoolProblem::Io { .. }), Response::NotStored { .. }]),
        "{answer:?}"
    );
    assert!(disk.bytes() > before + 15_000, "the whole record is in the file");
    disk.set_fails_to_sync(false);
    for n in 2..=40 {
        put(&mut spool, parcel(n, 5000));
    }
    // The entries of the first segment were dropped meanwhile, so its file is read again.
    assert_eq!(load_all(&mut spool), (1..=40).collect::<Vec<_>>());
}

#[test]
fn memory_does_not_grow_with_the_number_of_fragments() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(16 * 1024 * KIB), Overflow::DropOldest);
    for n in 1..=5000 {
        put(&mut spool, parcel(n, 300));
    }
    assert!(spool.entries_in_memory() < 2000, "{}", spool.entries_in_memory());
    let (mut spool, held, _) = open(&disk, &config(16 * 1024 * KIB), Overflow::DropOldest);
    assert_eq!((held.fragments, spool.entries_in_memory()), (5000, 0));
    let mut most = 0;
    while let Some(loaded) = load(&mut spool) {
        ask(&mut spool, Request::Settle(loaded.key));
        most = most.max(spool.entries_in_memory());
    }
    assert!(most < 1000, "{most}");
    assert!(disk.names().is_empty());
}
