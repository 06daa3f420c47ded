//! The simulation for as many seeds as an ordinary test run has time for.
//!
//! `cargo run --release -p kvs-tools --bin simulate -- --seeds N` runs more of them.

use std::collections::BTreeMap;

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
