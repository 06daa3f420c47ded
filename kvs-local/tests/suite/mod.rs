//! Python suites as judges of a running service.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Stdio;
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
    /// The Python to run, or what is missing.
    async fn python(&self) -> Result<String, String> {
        let python = std::env::var("KVS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let imports = format!("import {}", self.modules.join(", "));
        if !runs(&python, &["-c", &imports]).await {
            return Err(format!("Python with {}", self.modules.join(", ")));
        }
        for [tool, argument] in self.tools {
            if !runs(tool, &[argument]).await {
                return Err(format!("{tool} {argument}"));
            }
        }
        Ok(python)
    }
}

async fn runs(program: &str, arguments: &[&str]) -> bool {
    let ran = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    ran.is_ok_and(|status| status.success())
}

/// Runs a suite against a service of its own. Without its judges it is skipped with a printed line, or fails where judges are
/// required.
pub(crate) async fn finds_nothing_wrong(suite: &str, judges: &Judges) {
    let python = match judges.python().await {
        Ok(python) => python,
        Err(missing) => {
            assert!(std::env::var_os("KVS_REQUIRE_JUDGES").is_none(), "{suite} needs {missing}");
            // Past the capture of the test harness: who lacks a judge should see it.
            let line = format_args!("skipped: {suite} ({missing} is missing)\n");
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), line);
            return;
        }
    };
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
