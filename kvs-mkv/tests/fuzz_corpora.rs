//! Runs the checks of the fuzz targets on the committed inputs, and on each of them damaged in many places.
#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(unreachable_pub, reason = "the fuzz targets share the module")]

#[path = "../../fuzz/src/container.rs"]
mod container;
#[path = "../../fuzz/src/splitters.rs"]
mod splitters;

use std::path::Path;

fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        check(&input);
        for at in 0..input.len() {
            check(&input[..at]);
            for byte in [0, 0xFF] {
                let mut damaged = input.clone();
                damaged[at] = byte;
                check(&damaged);
            }
        }
        inputs += 1;
    }
    assert!(inputs >= 2, "{target} has a corpus");
}

#[test]
fn parse() {
    run("parse", container::parse);
}

#[test]
fn round_trip() {
    run("round_trip", container::round_trip);
}

#[test]
fn fragment_reader() {
    run("fragment_reader", container::fragment_reader);
}

#[test]
fn merger() {
    run("merger", container::merger);
}

#[test]
fn access_units() {
    run("access_units", splitters::access_units);
}

#[test]
fn adts_stream() {
    run("adts_stream", splitters::adts_stream);
}
