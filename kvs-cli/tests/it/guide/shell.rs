//! Runs the shell blocks of the guide, page by page, in a folder that looks like a checkout, with a `kvs-local` of the page's own.

use std::fmt::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::blocks::{self, Block};
use super::{NOT_RUN, pages, repository, shown};

/// How long the blocks of one page may take; a loaded machine needs a tenth of it.
const PAGE_TIME: Duration = Duration::from_secs(120);
const TEST: &str = "shell_blocks_of_the_guide_run";

/// The program of the local service, which `cargo test --workspace` builds beside ours.
fn kvs_local() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_BIN_EXE_kvs")).with_file_name("kvs-local");
    if path.is_file() {
        return Some(path);
    }
    let required = std::env::var_os("KVS_REQUIRE_JUDGES").is_some_and(|value| value == "1");
    assert!(!required, "{} is missing: cargo build -p kvs-local --features cli", path.display());
    test_judges::skip(TEST, "kvs-local is not built: cargo build -p kvs-local --features cli");
    None
}

/// The folder of the Python environment, which has programs too, such as `aws`.
pub(super) fn judges() -> Option<PathBuf> {
    std::env::var_os("KVS_PYTHON").map(PathBuf::from).and_then(|python| Some(python.parent()?.to_owned()))
}

/// Whether a program is there for a block; if not, the block is recorded as skipped.
pub(super) fn is_there(program: &str, test: &str) -> bool {
    judges().is_some_and(|folder| folder.join(program).is_file()) || test_judges::available(test, &[program])
}

/// Three free ports: the control plane, PutMedia and GetMedia, archived media.
fn free_ports() -> [u16; 3] {
    // Held together, so that they differ.
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// A folder with what a page sees: the recordings of the repository and the programs.
struct Checkout {
    folder: tempfile::TempDir,
    ports: [u16; 3],
}

impl Checkout {
    fn new(kvs_local: &Path) -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports());
        let root = repository();
        for name in ["examples", "guide", "kvs-local"] {
            symlink(root.join(name), folder.path().join(name)).unwrap();
        }
        let programs = folder.path().join(".programs");
        std::fs::create_dir(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_kvs"), programs.join("kvs")).unwrap();
        // The page says nothing about ports: the service listens on those of this page.
        let [control, media, archived] = ports;
        let real = kvs_local.display();
        let wrapper = format!(
            "#!/bin/sh\ncase \"$1\" in\nhealth) exec '{real}' \"$@\" --address 127.0.0.1:{control};;\nesac\n\
             exec '{real}' --listen 127.0.0.1:{control} --data-ports {media},{archived} \"$@\"\n"
        );
        std::fs::write(programs.join("kvs-local"), wrapper).unwrap();
        std::fs::set_permissions(programs.join("kvs-local"), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, ports }
    }

    fn run(&self, script: &str) -> (bool, String) {
        let home = self.folder.path();
        let (own, log) = (home.join(".programs"), home.join(".log"));
        let judges = judges();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [own].into_iter().chain(judges).chain(std::env::split_paths(&path));
        let output = std::fs::File::create(&log).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-e", "-c", script])
            .current_dir(home)
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", home)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            // With whatever it starts, so that a service ends with its page.
            .process_group(0);
        let mut child = command.spawn().unwrap();
        let good = wait(&mut child);
        if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.wait();
        (good, std::fs::read_to_string(log).unwrap())
    }

    /// The blocks as one script, which names each block before it runs.
    fn script(&self, blocks: &[Block], test: &str) -> String {
        let mut script = String::new();
        for block in blocks {
            let text = ["4567", "4568", "4569"].iter().zip(self.ports).fold(block.text.clone(), |text, (port, own)| {
                text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{own}"))
            });
            match block.shell() {
                Some("service") => {
                    let _ = write!(
                        script,
                        "echo '== {}'\n{{\n{text}}} &\nleft=100\nuntil kvs-local health; do left=$((left - 1)); [ $left -gt 0 ]; sleep 0.1; done\n",
                        block.place()
                    );
                }
                Some(how) if how.strip_prefix("needs-").is_none_or(|program| is_there(program, test)) => {
                    let _ = write!(script, "echo '== {}'\n{text}", block.place());
                }
                _ => {}
            }
        }
        script
    }
}

/// Whether the page ended in time, and well.
fn wait(child: &mut Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PAGE_TIME {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn shell_blocks_of_the_guide_run() {
    let Some(kvs_local) = kvs_local() else { return };
    let (mut ran, mut left, mut failed) = (0, std::collections::BTreeMap::new(), Vec::new());
    for page in pages().into_iter().chain([repository().join("kvs-cli/README.md")]) {
        let blocks = blocks::of(&page);
        for how in blocks.iter().filter_map(Block::shell).filter(|how| NOT_RUN.contains(how)) {
            *left.entry(how.to_owned()).or_insert(0) += 1;
        }
        let run: Vec<_> = blocks
            .into_iter()
            .filter(|block| block.shell().is_some_and(|how| how != "moto" && !NOT_RUN.contains(&how)))
            .collect();
        if run.is_empty() {
            continue;
        }
        let checkout = Checkout::new(&kvs_local);
        let (good, log) = checkout.run(&checkout.script(&run, TEST));
        ran += run.len();
        if !good {
            failed.push(format!("--- {}\n{log}", shown(&page)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let left: Vec<_> = left.iter().map(|(why, count)| format!("{count} {why}")).collect();
    let line = format!("shell blocks of the guide: {ran} ran; not run here: {}\n", left.join(", "));
    // Past the capture of the test harness: the number of blocks that nobody ran is to be seen.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}"));
    assert!(ran > 20, "{line}");
}
