//! How long a backlog takes over a link that breaks.

use std::time::Duration;

use kvs_producer::{BitstreamMode, Overflow, ProducerConfig, SpoolConfig, StreamLookup};

use super::network::LinkModel;
use super::scenario::{Form, tracks};
use super::spool_scenario::SpoolScenario;
use super::spool_world::SpoolWorld;
use super::world::Verbosity;

/// Sends ten minutes of backlog, most of it from the spool, over an uplink of twice the media rate with 50 ms of latency. The link
/// resets connections at a random age, on average after `resets`; `None` is a sound link. Returns the time from the end of the
/// outage until everything is persisted.
pub fn drain(seed: u64, resets: Option<Duration>) -> Result<Duration, String> {
    let mut scenario = SpoolScenario::new(seed);
    let spool = SpoolConfig::new("simulated").bytes(1 << 30);
    scenario.spool = spool.clone();
    scenario.limit = 1 << 30;
    scenario.overflow = Overflow::DropOldest;
    scenario.memory = 8 << 20;
    scenario.disk_time = Duration::from_millis(5);
    scenario.faults = Vec::new();
    scenario.config = ProducerConfig::new("cam", tracks(2, Form::AsIs))
        .seed(seed)
        .bitstream_mode(BitstreamMode::Passthrough)
        .stream_lookup(StreamLookup::default())
        .buffer_bytes(scenario.memory)
        .spool(spool);
    let media = &mut scenario.media;
    (media.form, media.tracks, media.b_frames) = (Form::AsIs, 2, false);
    (media.frame_ms, media.group_ms) = (40, 2000);
    (media.latency, media.store_time) = (Duration::from_millis(50), Duration::from_millis(50));
    media.socket_buffer = 64 << 10;
    media.link = resets.map_or(LinkModel::Sound, LinkModel::Age);
    SpoolWorld::new(scenario, seed, Verbosity::Quiet).drain_after_outage(BACKLOG)
}

const BACKLOG: Duration = Duration::from_secs(600);
