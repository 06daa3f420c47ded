//! Runs the calls of AWS in the guide against moto, which checks their parameters and that what they name exists.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::blocks::{self, Block};
use super::shell::{is_there, judges};
use super::{pages, shown};

const TEST: &str = "guide::moto::calls_of_aws_in_the_guide_are_accepted";
/// How long moto may take to start, and a page to run, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the pages presume: a built function, the bucket of the images, the topic of the notifications.
const GIVEN: &str = "touch bootstrap\npython -m zipfile -c function.zip bootstrap\n\
                     aws s3 mb s3://my-camera-images\naws sns create-topic --name cameras\n";

struct Moto {
    child: Child,
    url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    fn start(programs: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut moto = Command::new(programs.join("moto_server"));
        moto.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        // The account of the guide, and the policies that AWS has.
        moto.env("MOTO_ACCOUNT_ID", "111122223333").env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        let child = moto.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let moto = Self { child, url: format!("http://{address}") };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < PATIENCE, "moto does not listen on {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }
}

/// Runs the blocks in an empty folder; returns what they printed, if one failed.
fn run(moto: &Moto, programs: &Path, blocks: &[Block]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let script = blocks.iter().fold(GIVEN.to_owned(), |script, block| script + &block.text);
    let kvs = Path::new(env!("CARGO_BIN_EXE_kvs")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [kvs, programs].map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
    let log = std::fs::File::create(folder.path().join(".log")).unwrap();
    let mut child = Command::new("sh")
        .args(["-e", "-x", "-c", &script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("HOME", folder.path())
        .env("AWS_ENDPOINT_URL", &moto.url)
        .env("AWS_DEFAULT_REGION", "eu-west-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let good = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.success();
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            break false;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if good { Ok(()) } else { Err(std::fs::read_to_string(folder.path().join(".log")).unwrap()) }
}

#[test]
fn calls_of_aws_in_the_guide_are_accepted() {
    if !is_there("moto_server", TEST) || !is_there("aws", TEST) {
        return;
    }
    let Some(programs) = judges() else { return };
    let (mut ran, mut failed) = (0, Vec::new());
    for page in pages() {
        let blocks = blocks::of(&page);
        let calls = blocks.iter().filter(|block| block.shell() == Some("moto")).count();
        if calls == 0 {
            continue;
        }
        ran += calls;
        let blocks: Vec<_> = blocks.into_iter().filter(|block| matches!(block.shell(), Some("" | "moto"))).collect();
        if let Err(log) = run(&Moto::start(&programs), &programs, &blocks) {
            failed.push(format!("--- {}\n{log}", shown(&page)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(ran >= 8, "{ran} blocks ran");
}
