//! Runs a program within bounds: of time, of output, of memory, and without a way to write files.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// What a program may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// From its start to its end.
    pub(super) time: Duration,
    /// Bytes of standard output.
    pub(super) output: usize,
    /// Bytes of its address space, where the system can limit it.
    pub(super) memory: u64,
}

/// What a program that ended with success has written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) output: Vec<u8>,
    /// The start of standard error.
    pub(super) errors: String,
}

/// Runs a program with these arguments and this standard input, and waits for its end. The process and all that it started are gone
/// when the call returns.
///
/// # Errors
/// The reason, if the program does not start, fails, or exceeds a bound, or once `canceled` returns `true`.
pub(super) fn run(
    program: &Path,
    arguments: &[String],
    input: Bytes,
    bounds: Bounds,
    canceled: &dyn Fn() -> bool,
) -> Result<Written, String> {
    let deadline = Instant::now() + bounds.time;
    let spawned = command(program, arguments, bounds).spawn();
    let child = spawned.map_err(|error| format!("{} does not start: {error}", program.display()))?;
    let mut process = Process { child, has_ended: false };
    // The threads are not joined: should a pipe outlive the process, they would not end. What they hold is bounded.
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (process.child.stdin.take(), process.child.stdout.take(), process.child.stderr.take())
    else {
        return Err("its pipes are missing".to_owned());
    };
    std::thread::spawn(move || {
        // A program that ends before it has read everything says why by its status.
        let _ = stdin.write_all(&input);
    });
    let output = read(stdout, bounds.output.saturating_add(1), Excess::Stops);
    let errors = read(stderr, ERROR_BYTES, Excess::Discarded);

    let output = receive(&output, deadline, bounds, canceled)?.map_err(|error| error.to_string())?;
    if output.len() > bounds.output {
        return Err(format!("it writes more than the {} bytes that were asked for", bounds.output));
    }
    let errors = receive(&errors, deadline, bounds, canceled)?.unwrap_or_default();
    let errors = String::from_utf8_lossy(&errors).into_owned();
    let status = process.wait(deadline, bounds, canceled)?;
    if !status.success() {
        return Err(format!("{status}: {}", first_line(&errors)));
    }
    Ok(Written { output, errors })
}

/// Returns the first line of a program's messages, shortened.
pub(super) fn first_line(errors: &str) -> String {
    let line = errors.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message");
    line.chars().filter(|char| !char.is_control()).take(ERROR_CHARS).collect()
}

fn command(program: &Path, arguments: &[String], bounds: Bounds) -> Command {
    let mut command = limited(program, bounds);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The environment of the service contains keys, and variables make programs write files.
    command.env_clear();
    for name in KEPT_VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0).current_dir("/");
    }
    command
}

/// Returns a command whose limits a shell sets: a limit that the system does not know is left out.
#[cfg(unix)]
fn limited(program: &Path, bounds: Bounds) -> Command {
    let (kilobytes, seconds) = (bounds.memory / 1024, bounds.time.as_secs().max(1));
    let script = format!(
        "ulimit -v {kilobytes} 2>/dev/null; ulimit -t {seconds} 2>/dev/null; ulimit -f 0 2>/dev/null; \
         ulimit -c 0 2>/dev/null; exec \"$0\" \"$@\""
    );
    let mut command = Command::new("/bin/sh");
    // The script does not contain the name of the program: it is an argument.
    command.arg("-c").arg(script).arg(program);
    command
}

#[cfg(not(unix))]
fn limited(program: &Path, _: Bounds) -> Command {
    Command::new(program)
}

/// A process that is killed when dropped, with all that it started.
struct Process {
    child: Child,
    /// Whether its status was read. From then on its id may be that of another process.
    has_ended: bool,
}

impl Process {
    fn wait(
        &mut self,
        deadline: Instant,
        bounds: Bounds,
        canceled: &dyn Fn() -> bool,
    ) -> Result<std::process::ExitStatus, String> {
        loop {
            check(deadline, bounds, canceled)?;
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.has_ended = true;
                    return Ok(status);
                }
                Ok(None) => std::thread::sleep(EXIT_CHECK),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        #[cfg(unix)]
        {
            let group = rustix::process::Pid::from_child(&self.child);
            if let Err(error) = rustix::process::kill_process_group(group, rustix::process::Signal::KILL) {
                tracing::warn!(%error, "failed to kill the processes of a decoder");
            }
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::warn!(%error, "failed to end the process of a decoder");
        }
    }
}

/// What happens to bytes past a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    /// The pipe is closed, which ends its writer.
    Stops,
    Discarded,
}

/// Reads a pipe to its end in a thread, and keeps its first bytes.
fn read(pipe: impl Read + Send + 'static, limit: usize, excess: Excess) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut pipe = pipe;
        let mut kept = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        let mut result = (&mut pipe).take(most).read_to_end(&mut kept).map(|_| kept);
        if excess == Excess::Discarded
            && let Err(error) = io::copy(&mut pipe, &mut io::sink())
        {
            result = Err(error);
        }
        // Nobody waits for it any more if the run was given up.
        let _ = sender.send(result);
    });
    receiver
}

