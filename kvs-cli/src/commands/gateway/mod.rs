//! `kvs gateway`: many cameras in one process.
//!
//! ```text
//! config file --Config--> Fleet --+--> Camera task: Source --frames--> Uplink (producer)
//!   SIGHUP ----Plan-------^       +--> Camera task ...                    |
//!                                 `--> Board of each camera <-------------'
//!                                        `--> /metrics, /health, kvs gateway status
//! ```
//!
//! One task for each camera; a panic in it is caught and the camera started again. All tasks share one thread; the log is written by
//! another.

mod camera;
mod clients;
mod config;
mod fleet;
mod journal;
mod options;
mod plan;
mod report;
mod service_manager;
mod signals;
mod source;
mod status;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kvs_producer::SharedBudget;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::output::{Output, complain};
use crate::runtime;

use clients::Clients;
use config::Config;
use fleet::Fleet;
use journal::{Journal, LogFormat};
use options::Action;
pub(crate) use options::Options;
use plan::Plan;
use report::Overview;
use report::server::Server;
use service_manager::ServiceManager;
use signals::{Signal, Signals};

/// Runs the gateway, checks its configuration, or prints what a running one does.
pub(crate) fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let output = global.output();
    if let Some(Action::Status(status)) = options.action {
        return runtime::run(status::run(status, output));
    }
    let Some(path) = options.config else { return Err(Failure::input("--config is missing")) };
    let mut config = load(&path)?;
    if let Some(drain) = options.drain_timeout {
        config.gateway.drain_timeout = drain;
    }
    if options.check {
        print_check(&path, &config, output);
        return Ok(());
    }
    let format = options.log_format.unwrap_or(if output.is_json() { LogFormat::Json } else { LogFormat::Text });
    let gateway = Gateway {
        path,
        drain: options.drain_timeout,
        journal: Journal::new(format, output.is_quiet()).map_err(Failure::run)?,
        global: global.clone(),
    };
    runtime::run_to_the_end(gateway.run(config))
}

/// Reads a configuration. What is wrong is printed, a line each.
fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(|mut refusals| {
        let last = refusals.pop().unwrap_or_default();
        refusals.iter().for_each(|refusal| complain(format_args!("error: {refusal}")));
        Failure::input(last)
    })
}

/// `1 camera`, `2 cameras`.
fn counted(cameras: usize) -> String {
    format!("{cameras} camera{}", if cameras == 1 { "" } else { "s" })
}

fn print_check(path: &Path, config: &Config, output: Output) {
    let (memory, share) = (config.gateway.memory, config.guaranteed());
    let mut lines = vec![format!(
        "{}: {}; {} MiB of memory for media, of which each camera is guaranteed {:.1} MiB",
        path.display(),
        counted(config.cameras.len()),
        memory >> 20,
        share as f64 / f64::from(1 << 20),
    )];
    let mut cameras = Vec::new();
    for (name, camera) in &config.cameras {
        let at_most = camera.buffer >> 20;
        lines.push(format!("{name}: {} -> {}, at most {at_most} MiB in memory", camera.source, camera.stream));
        cameras.push(json!({
            "camera": name, "source": camera.source.to_string(), "stream": camera.stream, "buffer_bytes": camera.buffer,
            "spool": camera.spool.as_ref().map(|spool| spool.dir.display().to_string()),
        }));
    }
    let object = json!({ "event": "check", "memory_bytes": memory, "guaranteed_bytes": share, "cameras": cameras });
    output.result_lines(&lines, &object);
}

/// A gateway that runs.
struct Gateway {
    path: PathBuf,
    /// The drain timeout of the command line.
    drain: Option<Duration>,
    journal: Journal,
    global: GlobalOptions,
}

/// How much longer than the drain timeout cameras may take to end: a spool writes for up to 10 s more.
const PATIENCE: Duration = Duration::from_secs(12);

