//! Runs a command on tokio, until it ends or Ctrl-C.

use std::future::Future;

use tokio::runtime::Builder;

use crate::failure::Failure;

/// Runs a command until it ends or Ctrl-C is pressed.
#[cfg(any(
    feature = "doctor",
    feature = "gateway",
    feature = "listen",
    feature = "manage",
    feature = "read",
    feature = "timelapse"
))]
pub(crate) fn run(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let command = async {
        tokio::select! {
            ended = command => ended,
            _ = tokio::signal::ctrl_c() => Err(Failure::run("interrupted")),
        }
    };
    block_on(Builder::new_multi_thread(), command)
}

/// Runs a command that handles Ctrl-C itself, on one thread: a live stream then wakes the process a quarter as often as
/// with several threads that pass the work on.
pub(crate) fn run_to_the_end(
    command: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> Result<(), Failure> {
    // A task, because waking the future that the runtime itself waits for costs two system calls each time.
    let task = async { tokio::spawn(command).await.unwrap_or_else(|error| Err(Failure::run(error))) };
    block_on(Builder::new_current_thread(), task)
}

fn block_on(mut runtime: Builder, command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime.enable_all().build().map_err(Failure::run)?.block_on(command)
}
