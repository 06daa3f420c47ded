//! Runs a Python suite as judge of a running service.
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::path::Path;
use std::time::Duration;

use kvs_local::{Builder, LocalKvs};
use tokio::process::Command;

/// Longest run of a suite.
const TIMEOUT: Duration = Duration::from_secs(600);

/// What a suite requires.
#[derive(Debug)]
pub(crate) struct Judges {
    /// Python modules. Python is `KVS_PYTHON`, default `python3`.
    pub(crate) modules: &'static [&'static str],
    /// Programs, each with an argument with which it exits successfully.
    pub(crate) tools: &'static [[&'static str; 2]],
}

impl Judges {
    /// Returns the Python to run, or `None` if the suite is skipped.
    fn python(&self, suite: &str) -> Option<String> {
        let python = test_judges::python(suite, self.modules)?;
        self.tools.iter().all(|[tool, argument]| test_judges::succeeds(suite, tool, &[argument])).then_some(python)
    }
}

/// Runs a suite against a new service. Skips it if a requirement is missing.
pub(crate) async fn assert_suite_passes(suite: &str, judges: &Judges) {
    assert_suite_passes_on(LocalKvs::builder(), suite, judges).await;
}

/// Runs a suite, a path from the folder of this package, against a service of this builder. Skips it if a requirement is missing.
pub(crate) async fn assert_suite_passes_on(builder: Builder, suite: &str, judges: &Judges) {
    let Some(python) = judges.python(suite) else { return };
    let local = builder.start().await.unwrap();
    let mut child = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(suite))
        .args([local.endpoint_url(), local.access_key(), local.secret_key(), local.region()])
        .arg(local.data_dir())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let status = tokio::time::timeout(TIMEOUT, child.wait()).await.expect("the suite ends in time").unwrap();
    assert!(status.success(), "the suite failed: {status}");
    local.shutdown().await;
}
