//! `/metrics`: the text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};
use std::time::SystemTime;

use super::Status;
use super::health::epoch;
use crate::commands::gateway::camera::{CameraState, Counters, REASONS, Snapshot, UploadState};

/// Writes all metrics.
pub(in crate::commands::gateway) fn text(status: &Status) -> String {
    let mut page = Page::default();
    page.family("kvs_gateway_info", "gauge", "Version of the gateway; always 1.");
    page.sample("kvs_gateway_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.single("kvs_gateway_start_time_seconds", "gauge", "When the gateway was started.", epoch(status.started));
    page.single(
        "kvs_gateway_memory_budget_bytes",
        "gauge",
        "Memory for the media of all cameras together.",
        status.memory,
    );
    page.single("kvs_gateway_cameras", "gauge", "Number of cameras.", status.cameras.len());
    page.family("kvs_gateway_reloads_total", "counter", "Reloads of the configuration by result.");
    page.sample("kvs_gateway_reloads_total", &[("result", "done")], status.reloads.done);
    page.sample("kvs_gateway_reloads_total", &[("result", "refused")], status.reloads.refused);
    for gauge in GAUGES {
        page.per_camera(&status.cameras, "gauge", gauge);
    }
    for counter in COUNTERS {
        page.per_camera(&status.cameras, "counter", counter);
    }
    page.states(&status.cameras);
    page.times(&status.cameras);
    page.losses(&status.cameras);
    page.latencies(&status.cameras);
    page.text
}

/// Name, explanation, and the value of a camera.
struct Metric {
    name: &'static str,
    help: &'static str,
    value: fn(&Snapshot) -> f64,
}

const fn metric(name: &'static str, help: &'static str, value: fn(&Snapshot) -> f64) -> Metric {
    Metric { name, help, value }
}

const GAUGES: [Metric; 7] = [
    metric("kvs_camera_well", "Whether the camera is live and its media is accepted.", |c| {
        f64::from(u8::from(c.is_well()))
    }),
    metric("kvs_camera_frame_rate", "Video frames per second, over the last 10 s.", |c| c.frames_per_second),
    metric("kvs_camera_bit_rate", "Bits per second from the camera, over the last 10 s.", |c| c.bits_per_second),
    metric("kvs_camera_buffer_bytes", "Media in memory, with its overhead.", |c| c.buffer_bytes as f64),
    metric("kvs_camera_buffer_limit_bytes", "Most media in memory.", |c| c.buffer_limit as f64),
    metric("kvs_camera_buffer_seconds", "Time from the oldest to the newest frame in memory.", |c| {
        c.buffer_time.as_secs_f64()
    }),
    metric("kvs_camera_spooled_bytes", "Media on disk and not in memory.", |c| c.spooled_bytes as f64),
];

const COUNTERS: [Metric; 17] = [
    metric("kvs_camera_received_frames_total", "Frames from the camera.", |c| c.received_frames as f64),
    metric("kvs_camera_received_bytes_total", "Bytes of frames from the camera.", |c| c.received_bytes as f64),
    metric("kvs_camera_lost_packets_total", "Packets lost on the way from the camera.", |c| c.lost_packets as f64),
    metric(
        "kvs_camera_dropped_frames_total",
        "Frames that arrived and are not sent, because packets before them were lost.",
        |c| c.dropped_frames as f64,
    ),
    metric("kvs_camera_disconnects_total", "How often the camera went away.", |c| c.disconnects as f64),
    metric("kvs_camera_panics_total", "How often the camera's task panicked.", |c| c.panics as f64),
    metric("kvs_camera_submitted_frames_total", "Frames that were taken for sending.", |c| {
        c.counters.submitted_frames as f64
    }),
    metric("kvs_camera_recovered_frames_total", "Frames that an earlier run had left in the spool.", |c| {
        c.counters.recovered_frames as f64
    }),
    metric("kvs_camera_persisted_frames_total", "Frames that the service stored.", |c| {
        c.counters.persisted_frames as f64
    }),
    metric("kvs_camera_persisted_bytes_total", "Bytes that the service stored.", |c| c.counters.persisted_bytes as f64),
    metric("kvs_camera_persisted_fragments_total", "Fragments that the service stored.", |c| {
        c.counters.persisted_fragments as f64
    }),
    metric("kvs_camera_refused_frames_total", "Frames that could not be taken for sending.", |c| {
        c.counters.refused_frames as f64
    }),
    metric("kvs_camera_sessions_total", "Connections to the service.", |c| c.counters.sessions as f64),
    metric("kvs_camera_reconnects_total", "Connections to the service that broke.", |c| c.counters.reconnects as f64),
    metric("kvs_camera_failures_total", "Requests and connection attempts that failed.", |c| {
        c.counters.failures as f64
    }),
    metric("kvs_camera_sent_bytes_total", "Bytes sent to the service.", |c| c.counters.sent_bytes as f64),
    metric("kvs_camera_resent_bytes_total", "Bytes sent to the service again.", |c| c.counters.resent_bytes as f64),
];

/// A time of a camera, if it is known.
type KnownTime = fn(&Snapshot) -> Option<SystemTime>;

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let _ = match labels.as_slice() {
            [] => writeln!(self.text, "{name} {value}"),
            labels => writeln!(self.text, "{name}{{{}}} {value}", labels.join(",")),
        };
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn per_camera(&mut self, cameras: &[Snapshot], kind: &str, metric: Metric) {
        self.family(metric.name, kind, metric.help);
        for camera in cameras {
            self.sample(metric.name, &labels(camera), (metric.value)(camera));
        }
    }

    fn states(&mut self, cameras: &[Snapshot]) {
        self.family("kvs_camera_state", "gauge", "1 for the state of the camera, 0 for all others.");
        for camera in cameras {
            for state in CameraState::ALL {
                let [name, stream] = labels(camera);
                self.sample(
                    "kvs_camera_state",
                    &[name, stream, ("state", state.name())],
                    u8::from(camera.camera == state),
                );
            }
        }
        self.family("kvs_camera_upload_state", "gauge", "1 for the state of the upload, 0 for all others.");
        for camera in cameras {
            for state in UploadState::ALL {
                let [name, stream] = labels(camera);
                self.sample(
                    "kvs_camera_upload_state",
                    &[name, stream, ("state", state.name())],
                    u8::from(camera.upload == state),
                );
            }
        }
    }

    /// Times that are not known yet have no sample.
    fn times(&mut self, cameras: &[Snapshot]) {
        let times: [(&str, &str, KnownTime); 2] = [
            ("kvs_camera_last_frame_timestamp_seconds", "When the last frame arrived.", |camera| camera.last_frame),
            ("kvs_camera_last_persisted_timestamp_seconds", "When the service last stored media.", |camera| {
                camera.last_persisted
            }),
        ];
        for (name, help, time) in times {
            self.family(name, "gauge", help);
            for camera in cameras {
                if let Some(time) = time(camera) {
                    self.sample(name, &labels(camera), epoch(time));
                }
            }
        }
    }

    fn losses(&mut self, cameras: &[Snapshot]) {
        self.family("kvs_camera_lost_frames_total", "counter", "Frames that were reported lost, by reason.");
        for camera in cameras {
            for (reason, frames) in REASONS.into_iter().zip(camera.counters.lost) {
                let [name, stream] = labels(camera);
                self.sample("kvs_camera_lost_frames_total", &[name, stream, ("reason", reason)], frames);
            }
        }
    }

    fn latencies(&mut self, cameras: &[Snapshot]) {
        let help = "Time from sending the last byte of a fragment to its last acknowledgement.";
        self.family("kvs_camera_ack_latency_seconds", "histogram", help);
        for camera in cameras {
            self.latency(camera, &camera.counters);
        }
    }

    fn latency(&mut self, camera: &Snapshot, counters: &Counters) {
        let histogram = &counters.ack_latency;
        let ([name, stream], mut below) = (labels(camera), 0);
        // The last bucket has no bound.
        let bounded = histogram.buckets.len().saturating_sub(1);
        for (at, count) in histogram.buckets.iter().take(bounded).enumerate() {
            below += count;
            let bound = ((1_u64 << at) as f64 / 1000.0).to_string();
            self.sample("kvs_camera_ack_latency_seconds_bucket", &[name, stream, ("le", &bound)], below);
        }
        self.sample("kvs_camera_ack_latency_seconds_bucket", &[name, stream, ("le", "+Inf")], histogram.count);
        self.sample("kvs_camera_ack_latency_seconds_sum", &[name, stream], histogram.sum.as_secs_f64());
        self.sample("kvs_camera_ack_latency_seconds_count", &[name, stream], histogram.count);
    }
}

fn labels(camera: &Snapshot) -> [(&'static str, &str); 2] {
    [("camera", &camera.name), ("stream", &camera.stream)]
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
