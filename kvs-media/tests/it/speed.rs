//! The time to read a large recording, beside the time to copy the file. Run it alone, on an idle machine:
//!
//! ```sh
//! cargo test --release -p kvs-media --test it speed:: -- --ignored --nocapture
//! ```

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::judge::make;
use kvs_media::Reader;
use test_judges::available;

const GOAL: f64 = 1.3;

/// Copies a file in the pieces that the reader reads.
fn copy(from: &Path, to: &Path) -> u64 {
    let (mut from, mut to) = (File::open(from).unwrap(), File::create(to).unwrap());
    let (mut buffer, mut bytes) = (vec![0; 64 << 10], 0);
    loop {
        let read = from.read(&mut buffer).unwrap();
        if read == 0 {
            return bytes;
        }
        to.write_all(&buffer[..read]).unwrap();
        bytes += read as u64;
    }
}

/// Reads all frames and returns their bytes.
fn read(path: &Path) -> u64 {
    let (mut reader, mut bytes) = (Reader::open(path).unwrap(), 0);
    while let Some(sample) = reader.next_sample().unwrap() {
        bytes += sample.data.len() as u64;
    }
    bytes
}

/// The shortest of some runs.
fn shortest(mut run: impl FnMut() -> u64) -> (Duration, u64) {
    let timed = |_| {
        let start = Instant::now();
        let bytes = run();
        (start.elapsed(), bytes)
    };
    (0..5).map(timed).min().unwrap()
}

#[test]
#[ignore = "takes minutes and 3 GB of disk, and measures time"]
fn reading_a_gigabyte_takes_little_more_than_copying_it() {
    if !available("reading a gigabyte", &["ffmpeg"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let noise = "-f lavfi -i testsrc2=size=1280x720:rate=30:duration=4,noise=alls=40:allf=t";
    let sound = "-f lavfi -i sine=sample_rate=48000:duration=4";
    let coded = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -b:v 40M -maxrate 40M -bufsize 40M -g 60 -c:a aac";
    let part = make(folder.path(), "part.mp4", &format!("{noise} {sound} {coded}"));
    let times = 1_000_000_000 / std::fs::metadata(&part).unwrap().len();
    let whole = make(folder.path(), "whole.mp4", &format!("-stream_loop {times} -i {} -c copy", part.display()));
    let (copying, size) = shortest(|| copy(&whole, &folder.path().join("copy.mp4")));
    let (reading, media) = shortest(|| read(&whole));
    let ratio = reading.as_secs_f64() / copying.as_secs_f64();
    println!("{size} bytes copied in {copying:?}; {media} bytes of frames read in {reading:?}: {ratio:.2} times");
    assert!(media > size * 9 / 10 && ratio <= GOAL, "{ratio:.2} times");
}
