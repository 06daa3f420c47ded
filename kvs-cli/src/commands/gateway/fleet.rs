//! All cameras: started, changed by a reload, and stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kvs_producer::{Client, SharedBudget};
use tokio::time::Instant;

use super::camera::{self, Board, Camera, Context, Ended, Ending};
use super::clients::Clients;
use super::config::Cameras;
use super::journal::Journal;
use super::plan::Plan;
use super::report::Overview;
use crate::failure::Failure;

/// The cameras that run.
pub(super) struct Fleet {
    cameras: BTreeMap<String, Camera>,
    clients: Clients,
    budget: SharedBudget,
    overview: Arc<Overview>,
    journal: Journal,
}

impl Fleet {
    pub(super) fn new(clients: Clients, budget: SharedBudget, overview: Arc<Overview>, journal: Journal) -> Self {
        Self { cameras: BTreeMap::new(), clients, budget, overview, journal }
    }

    /// The configurations of the cameras that run.
    fn running(&self) -> Cameras {
        self.cameras.iter().map(|(name, camera)| (name.clone(), Arc::clone(&camera.config))).collect()
    }

    /// Makes the cameras those of a configuration. Those that are not changed are not touched; if a client cannot be made, none is.
    pub(super) async fn apply(&mut self, wanted: &Cameras, drain: Duration) -> Result<Plan, Failure> {
        let mut clients = BTreeMap::new();
        for (name, config) in wanted {
            let client =
                self.clients.of(config).await.map_err(|failure| failure.about(format_args!("camera {name}")))?;
            clients.insert(name.as_str(), client);
        }
        let plan = Plan::new(&self.running(), wanted);
        let deadline = Instant::now() + drain;
        let mut boards = BTreeMap::new();
        let mut leaving: Vec<(Arc<Board>, String, Ended)> = Vec::new();
        for name in plan.stop.iter().chain(&plan.restart) {
            let Some(camera) = self.cameras.remove(name) else { continue };
            camera.stop(deadline);
            leaving.push((Arc::clone(&camera.board), camera.config.stream.clone(), camera.ended()));
            boards.insert(name.clone(), camera.board);
        }
        for name in plan.start.iter().chain(&plan.restart) {
            let (Some(config), Some(client)) = (wanted.get(name), clients.remove(name.as_str())) else { continue };
            // Its old self, and whoever had its stream.
            let before = leaving.iter().filter(|(board, stream, _)| board.name() == name || *stream == config.stream);
            let before = before.map(|(_, _, ended)| ended.clone()).collect();
            let board = boards.remove(name).unwrap_or_else(|| Arc::new(Board::new(name)));
            let context = self.context(Arc::clone(config), board, client);
            self.cameras.insert(name.clone(), Camera::start(context, before));
        }
        self.clients.keep(wanted.values().map(AsRef::as_ref));
        self.overview.show(self.cameras.values().map(|camera| Arc::clone(&camera.board)).collect());
        Ok(plan)
    }

    fn context(&self, config: Arc<super::config::CameraConfig>, board: Arc<Board>, client: Client) -> Context {
        Context { config, board, client, budget: self.budget.clone(), journal: self.journal.clone() }
    }

    /// Asks all cameras to stop until then.
    pub(super) fn stop(&self, deadline: Instant) {
        self.cameras.values().for_each(|camera| camera.stop(deadline));
    }

    /// Waits until all have stopped, but not beyond `patience` after the deadline.
    pub(super) async fn stopped(&self, deadline: Instant) -> (Ending, usize) {
        camera::all_ended(self.cameras.values().map(Camera::ended).collect(), deadline).await
    }
}
