//! The fixtures that the guide shows run as they are. The one for Rust is an example with a test of its own.
#![cfg(feature = "cli")]

use std::path::Path;
use std::process::{Command, Output};

/// Copies a fixture into a folder.
fn copy(name: &str, folder: &Path) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::copy(fixtures.join(name), folder.join(name)).unwrap();
}

/// Runs a command in a folder, with the program of this build in the path.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    let own = Path::new(env!("CARGO_BIN_EXE_kvs-local")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([own.to_owned()].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("PATH", path);
    for variable in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "KVS_LOCAL_CREDENTIALS"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

#[test]
fn the_fixture_for_pytest_runs() {
    let Some(python) = test_judges::python("the_fixture_for_pytest_runs", &["boto3", "pytest"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    copy("test_stream.py", dir.path());
    let ran = run(dir.path(), &python, &["-m", "pytest", "-p", "no:cacheprovider", "test_stream.py"]);
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn the_fixture_for_node_runs() {
    let test = "the_fixture_for_node_runs";
    if !test_judges::available(test, &["node"]) {
        return;
    }
    let Some(modules) = test_judges::python_data(test, "share/node/node_modules") else { return };
    let dir = tempfile::tempdir().unwrap();
    copy("stream.mjs", dir.path());
    // Where Node looks for modules of a file.
    symlink(&modules, &dir.path().join("node_modules"));
    let ran = run(dir.path(), "node", &["stream.mjs"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(std::fs::read_dir(dir.path().join("kvs-data/streams")).unwrap().count(), 1);
}

#[cfg(unix)]
fn symlink(to: &Path, link: &Path) {
    std::os::unix::fs::symlink(to, link).unwrap();
}

#[cfg(windows)]
fn symlink(to: &Path, link: &Path) {
    std::os::windows::fs::symlink_dir(to, link).unwrap();
}

#[test]
fn the_fault_script_is_valid() {
    let script =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/faults.json")).unwrap();
    assert_eq!(kvs_local::Fault::read(&script).unwrap().len(), 3);
}
