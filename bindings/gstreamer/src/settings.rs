//! The properties as values, with their defaults.

use std::fmt;

use gst::glib;

/// How the times of a stream are made and what happens when the buffer is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstKvsProducerSinkStreamingType")]
pub(crate) enum StreamingType {
    /// Times follow the wall clock.
    #[default]
    #[enum_value(name = "Live: times follow the wall clock", nick = "realtime")]
    Realtime = 0,
    /// As `Realtime`.
    #[enum_value(name = "As realtime", nick = "near-realtime")]
    NearRealtime = 1,
    /// A recording: its times count from `file-start-time`.
    #[enum_value(name = "A recording: times count from file-start-time, nothing is dropped", nick = "offline")]
    Offline = 2,
}

/// A key or token. It never shows itself.
#[derive(Clone, Default)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(value: Option<String>) -> Self {
        Self(value.unwrap_or_default())
    }

    /// What the property reads as.
    pub(crate) fn shown(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "[redacted]" }
    }

    pub(crate) fn given(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

/// All properties that have an effect.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    // The stream.
    pub(crate) stream_name: String,
    pub(crate) user_agent: Option<String>,
    pub(crate) allow_create_stream: bool,
    pub(crate) retention_hours: u32,
    pub(crate) stream_tags: Option<gst::Structure>,
    pub(crate) streaming_type: StreamingType,
    pub(crate) content_type: Option<String>,
    pub(crate) track_name: String,
    // Fragments.
    pub(crate) key_frame_fragmentation: bool,
    pub(crate) fragment_ms: u32,
    pub(crate) absolute_fragment_times: bool,
    pub(crate) fragment_acks: bool,
    pub(crate) image_every_s: u32,
    pub(crate) notify_every_s: u32,
    // The buffer.
    pub(crate) storage_mb: u32,
    pub(crate) buffer_s: u32,
    pub(crate) staleness_s: u32,
    pub(crate) restart_on_error: bool,
    pub(crate) spool_dir: Option<String>,
    pub(crate) spool_mb: u32,
    // AWS.
    pub(crate) access_key: Secret,
    pub(crate) secret_key: Secret,
    pub(crate) session_token: Secret,
    pub(crate) region: Option<String>,
    pub(crate) credential_path: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) iot_certificate: Option<gst::Structure>,
    pub(crate) endpoint: Option<String>,
    pub(crate) ca_file: Option<String>,
    pub(crate) connection_timeout_s: u32,
    pub(crate) completion_timeout_s: u32,
    // Times and the end.
    pub(crate) drain_timeout_s: u32,
    pub(crate) file_start_time: u64,
    pub(crate) disable_buffer_clipping: bool,
    pub(crate) use_original_pts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stream_name: "DEFAULT_STREAM".to_owned(),
            user_agent: None,
            allow_create_stream: true,
            retention_hours: 2,
            stream_tags: None,
            streaming_type: StreamingType::Realtime,
            content_type: None,
            track_name: "kinesis_video".to_owned(),
            key_frame_fragmentation: true,
            fragment_ms: 2_000,
            absolute_fragment_times: true,
            fragment_acks: true,
            image_every_s: 0,
            notify_every_s: 0,
            storage_mb: 128,
            buffer_s: 120,
            staleness_s: 60,
            restart_on_error: true,
            spool_dir: None,
            spool_mb: 1_024,
            access_key: Secret::default(),
            secret_key: Secret::default(),
            session_token: Secret::default(),
            region: None,
            credential_path: None,
            profile: None,
            iot_certificate: None,
            endpoint: None,
            ca_file: None,
            connection_timeout_s: 5,
            completion_timeout_s: 10,
            drain_timeout_s: 10,
            file_start_time: 0,
            disable_buffer_clipping: false,
            use_original_pts: false,
        }
    }
}
