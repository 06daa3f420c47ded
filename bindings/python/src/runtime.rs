//! The runtime that drives all connections, and how Python waits for it.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tokio::runtime::Handle;

use crate::errors::exception;

/// How long a wait lasts before Python may handle a signal, so that Ctrl-C ends it.
const SLICE: Duration = Duration::from_millis(100);

/// The runtime, and the process that its thread runs in: a process that was forked has no such thread.
static RUNTIME: Mutex<Option<(u32, Handle)>> = Mutex::new(None);

/// Returns the runtime of this process; the first call starts its thread.
pub(crate) fn handle() -> PyResult<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, handle)) = &*runtime
        && *owner == process
    {
        return Ok(handle.clone());
    }
    let handle = start().map_err(PyOSError::new_err)?;
    *runtime = Some((process, handle.clone()));
    Ok(handle)
}

fn start() -> std::io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("kvs".to_owned()).spawn(run)?;
    Ok(handle)
}

/// Waits for a future that the runtime drives. Other threads of Python run meanwhile. A signal handler that raises, such as that of
/// Ctrl-C, cancels the future.
pub(crate) fn wait<T: Send + 'static>(py: Python<'_>, future: impl Future<Output = T> + Send + 'static) -> PyResult<T> {
    let (done, mut result) = sync_channel(1);
    let task = handle()?.spawn(async move {
        let _ = done.send(future.await);
    });
    loop {
        let received;
        (result, received) = py.detach(move || {
            let received = result.recv_timeout(SLICE);
            (result, received)
        });
        match received {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(exception(
                    "InternalError",
                    "fault inside the package kvs: its message is on standard error",
                ));
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Err(signal) = py.check_signals() {
                    task.abort();
                    return Err(signal);
                }
            }
        }
    }
}
