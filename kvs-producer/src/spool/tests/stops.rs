//! A machine that stops at any byte loses nothing that was reported as stored.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::{EPOCH, KIB, ask, config, load, load_all, open, parcel, put, same};
use crate::config::Overflow;
use crate::spool::disk::SpoolDisk;
use crate::spool::engine::Spool;
use crate::spool::message::{Held, Loaded, LossSource, RecordKey, Request, Response};
use crate::spool::sim::{SimDisk, Stop};

/// What a run was told.
#[derive(Debug, Default)]
struct Ledger {
    /// Reported as stored, and neither settled nor lost since.
    stored: BTreeMap<u64, RecordKey>,
    /// All that was ever given to the spool.
    given: BTreeSet<u64>,
    /// Settled, and the journal was asked to remember it.
    settled: BTreeSet<u64>,
    /// Reported lost, as numbers of fragments.
    lost: u64,
}

impl Ledger {
    fn lose(&mut self, held: &Held) {
        self.lost += held.fragments;
        // The fragments of the span are gone.
        let gone = |n: &u64| EPOCH + n * 2000 >= held.start && EPOCH + n * 2000 <= held.latest;
        self.stored.retain(|n, _| !gone(n));
    }
}

/// What the core hears; nothing if the machine stops before the answer.
fn hear(spool: &mut Spool, disk: &SimDisk, request: Request) -> Vec<Response> {
    let responses = ask(spool, request);
    if disk.has_stopped() { Vec::new() } else { responses }
}

/// Stores, loads and settles until the disk stops.
fn work(spool: &mut Spool, disk: &SimDisk, chance: &mut fastrand::Rng, ledger: &mut Ledger, first: u64) {
    let mut held: Vec<Loaded> = Vec::new();
    for n in (first..first + 60).take_while(|_| !disk.has_stopped()) {
        match chance.u8(..10) {
            0..=5 => {
                ledger.given.insert(n);
                for response in hear(spool, disk, Request::Store(parcel(n, chance.usize(8..3000)))) {
                    match response {
                        Response::Stored { key, .. } => {
                            ledger.stored.insert(n, key);
                            ask(spool, Request::Return(key));
                        }
                        Response::Lost { held, source, .. } => {
                            ledger.lose(&held);
                            source.into_iter().for_each(|source| drop(ask(spool, Request::Reported(source))));
                        }
                        _ => {}
                    }
                }
            }
            6..=7 => held.extend(load(spool).filter(|_| !disk.has_stopped())),
            _ => {
                if let Some(loaded) = (!held.is_empty()).then(|| held.swap_remove(chance.usize(..held.len()))) {
                    let answer = ask(spool, Request::Settle(loaded.key));
                    ledger.stored.remove(&loaded.parcel.id.0);
                    // If the disk stopped before the mark was written, it may come again.
                    if answer.is_empty() {
                        ledger.settled.insert(loaded.parcel.id.0);
                    }
                }
            }
        }
    }
}

/// The spool of the next run, how many fragments it announces, and the losses that it reports in place of the one before.
fn restart(disk: &SimDisk, ledger: &mut Ledger) -> (Spool, u64, Vec<(Held, LossSource)>) {
    let mut spool = Spool::on(Some(Box::new(disk.clone())), "cam", &config(64 * KIB), Overflow::DropOldest);
    let (mut announced, mut lost) = (0, Vec::new());
    for response in ask(&mut spool, Request::Open) {
        match response {
            Response::Opened(held) => announced = held.fragments,
            Response::Lost { held, source, .. } => {
                ledger.lose(&held);
                lost.extend(source.map(|source| (held, source)));
            }
            _ => {}
        }
    }
    (spool, announced, lost)
}

/// Everything that was reported as stored is read whole, and nothing that was not given.
fn check(disk: &SimDisk, ledger: &mut Ledger, stop: Stop) -> Result<(), TestCaseError> {
    let (mut spool, announced, unreported) = restart(disk, ledger);
    let lost: u64 = unreported.iter().map(|(held, _)| held.fragments).sum();
    let found: Vec<Loaded> = std::iter::from_fn(|| load(&mut spool)).collect();
    prop_assert_eq!(found.len() as u64 + lost, announced, "what was announced is there, or reported lost");
    let numbers: BTreeSet<u64> = found.iter().map(|loaded| loaded.parcel.id.0).collect();
    for loaded in &found {
        let n = loaded.parcel.id.0;
        prop_assert!(ledger.given.contains(&n), "{} was never given", n);
        let payload = usize::try_from(loaded.parcel.bytes / loaded.parcel.frames).unwrap();
        prop_assert!(same(&loaded.parcel, &parcel(n, payload)), "{} is changed", n);
        // The journal is not synced: after power loss a settled fragment may come again.
        prop_assert!(stop == Stop::PowerLoss || !ledger.settled.contains(&n), "{} is sent again", n);
    }
    let missing: Vec<_> = ledger.stored.keys().filter(|n| !numbers.contains(n)).collect();
    prop_assert!(missing.is_empty(), "missing {:?}, lost {}", missing, ledger.lost);
    Ok(())
}

/// Kills at a byte, restarts, and works on: three times.
fn stop_at(stop: Stop, steps: u64, seed: u64) -> Result<(), TestCaseError> {
    let (mut ledger, mut chance) = (Ledger::default(), fastrand::Rng::with_seed(seed));
    let mut disk = SimDisk::new(seed, steps);
    for first in [1000, 2000, 3000] {
        let (mut spool, _, unreported) = restart(&disk, &mut ledger);
        unreported.into_iter().for_each(|(_, source)| drop(ask(&mut spool, Request::Reported(source))));
        work(&mut spool, &disk, &mut chance, &mut ledger, first);
        drop(spool);
        disk = disk.restart(stop);
        check(&disk, &mut ledger, stop)?;
        // The check's reads are the core's: what follows starts from the disk.
        let next = SimDisk::new(chance.u64(..), u64::MAX);
        next.stop_after(chance.u64(1..120_000));
        for name in disk.names() {
            let len = usize::try_from(disk.len(&name).unwrap()).unwrap();
            next.put(&name, disk.read(&name, 0, len).unwrap());
        }
        disk = next;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_was_stored_survives_a_kill_at_any_byte(steps in 0..150_000_u64, seed: u64) {
        stop_at(Stop::Kill, steps, seed)?;
    }

    #[test]
    fn what_was_stored_survives_the_loss_of_power_at_any_byte(steps in 0..150_000_u64, seed: u64) {
        stop_at(Stop::PowerLoss, steps, seed)?;
    }

    #[test]
    fn any_bytes_in_place_of_files_open(
        bytes in prop::collection::vec(any::<u8>(), 0..2000), acks in prop::collection::vec(any::<u8>(), 0..100), cut: u16,
    ) {
        let disk = SimDisk::new(0, u64::MAX);
        let (mut spool, _, _) = open(&disk, &config(64 * KIB), Overflow::DropOldest);
        put(&mut spool, parcel(1, 10));
        drop(spool);
        let name = disk.names().remove(0);
        let mut whole = disk.read(&name, 0, usize::MAX).unwrap();
        whole.truncate(usize::from(cut) % (whole.len() + 1));
        whole.extend_from_slice(&bytes);
        disk.put(&name, whole);
        disk.put("0000000000.ack", acks);
        let (mut spool, _, _) = open(&disk, &config(64 * KIB), Overflow::DropOldest);
        put(&mut spool, parcel(2, 10));
        let left = load_all(&mut spool);
        prop_assert!(left == [2] || left == [1, 2], "{:?}", left);
    }
}
