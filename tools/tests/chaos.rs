//! A few seconds of faults on real sockets; `cargo run --release -p kvs-tools --bin chaos -- --seconds 1800` has more.

use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_for_every_frame_on_real_sockets() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let outcome = kvs_tools::chaos::run(folder.path(), Duration::from_secs(14), 1).await;
    let outcome = outcome.expect("the promise holds");
    assert!(outcome.stored > 0 && !outcome.faults.is_empty(), "{outcome}");
}
