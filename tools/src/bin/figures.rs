//! Cost of an idle service and its start-up time. Each figure is a subcommand:
//!
//! ```text
//! cargo build --release -p kvs-local -p kvs-tools --features kvs-local/cli
//! target/release/figures start          # until it listens, and its memory after ten idle seconds
//! target/release/figures connections    # 10,000 idle connections
//! target/release/figures folder         # a data folder of 100 GB opens
//! ```
//!
//! `load` measures the cost under load. Memory is reported on Linux only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use clap::{Parser, Subcommand};
use kvs_local::__internal::ingest::{FragmentTimecodeType, Ingest, IngestConfig, IngestedFragment, Now};
use kvs_local::__internal::store::{Disk, Durability, Selection, Store, StorePolicy};
use kvs_mkv::{CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber, Writer};

type BoxError = Box<dyn std::error::Error>;

#[derive(Debug, Parser)]
struct Arguments {
    /// Path of kvs-local. Default: the one next to this program.
    #[arg(long)]
    service: Option<PathBuf>,
    #[command(subcommand)]
    figure: Figure,
}

#[derive(Debug, Subcommand)]
enum Figure {
    /// Start-up time and memory.
    Start,
    /// Cost of idle connections, and the delay of another request beside them.
    Connections {
        #[arg(default_value_t = 10_000)]
        count: usize,
    },
    /// Time to open a large data folder.
    Folder {
        /// Gigabytes of media in fragments of 500 kB. They use about 2.5 % of that on disk.
        #[arg(default_value_t = 100)]
        gigabytes: u64,
        /// Streams that share the media.
        #[arg(long, default_value_t = 20)]
        streams: u64,
    },
}

fn main() -> Result<(), BoxError> {
    let arguments = Arguments::parse();
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("kvs-local"));
    let program = arguments
        .service
        .or_else(beside)
        .ok_or("kvs-local not found next to this program; pass its path as --service")?;
    match arguments.figure {
        Figure::Start => start(&program),
        Figure::Connections { count } => connections(&program, count),
        Figure::Folder { gigabytes, streams } => folder(&program, gigabytes, streams),
    }
}

/// A running service; killed when dropped.
struct Service {
    child: Child,
    address: String,
    took: Duration,
}

