//! Reads seeded random encodes of ffmpeg with `kvs_media::Reader` and compares packets, times and decoded pictures and sounds
//! with what ffprobe and ffmpeg find in the same files.
//!
//! With paths, it judges these recordings instead, which others made, and prints a line for each.
//!
//! A seed that differs is printed with the command line of its encode. Needs ffmpeg and ffprobe.

mod encode;
mod judge;
mod ours;
mod recording;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Parser;
use kvs_tools::program::{self, BoxError};

use encode::Encode;
use recording::Verdict;

/// Compares random encodes with ffprobe and ffmpeg.
#[derive(Debug, Parser)]
struct Options {
    /// Number of encodes.
    #[arg(long, default_value_t = 60)]
    seeds: u64,
    /// Seed of the first encode.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Encodes at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Recordings to judge in place of encodes.
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    program::exit_code(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    if !options.files.is_empty() {
        return judge_files(&options.files, folder.path());
    }
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let (compared, not_made) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < options.seeds) {
                    let seed = options.first + seed;
                    let folder = folder.path().join(seed.to_string());
                    match compare(&folder, seed) {
                        Ok(Some(packets)) => {
                            compared.fetch_add(packets, Ordering::Relaxed);
                        }
                        Ok(None) => {
                            not_made.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            let line = format!("seed {seed}: {error}");
                            eprintln!("{line}");
                            failed.lock().map(|mut failed| failed.push(line)).unwrap_or_default();
                        }
                    }
                    // What is left of a seed is removed with the folder around it.
                    let _ = std::fs::remove_dir_all(&folder);
                }
            });
        }
    });
    let failed = failed.into_inner()?;
    let not_made = not_made.into_inner();
    let (made, compared) = (options.seeds.saturating_sub(not_made), compared.into_inner());
    println!("{made} encodes, {compared} packets compared, {} differ; ffmpeg failed {not_made} times", failed.len());
    if not_made > options.seeds / MOST_NOT_MADE {
        return Err(format!("ffmpeg failed for more than one in {MOST_NOT_MADE} encodes").into());
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("{} encodes differ", failed.len()).into()) }
}

/// Judges recordings one by one.
fn judge_files(files: &[PathBuf], folder: &Path) -> Result<(), BoxError> {
    let (mut same, mut refused, mut differ) = (0u64, 0u64, 0u64);
    for file in files {
        let verdict = recording::judge(file, folder)?;
        match verdict {
            Verdict::Same { .. } => same += 1,
            Verdict::Refused { .. } => refused += 1,
            Verdict::Differs(_) => differ += 1,
        }
        println!("{}: {verdict}", file.display());
    }
    println!("{same} the same, {refused} refused, {differ} differ");
    if differ == 0 { Ok(()) } else { Err(format!("{differ} recordings differ").into()) }
}

/// ffmpeg 5.1 crashes for some arguments, about one encode in 150.
const MOST_NOT_MADE: u64 = 20;

/// Encodes, reads and compares one seed; returns the number of packets, or `None` if ffmpeg could not encode.
fn compare(folder: &Path, seed: u64) -> Result<Option<u64>, BoxError> {
    std::fs::create_dir_all(folder)?;
    let encode = Encode::random(seed);
    let file = match encode.run(folder) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("seed {seed} is not made: {error}");
            return Ok(None);
        }
    };
    let about = |error: BoxError| -> BoxError { format!("{error}\n    {encode}").into() };
    judge::compare(&encode, &file, folder).map(Some).map_err(about)
}
