//! Foreign programs that judge our tests: ffmpeg, mkvtoolnix, OpenSSL, Python with boto3 and others.
//!
//! A test whose judge is not installed is skipped and recorded; the last test binary of `cargo test --workspace`
//! (`tests/skipped.rs`) prints the number and the names. With `KVS_REQUIRE_JUDGES=1` a missing judge is a failure.
//!
//! Published crates depend on this one by path and without a version, so that `cargo publish` drops the dependency; their
//! tests that need it are excluded from the package.

use std::ffi::OsStr;
use std::fmt::Arguments;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Returns whether all programs can be started. If not, the test is recorded as skipped and must return.
///
/// # Panics
///
/// If a program is missing and `KVS_REQUIRE_JUDGES=1`.
#[must_use]
pub fn available(test: &str, programs: &[&str]) -> bool {
    programs.iter().all(|program| check(test, starts(program, ["--version"]).is_some(), program))
}

/// Returns the Python interpreter (`KVS_PYTHON`, by default `python3`) if it can import all modules. If not, the test is
/// recorded as skipped and must return.
///
/// # Panics
///
/// If the interpreter or a module is missing and `KVS_REQUIRE_JUDGES=1`.
#[must_use]
pub fn python(test: &str, modules: &[&str]) -> Option<String> {
    let python = std::env::var("KVS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let modules = modules.join(", ");
    let imports = if modules.is_empty() { String::new() } else { format!("import {modules}") };
    let found = starts(&python, ["-c", &imports]) == Some(true);
    let judge = if modules.is_empty() { python.clone() } else { format!("{python} with {modules}") };
    check(test, found, &judge).then_some(python)
}

/// Returns the path of a file or folder that `.ci/install` put into the environment of the Python interpreter. If it is missing, the
/// test is recorded as skipped and must return.
///
/// # Panics
///
/// If it is missing and `KVS_REQUIRE_JUDGES=1`.
#[must_use]
pub fn python_data(test: &str, path: &str) -> Option<PathBuf> {
    let python = python(test, &[])?;
    let prefix =
        Command::new(&python).args(["-c", "import sys; print(sys.prefix)"]).stderr(Stdio::null()).output().ok()?;
    let found = PathBuf::from(String::from_utf8_lossy(&prefix.stdout).trim()).join(path);
    check(test, found.exists(), &found.display().to_string()).then_some(found)
}

/// Returns whether a command succeeds, for judges that need more than a program. If not, the test is recorded as skipped and
/// must return.
///
/// # Panics
///
/// If the command fails and `KVS_REQUIRE_JUDGES=1`.
#[must_use]
pub fn succeeds(test: &str, program: &str, arguments: &[&str]) -> bool {
    check(test, starts(program, arguments) == Some(true), &format!("{program} {}", arguments.join(" ")))
}

/// Records that a test, or a part of one, was skipped for a reason that is no missing program.
pub fn skip(test: &str, reason: &str) {
    report(format_args!("skipped {}: {reason}\n", full_name(test)));
    if let Some(folder) = folder() {
        // Without the record the line above is the only trace: no reason to fail the test.
        let _ = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(file_name(test)), reason));
    }
}

/// Returns the skipped tests with their reasons in the order of their names, and forgets them.
#[must_use]
pub fn take_skipped() -> Vec<(String, String)> {
    let Some(folder) = folder() else { return Vec::new() };
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut skipped: Vec<_> = entries
        .filter_map(|entry| {
            let reason = fs::read_to_string(entry.path()).ok()?;
            Some((entry.file_name().to_string_lossy().replace('+', "/"), reason))
        })
        .collect();
    skipped.sort();
    let _ = fs::remove_dir_all(folder);
    skipped
}

fn check(test: &str, found: bool, judge: &str) -> bool {
    let required = std::env::var_os("KVS_REQUIRE_JUDGES").is_some_and(|value| value == "1");
    assert!(found || !required, "{test} needs {judge}, which is not installed, and KVS_REQUIRE_JUDGES=1");
    if found {
        // A record of an earlier run may say otherwise.
        let _ = folder().map(|folder| fs::remove_file(folder.join(file_name(test))));
    } else {
        skip(test, &format!("{judge} is not installed"));
    }
    found
}

/// Whether the command started, and if so whether it succeeded.
fn starts<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Option<bool> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().ok().map(|status| status.success())
}

/// Writes past the capture of the test harness, which `eprintln!` would not.
fn report(line: Arguments<'_>) {
    let _ = std::io::stderr().write_fmt(line);
}

/// The test with its package, which Cargo names in the environment of each test binary.
fn full_name(test: &str) -> String {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    format!("{package}/{test}")
}

fn file_name(test: &str) -> String {
    full_name(test).replace(['/', '\\'], "+")
}

/// Beside the test binaries, which Cargo puts into `target/PROFILE/deps`.
fn folder() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.parent()?.join("skipped-tests"))
}
