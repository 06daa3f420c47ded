//! A capture program that writes media to its standard output.

use std::io;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Starts a capture program, and ends it when the other half is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    command: String,
    /// What messages call it.
    name: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    child: Option<Child>,
    is_stopped: bool,
}

/// Ends the program when it is dropped.
#[derive(Debug)]
pub(crate) struct Stopper(Capture);

impl Capture {
    /// A command as a shell runs it; messages show it.
    pub(crate) fn new(command: &str) -> (Self, Stopper) {
        Self::named(command, command)
    }

    /// A command that messages do not show, because it may hold a password.
    pub(crate) fn named(command: &str, name: &str) -> (Self, Stopper) {
        let capture = Self { command: command.to_owned(), name: name.to_owned(), state: Arc::default() };
        (capture.clone(), Stopper(capture))
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Starts the program and returns its output; `None` if it is not wanted any more.
    pub(super) fn start(&self) -> io::Result<Option<ChildStdout>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_stopped {
            return Ok(None);
        }
        let mut child = shell(&self.command).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take();
        state.child = Some(child);
        Ok(output)
    }

    /// Waits for the program, which has closed its output; ends it if it goes on without. `None` if it was stopped.
    pub(super) fn wait(&self) -> Option<io::Result<ExitStatus>> {
        for _ in 0..GRACE {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let child = state.child.as_mut()?;
            match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => {
                    // It may have left programs behind that it started.
                    state.child.take().iter_mut().for_each(end);
                    return (!state.is_stopped).then_some(Ok(status));
                }
                Err(error) => return Some(Err(error)),
            }
            drop(state);
            std::thread::sleep(POLL);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = state.child.take()?;
        end(&mut child);
        Some(child.wait())
    }

    /// Waits before the next start; returns false if the program is not wanted any more.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let mut left = time;
        while !left.is_zero() {
            if self.state.lock().unwrap_or_else(PoisonError::into_inner).is_stopped {
                return false;
            }
            let step = left.min(POLL);
            std::thread::sleep(step);
            left = left.saturating_sub(step);
        }
        true
    }
}

/// Time between two looks at the program.
const POLL: Duration = Duration::from_millis(50);
/// Looks at a program that has closed its output before it is ended: 5 s.
const GRACE: u32 = 100;

impl Drop for Stopper {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_stopped = true;
        if let Some(mut child) = state.child.take() {
            end(&mut child);
            let _ = child.wait();
        }
    }
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut shell = Command::new("sh");
    // A group of its own: it is ended as a whole, and Ctrl-C reaches this program only, which then sends what is left.
    shell.arg("-c").arg(command).process_group(0);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.arg("/C").arg(command);
    shell
}

/// Ends a program and the programs that it started, also if it has ended itself: they are asked to, and killed if they do not.
#[cfg(unix)]
fn end(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, Signal::TERM);
    for _ in 0..ENDING {
        // A program that has ended stays in its group until this.
        let has_ended = matches!(child.try_wait(), Ok(Some(_)));
        if has_ended && test_kill_process_group(group).is_err() {
            return;
        }
        std::thread::sleep(POLL);
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

#[cfg(not(unix))]
fn end(child: &mut Child) {
    if !matches!(child.try_wait(), Ok(Some(_))) {
        let _ = child.kill();
    }
}

/// Looks at programs that were asked to end before they are killed: 2 s, in which a camera can be released.
#[cfg(unix)]
const ENDING: u32 = 40;
