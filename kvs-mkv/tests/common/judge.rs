//! Foreign programs that judge our work; a test without one says what it skipped.

use std::path::Path;
use std::process::Command;

/// Whether all these programs are there. Where one is missing the test is to stop, after a line that names what was
/// skipped; with `KVS_REQUIRE_JUDGES=1` that is a failure.
pub(crate) fn available(test: &str, programs: &[&str]) -> bool {
    for program in programs {
        let found = Command::new(program).arg("--version").output().is_ok();
        if !found {
            let required = std::env::var_os("KVS_REQUIRE_JUDGES").is_some_and(|value| value == "1");
            assert!(!required, "{program} is missing and KVS_REQUIRE_JUDGES=1");
            // Past the capture of the test harness: who lacks a judge should see it.
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("skipped {test}: {program} is not installed\n"),
            );
            return false;
        }
    }
    true
}

/// Runs a program that must succeed and gives what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {} {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}