impl Gateway {
    async fn run(self, config: Config) -> Result<(), Failure> {
        let mut signals = Signals::new().map_err(Failure::run)?;
        let manager = ServiceManager;
        let overview = Arc::new(Overview::new(config.gateway.memory));
        let server = Server::start(config.gateway.listen, Arc::clone(&overview))
            .await
            .map_err(|error| Failure::input(error).about(format_args!("listen {}", config.gateway.listen)))?;
        let budget = SharedBudget::new(config.gateway.memory);
        let clients = Clients::new(self.global.connection.clone());
        let mut fleet = Fleet::new(clients, budget, Arc::clone(&overview), self.journal.clone());
        fleet.apply(&config.cameras, config.gateway.drain_timeout).await?;
        let count = config.cameras.len();
        let text = format!("started with {}; http://{}/health", counted(count), server.address());
        self.journal.gateway("started", text, json!({ "cameras": count, "listen": server.address().to_string() }));
        manager.ready(&counted(count));
        let mut config = config;
        let signal = loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Reload => self.reload(&mut config, &mut fleet, &overview, manager).await,
                    ending => break ending,
                },
                () = watchdog(manager) => {}
            }
        };
        let ended = self.drain(signal, &mut signals, &fleet, config.gateway.drain_timeout, manager).await;
        self.journal.flush();
        ended
    }

    /// Reads the configuration again. If it is wrong, everything goes on as it is.
    async fn reload(&self, config: &mut Config, fleet: &mut Fleet, overview: &Overview, manager: ServiceManager) {
        manager.reloading();
        match self.try_reload(config, fleet).await {
            Ok((plan, later)) => {
                overview.reloaded();
                let mut text = format!(
                    "reloaded: {} started, {} restarted, {} stopped, {} unchanged",
                    plan.start.len(),
                    plan.restart.len(),
                    plan.stop.len(),
                    plan.unchanged
                );
                if later {
                    text += "; memory and listen change with the next start";
                }
                let fields = json!({ "started": plan.start, "restarted": plan.restart, "stopped": plan.stop, "unchanged": plan.unchanged });
                self.journal.gateway("reloaded", text, fields);
            }
            Err(refusals) => {
                overview.reload_refused(refusals.join("; "));
                for refusal in refusals {
                    let text = format!("reload refused, nothing has changed: {refusal}");
                    self.journal.gateway("reload_refused", text, json!({ "reason": refusal }));
                }
            }
        }
        manager.ready(&counted(config.cameras.len()));
    }

    /// Returns what has changed, and whether something will only change with the next start.
    async fn try_reload(&self, config: &mut Config, fleet: &mut Fleet) -> Result<(Plan, bool), Vec<String>> {
        let mut wanted = Config::load(&self.path)?;
        if let Some(drain) = self.drain {
            wanted.gateway.drain_timeout = drain;
        }
        let plan = fleet.apply(&wanted.cameras, wanted.gateway.drain_timeout).await;
        let plan = plan.map_err(|failure| vec![failure.to_string()])?;
        let (before, after) = (&config.gateway, &wanted.gateway);
        let later = (before.memory, before.listen) != (after.memory, after.listen);
        *config = wanted;
        Ok((plan, later))
    }

    /// Stops all cameras within the drain timeout, at once after a second signal.
    async fn drain(
        &self,
        signal: Signal,
        signals: &mut Signals,
        fleet: &Fleet,
        within: Duration,
        manager: ServiceManager,
    ) -> Result<(), Failure> {
        manager.stopping();
        let text = format!("{signal}: what is buffered is sent within {} s", within.as_secs_f64());
        self.journal.gateway("stopping", text, Value::Null);
        let deadline = Instant::now() + within;
        fleet.stop(deadline);
        let ended = fleet.stopped(deadline + PATIENCE);
        let mut ended = std::pin::pin!(ended);
        let (ending, missing) = loop {
            tokio::select! {
                ended = &mut ended => break ended,
                signal = signals.next() => if signal != Signal::Reload {
                    fleet.stop(Instant::now());
                },
                () = watchdog(manager) => {}
            }
        };
        let (lost, spooled) = (ending.lost_frames, ending.spooled_frames);
        self.journal.gateway(
            "stopped",
            format!("stopped: {lost} frames lost at the end, {spooled} in the spool"),
            json!({ "lost_frames": lost, "spooled_frames": spooled }),
        );
        if missing > 0 {
            return Err(Failure::run(format!("{} did not end in time", counted(missing))));
        }
        if lost > 0 {
            return Err(Failure::run(format!(
                "{lost} frames were not persisted within the drain timeout and are lost"
            )));
        }
        Ok(())
    }
}

/// Tells the service manager after some time that the process is alive; never returns where nobody wants to know.
async fn watchdog(manager: ServiceManager) {
    match manager.interval() {
        Some(interval) => {
            tokio::time::sleep(interval).await;
            manager.alive();
        }
        None => std::future::pending().await,
    }
}
