//! The simulation for as many seeds as an ordinary test run has time for.
//!
//! `cargo run --release -p kvs-tools --bin simulate -- --seeds N` runs more of them.

use std::collections::BTreeMap;
use std::time::Duration;

use kvs_tools::simulation;

/// Debug builds run about twelve seeds per second on one core.
const SEEDS: u64 = 60;

#[test]
fn accounts_for_every_frame_under_simulated_faults() {
    let mut faults: BTreeMap<simulation::Fault, u64> = BTreeMap::new();
    let (mut lost, mut reconnects, mut hours) = (0, 0, 0.0);
    for seed in 0..SEEDS {
        let outcome = simulation::run(seed, simulation::Verbosity::Quiet);
        assert_eq!(outcome.verdict, Ok(()), "seed {seed}");
        for (fault, times) in outcome.faults {
            *faults.entry(fault).or_default() += times;
        }
        lost += outcome.stats.totals.lost.frames;
        reconnects += outcome.stats.reconnects;
        hours += outcome.virtual_time.as_secs_f64() / 3600.0;
    }
    assert_eq!(faults.len(), simulation::FAULTS.len(), "every kind of fault occurs: {faults:?}");
    assert!(lost > 0 && reconnects > SEEDS && hours > 1.0, "the link_faults was bad enough to matter");
}

#[test]
fn what_was_spooled_survives_bad_disks_kills_and_power_loss() {
    let mut faults: BTreeMap<simulation::SpoolFault, u64> = BTreeMap::new();
    let (mut spooled, mut recovered) = (0, 0);
    for seed in 0..SEEDS {
        let outcome = simulation::run_with_spool(seed, simulation::Verbosity::Quiet);
        assert_eq!(outcome.verdict, Ok(()), "seed {seed}");
        for (fault, times) in outcome.faults {
            *faults.entry(fault).or_default() += times;
        }
        spooled += outcome.spooled;
        recovered += outcome.recovered;
    }
    assert_eq!(faults.len(), simulation::SPOOL_FAULTS.len(), "every kind of fault occurs: {faults:?}");
    assert!(spooled > SEEDS && recovered > SEEDS, "{spooled} spooled, {recovered} recovered");
}

/// `KVS_DRAIN_SEEDS=N` for more links.
#[test]
fn a_backlog_takes_at_most_1_3_times_as_long_over_a_link_that_breaks_every_8_s() {
    let seeds: u32 = std::env::var("KVS_DRAIN_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let (mut sum, mut most) = (0.0, 0.0_f64);
    for seed in 0..seeds {
        let sound = simulation::drain(seed.into(), None).unwrap().as_secs_f64();
        let broken = simulation::drain(seed.into(), Some(Duration::from_secs(8))).unwrap().as_secs_f64();
        assert!((250.0..400.0).contains(&sound), "seed {seed}: {sound} s without resets");
        println!("seed {seed}: {sound:.0} s without resets, {broken:.0} s with them");
        (sum, most) = (sum + broken / sound, most.max(broken / sound));
    }
    println!("{:.3} times as long on average, {most:.3} at most", sum / f64::from(seeds));
    assert!(most <= 1.3, "{most}");
}
