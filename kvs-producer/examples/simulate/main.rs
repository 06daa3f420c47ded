//! Runs the producer against the service's ingest core through a network that misbehaves, seed after seed, and checks the promise.
//!
//! `cargo run --release -p kvs-producer --example simulate -- --seeds N [--seed S]`

mod pair;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let (first, count) = match arguments() {
        Ok(range) => range,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let voice = if count == 1 { pair::Voice::Loud } else { pair::Voice::Quiet };
    let begun = Instant::now();
    let mut virtual_time = Duration::ZERO;
    let mut faults: BTreeMap<pair::Fault, u64> = BTreeMap::new();
    let (mut persisted, mut lost, mut sessions) = (0, 0, 0);
    for seed in first..first.saturating_add(count) {
        let outcome = pair::run(seed, voice);
        if let Err(text) = outcome.verdict {
            println!("seed {seed}: {text}");
            println!("again: cargo run --release -p kvs-producer --example simulate -- --seed {seed}");
            return ExitCode::FAILURE;
        }
        virtual_time += outcome.virtual_time;
        persisted += outcome.stats.totals.persisted.frames;
        lost += outcome.stats.totals.lost.frames;
        sessions += outcome.stats.sessions;
        for (fault, times) in outcome.faults {
            *faults.entry(fault).or_default() += times;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let hours = virtual_time.as_secs_f64() / 3600.0;
    println!("{count} seeds in {took:.1} s, {:.0} a second, {hours:.1} virtual hours", count as f64 / took);
    println!("{sessions} sessions, {persisted} frames persisted, {lost} reported lost, none unaccounted for");
    for fault in pair::FAULTS {
        println!("{:>8} {fault:?}", faults.get(&fault).unwrap_or(&0));
    }
    ExitCode::SUCCESS
}

fn arguments() -> Result<(u64, u64), String> {
    let (mut first, mut count) = (0, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        let value: u64 = value.parse().map_err(|_| format!("{name} needs a number, not {value:?}"))?;
        match name.as_str() {
            "--seeds" => count = Some(value),
            "--seed" => {
                first = value;
                count = count.or(Some(1));
            }
            _ => return Err(format!("unknown option {name}: --seeds N and --seed S are known")),
        }
    }
    Ok((first, count.unwrap_or(2000)))
}
