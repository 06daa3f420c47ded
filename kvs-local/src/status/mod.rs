//! The status page: one static page, and the report that it shows.
//!
//! Both are unsigned, so that a browser can open them. The page can change nothing. It is served on loopback only, unless it was asked
//! for; the report is given to the page itself and to programs, never to pages of other origins.

mod activity;
mod coverage;
mod fragments;
mod limits;
mod page;
mod report;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub(crate) use self::activity::{Activity, ConnectedProducer};
use self::fragments::Descriptions;
pub(crate) use self::page::{Page, confine};
use self::report::Reporter;
use crate::api::ApiError;
use crate::clock::Clock;
use crate::stream::StreamHub;
use crate::stream::registry::Registry;

/// What the page may do without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageRights {
    /// Show the report.
    Report,
    /// Show media too: pictures, sessions and clips.
    Media,
}

/// Makes reports for the page.
#[derive(Debug)]
pub(crate) struct Status {
    reporter: Arc<Reporter>,
    /// A report reads media; a few at a time are enough for people.
    permits: Arc<Semaphore>,
    clock: Clock,
}

impl Status {
    pub(crate) fn new(registry: Arc<Registry>, hub: Arc<StreamHub>, activity: Arc<Activity>, clock: Clock) -> Self {
        let descriptions = Descriptions::default();
        let reporter = Arc::new(Reporter { registry, hub, activity, descriptions });
        Self { reporter, permits: Arc::new(Semaphore::new(REPORTS)), clock }
    }

    /// Reports on the streams whose names start with `prefix`, and on one stream in detail.
    pub(crate) async fn report(&self, prefix: String, stream: Option<String>) -> Result<serde_json::Value, ApiError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| ApiError::internal())?;
        let (reporter, now) = (Arc::clone(&self.reporter), self.clock.wall());
        let made = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            reporter.report(&prefix, stream.as_deref(), now)
        });
        made.await.map_err(|_| ApiError::internal())?
    }
}

/// Reports that are made at a time.
const REPORTS: usize = 2;
