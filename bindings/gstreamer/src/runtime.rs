//! The threads that all elements of a process share.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// Producers wait for the network nearly all the time.
const WORKERS: usize = 2;

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// Starts the threads with the first element that needs them.
pub(crate) fn handle() -> io::Result<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(runtime) = &*runtime {
        return Ok(runtime.handle().clone());
    }
    let started = Builder::new_multi_thread().worker_threads(WORKERS).thread_name("kvs").enable_all().build()?;
    Ok(runtime.insert(started).handle().clone())
}

/// Runs a future on these threads and waits for it at most this long. The caller may be a thread of any runtime.
pub(crate) fn wait<T: Send + 'static>(
    handle: &Handle,
    within: Duration,
    future: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (done, result) = sync_channel(1);
    handle.spawn(async move {
        let _ = done.send(future.await);
    });
    result.recv_timeout(within).ok()
}
