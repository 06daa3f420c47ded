//! `/health`: the state of the gateway and of each camera as JSON.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::Status;
use crate::commands::gateway::camera::{REASONS, Snapshot};
use crate::values::show_time;

/// Writes the document.
pub(in crate::commands::gateway) fn document(status: &Status) -> Value {
    let is_well = status.cameras.iter().all(Snapshot::is_well);
    json!({
        "status": if is_well { "ok" } else { "degraded" },
        "version": env!("CARGO_PKG_VERSION"),
        "started": show_time(status.started),
        "memory_bytes": status.memory,
        "reloads": status.reloads.done,
        "reload_refused": status.reloads.refusal,
        "cameras": status.cameras.iter().map(camera).collect::<Vec<_>>(),
    })
}

fn camera(camera: &Snapshot) -> Value {
    let counters = &camera.counters;
    let lost: Map<String, Value> =
        REASONS.into_iter().zip(counters.lost).map(|(reason, frames)| (reason.to_owned(), frames.into())).collect();
    json!({
        "camera": camera.name,
        "stream": camera.stream,
        "well": camera.is_well(),
        "state": camera.camera.name(),
        "upload": camera.upload.name(),
        "reason": camera.reason,
        "since": show_time(camera.since),
        "tracks": camera.tracks,
        "frames_per_second": rounded(camera.frames_per_second),
        "bits_per_second": camera.bits_per_second.round(),
        "received_frames": camera.received_frames,
        "received_bytes": camera.received_bytes,
        "lost_packets": camera.lost_packets,
        "dropped_frames": camera.dropped_frames,
        "disconnects": camera.disconnects,
        "panics": camera.panics,
        "last_frame": camera.last_frame.map(show_time),
        "last_persisted": camera.last_persisted.map(show_time),
        "buffer_bytes": camera.buffer_bytes,
        "buffer_limit_bytes": camera.buffer_limit,
        "buffer_ms": millis(camera.buffer_time),
        "spooled_bytes": camera.spooled_bytes,
        "submitted_frames": counters.submitted_frames,
        "recovered_frames": counters.recovered_frames,
        "persisted_frames": counters.persisted_frames,
        "persisted_bytes": counters.persisted_bytes,
        "persisted_fragments": counters.persisted_fragments,
        "lost_frames": counters.lost_frames(),
        "lost_frames_by_reason": lost,
        "refused_frames": counters.refused_frames,
        "sessions": counters.sessions,
        "reconnects": counters.reconnects,
        "failures": counters.failures,
        "sent_bytes": counters.sent_bytes,
        "resent_bytes": counters.resent_bytes,
        "ack_latency_p50_ms": millis(counters.ack_latency.quantile(0.5)),
        "ack_latency_p99_ms": millis(counters.ack_latency.quantile(0.99)),
    })
}

fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970.
pub(super) fn epoch(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
