//! A local service that can be killed and restarted on the same port and data folder.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kvs_local::LocalKvs;
use tokio::runtime::{Builder, Runtime};

/// The service on a runtime of its own, so that all its tasks can be dropped at once.
#[derive(Debug)]
pub(super) struct Service {
    folder: PathBuf,
    address: SocketAddr,
    running: Option<(Runtime, LocalKvs)>,
}

impl Service {
    pub(super) async fn start(folder: &Path) -> io::Result<Self> {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut service = Self { folder: folder.to_owned(), address: nowhere, running: None };
        service.restart().await?;
        Ok(service)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drops all tasks of the service without a shutdown or flush.
    pub(super) async fn kill(&mut self) {
        if let Some((runtime, local)) = self.running.take() {
            let down = tokio::task::spawn_blocking(move || {
                runtime.shutdown_timeout(Duration::from_secs(5));
                drop(local);
            });
            down.await.expect("shutting down does not panic");
        }
    }

    /// Starts the service again on the same port and data folder.
    pub(super) async fn restart(&mut self) -> io::Result<()> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut patience = 100;
        let local = loop {
            let start = LocalKvs::builder().data_dir(&self.folder).listen(self.address).one_port().start();
            match runtime.spawn(start).await.map_err(io::Error::other)? {
                Ok(local) => break local,
                // The last tasks of the previous service may keep the port or the folder for a moment.
                Err(_) if patience > 0 => patience -= 1,
                Err(error) => return Err(io::Error::other(error)),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let address = local.endpoint_url().trim_start_matches("http://").parse();
        self.address = address.map_err(io::Error::other)?;
        self.running = Some((runtime, local));
        Ok(())
    }

    /// Shuts the service down; all accepted fragments are on disk afterwards.
    pub(super) async fn shutdown(mut self) {
        if let Some((runtime, local)) = self.running.take() {
            let ended = runtime.spawn(local.shutdown()).await;
            ended.expect("shutting down does not panic");
            // The last tasks keep the lock of the folder.
            let down = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5)));
            down.await.expect("shutting down does not panic");
        }
    }
}