impl Service {
    fn start(program: &Path, folder: &Path) -> Result<Self, BoxError> {
        let began = Instant::now();
        let mut child = Command::new(program)
            .args(["--listen", "127.0.0.1:0", "--one-port", "--anonymous", "--data-dir"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("its output is a pipe")?).read_line(&mut line)?;
        let took = began.elapsed();
        let address = line.trim().rsplit("//").next().ok_or("kvs-local did not print its address")?.to_owned();
        Ok(Self { child, address, took })
    }

    fn post(&self, path: &str, body: &str) -> Result<String, BoxError> {
        let mut tcp = TcpStream::connect(&self.address)?;
        let (host, length) = (&self.address, body.len());
        write!(
            tcp,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        tcp.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn megabytes(&self) -> String {
        let resident = || {
            let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().strip_suffix(" kB")?.parse::<f64>().ok()
        };
        resident().map_or("memory unknown".to_owned(), |kilobytes| format!("{:.1} MB resident", kilobytes / 1024.0))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(program: &Path) -> Result<(), BoxError> {
    let mut times = Vec::new();
    for _ in 0..20 {
        let folder = tempfile::tempdir()?;
        times.push(Service::start(program, folder.path())?.took);
    }
    times.sort();
    println!("listens after {:?} at best, {:?} in the middle, {:?} at worst of 20", times[0], times[10], times[19]);
    let folder = tempfile::tempdir()?;
    let service = Service::start(program, folder.path())?;
    std::thread::sleep(Duration::from_secs(10));
    println!("idle for 10 s: {}", service.megabytes());
    Ok(())
}

fn connections(program: &Path, count: usize) -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(program, folder.path())?;
    let before = service.megabytes();
    let mut idle = Vec::new();
    for number in 0..count {
        let mut tcp = TcpStream::connect(&service.address)
            .map_err(|error| format!("only {number} connections: {error}; see ulimit -n"))?;
        if number % 2 == 0 {
            // Half of them begin to talk.
            tcp.write_all(b"POST /listStreams HTTP/1.1\r\nhost:")?;
        }
        idle.push(tcp);
    }
    let began = Instant::now();
    let answer = service.post("/listStreams", "{}")?;
    let took = began.elapsed();
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(answer.into());
    }
    println!(
        "{} connections: another one is answered after {took:?}; {before} before, {} now",
        idle.len(),
        service.megabytes()
    );
    Ok(())
}

fn folder(program: &Path, gigabytes: u64, streams: u64) -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    // Streams as the service makes them, so that it keeps their media.
    let service = Service::start(program, folder.path())?;
    for stream in 0..streams {
        let body = format!(r#"{{"StreamName":"camera-{stream}","DataRetentionInHours":87600}}"#);
        let answer = service.post("/createStream", &body)?;
        if !answer.starts_with("HTTP/1.1 200") {
            return Err(answer.into());
        }
    }
    let names = media_keys(&service)?;
    drop(service);
    let fragments = fill(folder.path(), &names, gigabytes * 1_000_000_000)?;
    drop_caches();
    let service = Service::start(program, folder.path())?;
    println!("{gigabytes} GB in {fragments} fragments of {streams} streams: listens after {:?}", service.took);
    let began = Instant::now();
    for stream in 0..streams {
        let answer =
            service.post("/listFragments", &format!(r#"{{"StreamName":"camera-{stream}","MaxResults":1}}"#))?;
        if !answer.contains("FragmentNumber") {
            return Err(answer.into());
        }
    }
    println!("the first look at all {streams} streams takes {:?}; {}", began.elapsed(), service.megabytes());
    Ok(())
}

/// The names under which media lies: a stream's name and when it was made, as its ARN ends.
fn media_keys(service: &Service) -> Result<Vec<String>, BoxError> {
    let answer = service.post("/listStreams", "{}")?;
    let body = answer.split("\r\n\r\n").nth(1).ok_or("an answer has a body")?;
    let list: serde_json::Value = serde_json::from_str(body)?;
    let streams = list["StreamInfoList"].as_array().ok_or("a list of streams")?;
    let key = |stream: &serde_json::Value| Some(stream["StreamARN"].as_str()?.split_once(":stream/")?.1.to_owned());
    Ok(streams.iter().filter_map(key).collect())
}

/// Fills the store with fragments of nothing but zeros, through the store's own code, on a disk that leaves zeros out: the files are
/// as long as they say, and every checksum is right, but only heads and metadata take room.
fn fill(folder: &Path, streams: &[String], bytes: u64) -> Result<u64, BoxError> {
    let policy = StorePolicy::default().durability(Durability::Written);
    let store = Store::open_on(Arc::new(Sparse), &folder.join("media"), policy)?;
    let now = Now { at: Instant::now(), wall: SystemTime::now() };
    let payload = Bytes::from(vec![0; 250_000]);
    let mut stored = 0_u64;
    let mut count = 0_u64;
    while stored < bytes {
        let fragment = fragment(count, &payload, now)?;
        for stream in streams {
            stored += store.append(stream, &fragment)?.bytes;
        }
        count += 1;
    }
    let all = streams.iter().map(|stream| store.list(stream, &Selection::All).map(|list| list.len() as u64));
    Ok(all.sum::<Result<u64, _>>()?)
}

/// Two seconds of 2 Mbit/s.
fn fragment(number: u64, payload: &Bytes, now: Now) -> Result<IngestedFragment, BoxError> {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
    let start = now.wall.duration_since(SystemTime::UNIX_EPOCH)? + Duration::from_secs(2 * number);
    let mut ingest = Ingest::new(IngestConfig::new(FragmentTimecodeType::Absolute).first_sequence(number + 1), now);
    ingest.handle_body(writer.start_segment(), now);
    ingest.handle_body(writer.start_cluster(start)?, now);
    // Few frames and large ones: the heads between them are what takes room on the disk.
    for frame in 0..2 {
        let at = start + Duration::from_secs(1) * frame;
        for piece in writer.block(Frame::new(TrackNumber::ONE, at, payload.clone()).with_keyframe(frame == 0))? {
            ingest.handle_body(piece, now);
        }
    }
    ingest.handle_body(writer.end_of_fragment(), now);
    Ok(ingest.poll_fragment().ok_or("the mark ends a fragment")?)
}

fn drop_caches() {
    // Allowed to few; what is in memory then stays there.
    let dropped = Command::new("sync").status().is_ok() && fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    println!("{}", if dropped { "caches dropped" } else { "caches not dropped" });
}

/// The machine's disk, but for long runs of zeros, which are left out of files.
#[derive(Debug)]
struct Sparse;

/// Shorter runs are written.
const RUN: usize = 4096;
const ZEROS: [u8; RUN] = [0; RUN];

impl Disk for Sparse {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn lock(&self, _: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }

    fn entries(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn len(&self, file: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => Ok(Some(found?.len())),
        }
    }

    fn read(&self, file: &Path, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let (mut handle, mut bytes) = (File::open(file)?, Vec::new());
        handle.seek(SeekFrom::Start(at))?;
        handle.take(most as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&self, file: &Path, at: u64, pieces: &[Bytes], _: Durability) -> io::Result<()> {
        let mut handle = OpenOptions::new().create(true).truncate(false).write(true).open(file)?;
        let mut end = at;
        for part in pieces.iter().flat_map(|piece| piece.chunks(RUN)) {
            if !ZEROS.starts_with(part) {
                handle.seek(SeekFrom::Start(end))?;
                handle.write_all(part)?;
            }
            end += part.len() as u64;
        }
        handle.set_len(end)
    }

    fn replace(&self, file: &Path, bytes: &[u8], _: Durability) -> io::Result<()> {
        fs::write(file, bytes)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename_dir(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }
}
