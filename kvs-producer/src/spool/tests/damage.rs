//! Files that are damaged, or of another stream or version.

use super::{KIB, ask, config, load_all, open, parcel, put, same};
use crate::config::Overflow;
use crate::report::spool::SpoolProblem;
use crate::spool::disk::SpoolDisk;
use crate::spool::engine::Spool;
use crate::spool::message::{Request, Response, SpoolLoss};
use crate::spool::sim::SimDisk;

#[test]
fn damage_costs_the_records_that_it_hits_and_they_are_never_sent() {
    let mut lost = 0;
    for place in 0..400 {
        let disk = SimDisk::new(place, u64::MAX);
        let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
        for n in 1..=12 {
            put(&mut spool, parcel(n, 500));
        }
        drop(spool);
        disk.damage(".seg", place * 9973);
        let (mut spool, held, problems) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
        let mut responses = Vec::new();
        while !matches!(responses.last(), Some(Response::Nothing)) {
            responses.extend(ask(&mut spool, Request::Load { room: usize::MAX, limit: usize::MAX }));
        }
        let (mut sent, mut reported) = (0, 0);
        let mut told = problems.len();
        for response in responses {
            match response {
                Response::Loaded(loaded) => {
                    assert!(same(&loaded.parcel, &parcel(loaded.parcel.id.0, 500)));
                    sent += 1;
                }
                Response::Lost { held, why: SpoolLoss::Damaged, .. } => reported += held.fragments,
                Response::Problem(_) => told += 1,
                Response::Nothing => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sent + reported, held.fragments);
        // A bit in the header of a segment costs the segment.
        assert!(told > 0 && sent < 12, "place {place}: a bit was turned over and nobody noticed");
        lost += 12 - sent;
    }
    assert!(lost < 400 * 2, "{lost} fragments lost by 400 bits");
}

#[test]
fn a_segment_whose_header_is_damaged_is_kept_for_people_and_one_of_another_version_too() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    put(&mut spool, parcel(1, 500));
    drop(spool);
    let name = disk.names().remove(0);
    let whole = disk.read(&name, 0, usize::MAX).unwrap();
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    let other_version = [&b"KVS-SPOOL SEG 2\n"[..], &[0; 100]].concat();
    for (bytes, is_kept) in
        [(damaged, true), (other_version, true), (whole[..200].to_vec(), false), (whole[..9].to_vec(), false)]
    {
        disk.put(&name, bytes.clone());
        let (mut spool, held, problems) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
        assert_eq!((held.fragments, problems.len()), (0, 1), "{problems:?}");
        assert_eq!(disk.names().len(), usize::from(is_kept));
        put(&mut spool, parcel(2, 500));
        assert_eq!(load_all(&mut spool), [2]);
        let kept = disk.read(&name, 0, usize::MAX).is_ok_and(|now| now == bytes);
        assert_eq!(kept, is_kept, "a segment that is left alone does not change");
        for name in disk.names() {
            disk.clone().remove(&name).unwrap();
        }
    }
}

#[test]
fn a_folder_of_another_stream_is_left_alone() {
    let disk = SimDisk::new(1, u64::MAX);
    let mut other = Spool::on(Some(Box::new(disk.clone())), "door", &config(1024 * KIB), Overflow::DropOldest);
    ask(&mut other, Request::Open);
    put(&mut other, parcel(1, 100));
    let (mut spool, held, problems) = open(&disk, &config(1024 * KIB), Overflow::DropOldest);
    assert_eq!(held.fragments, 0);
    assert!(matches!(&problems[..], [SpoolProblem::OtherStream { stream, .. }] if stream == "door"), "{problems:?}");
    assert_eq!(load_all(&mut spool), [0_u64; 0]);
    put(&mut spool, parcel(2, 100));
    assert_eq!(load_all(&mut spool), [2]);
    assert_eq!(disk.names().len(), 2);
}
