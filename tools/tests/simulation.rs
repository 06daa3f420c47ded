//! The promise under a network that misbehaves, for as many seeds as an ordinary test run has time for.
//!
//! `cargo run --release -p kvs-tools --bin simulate -- --seeds N` runs more of them.

use std::collections::BTreeMap;

use kvs_tools::simulation;

/// Debug builds do about twelve a second on one core.
const SEEDS: u64 = 60;

#[test]
fn submitted_is_persisted_plus_reported_lost_whatever_the_network_does() {
    let mut faults: BTreeMap<simulation::Fault, u64> = BTreeMap::new();
    let (mut lost, mut reconnects, mut hours) = (0, 0, 0.0);
    for seed in 0..SEEDS {
        let outcome = simulation::run(seed, simulation::Voice::Quiet);
        assert_eq!(outcome.verdict, Ok(()), "seed {seed}");
        for (fault, times) in outcome.faults {
            *faults.entry(fault).or_default() += times;
        }
        lost += outcome.stats.totals.lost.frames;
        reconnects += outcome.stats.reconnects;
        hours += outcome.virtual_time.as_secs_f64() / 3600.0;
    }
    assert_eq!(faults.len(), simulation::FAULTS.len(), "every kind of fault occurs: {faults:?}");
    assert!(lost > 0 && reconnects > SEEDS && hours > 1.0, "the weather was bad enough to matter");
}
