//! The service: one ingest core per connection, and a store that keeps every fragment.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use kvs_local::__internal::ingest::{Ingest, IngestConfig, IngestedFragment, Now, ProducerStart};
use kvs_producer::{OpenRequest, SessionId};

use super::source::EPOCH;

/// A stored fragment.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) session: SessionId,
    pub(crate) fragment: IngestedFragment,
}

/// State of the service.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) exists: bool,
    pub(crate) stored: Vec<Stored>,
    pub(crate) endpoint: u32,
    pub(crate) next_sequence: u64,
}

/// The service's end of one connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) session: SessionId,
    pub(crate) ingest: Ingest,
}

pub(crate) fn wall(start: Instant, at: Instant) -> Now {
    Now { at, wall: SystemTime::UNIX_EPOCH + EPOCH + at.saturating_duration_since(start) }
}

impl Service {
    pub(crate) fn address(&self) -> String {
        format!("https://data-{}", self.endpoint)
    }

    pub(crate) fn accept(&mut self, session: SessionId, request: &OpenRequest, seed: u64, now: Now) -> Connection {
        let timecode_type = request.timecode_type;
        // As in the header of the request.
        let millis = kvs_types::__internal::epoch_millis(request.producer_start);
        let start = ProducerStart::parse(&format!("{}.{:03}", millis / 1000, millis % 1000));
        self.next_sequence += 1000;
        let config =
            IngestConfig::new(timecode_type).producer_start(start).first_sequence(self.next_sequence).seed(seed);
        Connection { session, ingest: Ingest::new(config, now) }
    }
}

impl Connection {
    /// Returns the acks that are ready, as bytes of the response.
    pub(crate) fn acks(&mut self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.ingest.poll_ack()).map(|ack| ack.to_line().into()).collect()
    }

    /// Returns when the ingest core has to be called next.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        self.ingest.poll_timeout()
    }
}

/// Returns a random delay around a mean.
pub(crate) fn around(mean: Duration, rng: &mut fastrand::Rng) -> Duration {
    mean.mul_f64(0.5 + rng.f64())
}