fn receive<T>(
    receiver: &Receiver<T>,
    deadline: Instant,
    bounds: Bounds,
    canceled: &dyn Fn() -> bool,
) -> Result<T, String> {
    loop {
        check(deadline, bounds, canceled)?;
        match receiver.recv_timeout(CANCEL_CHECK) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("its output was lost".to_owned()),
        }
    }
}

fn check(deadline: Instant, bounds: Bounds, canceled: &dyn Fn() -> bool) -> Result<(), String> {
    if canceled() {
        return Err("canceled".to_owned());
    }
    if Instant::now() >= deadline {
        return Err(format!("it took longer than {} s", bounds.time.as_secs_f32()));
    }
    Ok(())
}

/// What programs need to find their libraries and temporary files.
const KEPT_VARIABLES: [&str; 5] = ["PATH", "LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "SYSTEMROOT", "TEMP"];
/// Bytes of standard error that are kept; the rest is discarded.
const ERROR_BYTES: usize = 4096;
/// Characters of a message that are reported.
const ERROR_CHARS: usize = 200;
/// How often a waiting thread looks whether it was canceled.
const CANCEL_CHECK: Duration = Duration::from_millis(50);
/// How often it is asked whether a program that closed its pipes has ended.
const EXIT_CHECK: Duration = Duration::from_millis(2);

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { time: Duration::from_secs(120), output: 1000, memory: 1 << 30 };

    /// Runs a shell script in place of a program.
    fn script(text: &str, bounds: Bounds, canceled: &dyn Fn() -> bool) -> Result<Written, String> {
        let arguments = ["-c".to_owned(), text.to_owned(), "an argument".to_owned()];
        run(Path::new("/bin/sh"), &arguments, Bytes::from(vec![b'x'; 1 << 20]), bounds, canceled)
    }

    #[test]
    fn output_and_errors_are_returned() {
        let written = script("wc -c; echo note >&2", BOUNDS, &|| false).unwrap();
        assert_eq!(String::from_utf8_lossy(&written.output).trim(), "1048576");
        assert_eq!(written.errors, "note\n");
    }

    #[test]
    fn failures_are_errors_with_their_message() {
        let failed = script("echo first >&2; echo second >&2; exit 3", BOUNDS, &|| false).unwrap_err();
        assert!(failed.contains("exit status: 3") && failed.ends_with("first"), "{failed}");
        assert!(script("kill -SEGV $$", BOUNDS, &|| false).unwrap_err().contains("signal"));
        let missing = run(Path::new("/no/such/program"), &[], Bytes::new(), BOUNDS, &|| false).unwrap_err();
        assert!(missing.contains("127") || missing.contains("start"), "{missing}");
    }

    #[test]
    fn floods_are_cut_off() {
        let flooded = script("cat /dev/zero", BOUNDS, &|| false).unwrap_err();
        assert!(flooded.contains("more than the 1000 bytes"), "{flooded}");
        let noisy = script("yes complaint | head -c 3000000 >&2; echo done", BOUNDS, &|| false).unwrap();
        assert_eq!((noisy.output, noisy.errors.len()), (b"done\n".to_vec(), ERROR_BYTES));
    }

    #[test]
    fn programs_that_hang_are_killed_with_their_children() {
        let brief = Bounds { time: Duration::from_millis(500), ..BOUNDS };
        // The children hold the pipes open. The shell of the second one ends at once.
        // Other runs of this test must not be counted.
        let seconds = format!("98765{:05}", std::process::id() % 100_000);
        for text in [format!("sleep {seconds} & wait"), format!("sleep {seconds} & exit 0")] {
            let late = script(&text, brief, &|| false).unwrap_err();
            assert!(late.contains("longer than 0.5 s"), "{late}");
        }
        let start = Instant::now();
        let canceled = script(&format!("sleep {seconds}"), BOUNDS, &|| start.elapsed() > Duration::from_millis(300));
        assert_eq!(canceled.unwrap_err(), "canceled");
        assert!(start.elapsed() < Duration::from_secs(60));
        if cfg!(target_os = "linux") {
            // A killed process is not gone at once.
            let end = Instant::now() + Duration::from_secs(20);
            while running(&seconds) > 0 {
                assert!(Instant::now() < end, "sleeping children are left");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// Returns how many processes have this text in their command line.
    fn running(text: &str) -> usize {
        let processes = std::fs::read_dir("/proc").expect("Linux has /proc").flatten();
        let commands = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        commands.filter(|command| command.windows(text.len()).any(|window| window == text.as_bytes())).count()
    }

    #[test]
    fn files_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("written");
        let wrote = script(&format!("echo secret > {}", file.display()), BOUNDS, &|| false);
        let length = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
        assert!(wrote.is_err() && length == 0, "{wrote:?}");
    }

    #[test]
    fn keys_of_the_environment_are_not_passed_on() {
        let written = script("env", BOUNDS, &|| false).unwrap();
        let text = String::from_utf8_lossy(&written.output).into_owned();
        let names = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
        // The shell sets some itself.
        let own = ["PWD", "OLDPWD", "SHLVL", "_"];
        let others: Vec<_> = names.filter(|name| !KEPT_VARIABLES.contains(name) && !own.contains(name)).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}
