//! Python suites as judges of a running service.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::time::Duration;

use kvs_local::LocalKvs;
use tokio::process::Command;

/// A suite ends sooner, or hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// What a suite needs to judge.
#[derive(Debug)]
pub(crate) struct Judges {
    /// Modules of Python, which is found by `KVS_PYTHON`, else by its name.
    pub(crate) modules: &'static [&'static str],
    /// Programs, each with an argument by which they show that they are there.
    pub(crate) tools: &'static [[&'static str; 2]],
}

impl Judges {
    /// The Python to run, or `None` if the suite is skipped.
    fn python(&self, suite: &str) -> Option<String> {
        let python = test_judges::python(suite, self.modules)?;
        self.tools.iter().all(|[tool, argument]| test_judges::succeeds(suite, tool, &[argument])).then_some(python)
    }
}

/// Runs a suite against a service of its own. Without its judges it is skipped.
pub(crate) async fn finds_nothing_wrong(suite: &str, judges: &Judges) {
    let Some(python) = judges.python(suite) else { return };
    let local = LocalKvs::builder().start().await.unwrap();
    let mut judged = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(suite))
        .args([local.endpoint_url(), local.access_key(), local.secret_key(), local.region()])
        .arg(local.data_dir())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let status = tokio::time::timeout(PATIENCE, judged.wait()).await.expect("the suite hangs").unwrap();
    assert!(status.success(), "the suite found something: {status}");
    local.shutdown().await;
}
