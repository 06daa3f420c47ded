//! Runs the producer core against the service's ingest core through a faulty network, seed after seed, and checks every loss. Each
//! seed also runs a producer with a spool through bad disks, kills and power loss.
//!
//! `cargo run --release -p kvs-tools --bin simulate -- --seeds N [--seed S] [--jobs J]`

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kvs_tools::simulation;

fn main() -> ExitCode {
    let options = match arguments() {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let sum = match run_all(&options) {
        Ok(sum) => sum,
        Err(failed) => {
            println!("seed {}: {}", failed.seed, failed.text);
            println!("repeat with: cargo run --release -p kvs-tools --bin simulate -- --seed {}", failed.seed);
            return ExitCode::FAILURE;
        }
    };
    sum.print(options.count, begun.elapsed());
    ExitCode::SUCCESS
}

#[derive(Debug)]
struct Options {
    first: u64,
    count: u64,
    jobs: usize,
}

/// The first failing seed of a job.
#[derive(Debug)]
struct Failed {
    seed: u64,
    text: String,
}

/// Sum of the results of many seeds.
#[derive(Debug, Default)]
struct Sum {
    virtual_time: Duration,
    faults: BTreeMap<simulation::Fault, u64>,
    persisted: u64,
    lost: u64,
    sessions: u64,
    with_spool: SpoolSum,
}

/// Sum of the results with a spool.
#[derive(Debug, Default)]
struct SpoolSum {
    faults: BTreeMap<simulation::SpoolFault, u64>,
    spooled: u64,
    recovered: u64,
}

/// Each job takes every nth seed. If several fail, the smallest seed is reported.
fn run_all(options: &Options) -> Result<Sum, Failed> {
    let end = AtomicU64::new(options.first.saturating_add(options.count));
    let results: Vec<_> = std::thread::scope(|scope| {
        let end = &end;
        let jobs = (options.first..).take(options.jobs);
        let jobs: Vec<_> = jobs.map(|first| scope.spawn(move || run_some(first, options, end))).collect();
        jobs.into_iter().map(|job| job.join().expect("a panic in a job was printed")).collect()
    });
    let (mut sum, mut failures) = (Sum::default(), Vec::new());
    for result in results {
        match result {
            Ok(part) => sum.add(part),
            Err(failed) => failures.push(failed),
        }
    }
    failures.into_iter().min_by_key(|failed| failed.seed).map_or(Ok(sum), Err)
}

fn run_some(first: u64, options: &Options, end: &AtomicU64) -> Result<Sum, Failed> {
    let verbosity = if options.count == 1 { simulation::Verbosity::Verbose } else { simulation::Verbosity::Quiet };
    let mut sum = Sum::default();
    for seed in (first..).step_by(options.jobs) {
        if seed >= end.load(Ordering::Relaxed) {
            break;
        }
        let failed = |text: String| {
            end.fetch_min(seed, Ordering::Relaxed);
            Failed { seed, text }
        };
        // A panic is a failure too, and its seed must be reported.
        let outcome =
            std::panic::catch_unwind(|| simulation::run(seed, verbosity)).map_err(|_| failed("panicked".to_owned()))?;
        if let Err(text) = outcome.verdict {
            return Err(failed(text));
        }
        let spooled = std::panic::catch_unwind(|| simulation::run_with_spool(seed, verbosity))
            .map_err(|_| failed("panicked with a spool".to_owned()))?;
        if let Err(text) = spooled.verdict {
            return Err(failed(format!("with a spool: {text}")));
        }
        let totals = outcome.stats.totals;
        sum.add(Sum {
            with_spool: SpoolSum { faults: spooled.faults, spooled: spooled.spooled, recovered: spooled.recovered },
            virtual_time: outcome.virtual_time + spooled.virtual_time,
            faults: outcome.faults,
            persisted: totals.persisted.frames,
            lost: totals.lost.frames,
            sessions: outcome.stats.sessions,
        });
    }
    Ok(sum)
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.virtual_time += other.virtual_time;
        self.persisted += other.persisted;
        self.lost += other.lost;
        self.sessions += other.sessions;
        for (fault, times) in other.faults {
            *self.faults.entry(fault).or_default() += times;
        }
        self.with_spool.spooled += other.with_spool.spooled;
        self.with_spool.recovered += other.with_spool.recovered;
        for (fault, times) in other.with_spool.faults {
            *self.with_spool.faults.entry(fault).or_default() += times;
        }
    }

    fn print(&self, count: u64, took: Duration) {
        let (took, hours) = (took.as_secs_f64(), self.virtual_time.as_secs_f64() / 3600.0);
        println!("{count} seeds in {took:.1} s, {:.0} per second, {hours:.1} virtual hours", count as f64 / took);
        let Self { sessions, persisted, lost, .. } = self;
        println!("{sessions} sessions, {persisted} frames persisted, {lost} reported lost, none unaccounted for");
        for fault in simulation::FAULTS {
            println!("{:>8} {fault:?}", self.faults.get(&fault).unwrap_or(&0));
        }
        let SpoolSum { faults, spooled, recovered } = &self.with_spool;
        println!("with a spool: {spooled} fragments spooled, none missing; {recovered} found by a later run");
        for fault in simulation::SPOOL_FAULTS {
            println!("{:>8} {fault:?}", faults.get(&fault).unwrap_or(&0));
        }
    }
}

fn arguments() -> Result<Options, String> {
    let (mut first, mut count) = (0, None);
    let mut jobs = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let value: u64 = value.parse().map_err(|_| format!("{name} needs a number, not {value:?}"))?;
        match name.as_str() {
            "--seeds" => count = Some(value),
            "--jobs" => jobs = usize::try_from(value).unwrap_or(usize::MAX).clamp(1, MOST_JOBS),
            "--seed" => {
                first = value;
                count = count.or(Some(1));
            }
            _ => return Err(format!("unknown option {name}: --seeds N, --seed S and --jobs J are known")),
        }
    }
    Ok(Options { first, count: count.unwrap_or(2000), jobs })
}

/// Upper bound of `--jobs`.
const MOST_JOBS: usize = 256;
