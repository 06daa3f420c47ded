//! The properties of the element: those of kvssink under their names, and those that kvssink does not have.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gst::glib::{self, ParamSpec, SendValue, Value};
use gst::prelude::*;

use crate::CAT;
use crate::settings::{Secret, Settings, StreamingType};

/// The properties of an element.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    pub(crate) settings: Settings,
    /// What was set on properties without effect, so that they read back as set.
    ignored: BTreeMap<String, SendValue>,
}

pub(crate) fn specs() -> &'static [ParamSpec] {
    static SPECS: LazyLock<Vec<ParamSpec>> = LazyLock::new(|| {
        let mut specs = stream_specs();
        specs.extend(fragment_specs());
        specs.extend(buffer_specs());
        specs.extend(aws_specs());
        specs.extend(time_specs());
        specs.extend(IGNORED.iter().map(Ignored::spec));
        specs
    });
    &SPECS
}

fn stream_specs() -> Vec<ParamSpec> {
    vec![
        text("stream-name", "Name or ARN of the stream", Some("DEFAULT_STREAM")),
        text("user-agent", "User-Agent header of the requests; empty: name and version of the client", None),
        flag("allow-create-stream", "Whether a stream that does not exist is created", true),
        number("retention-period", "Hours that a stream created by the element keeps media", 2, (0, 87_600)),
        structure("stream-tags", "Tags of a stream created by the element: stream-tags,name=value"),
        glib::ParamSpecEnum::builder_with_default("streaming-type", StreamingType::Realtime)
            .blurb("Whether times follow the wall clock or are those of a recording")
            .mutable_ready()
            .build(),
        text("content-type", "Media type of a stream created by the element; empty: from the caps", None),
        text("track-name", "Name of the video track, at most 32 bytes", Some("kinesis_video")),
    ]
}

fn fragment_specs() -> Vec<ParamSpec> {
    vec![
        flag("key-frame-fragmentation", "Whether fragments start at key frames only", true),
        number(
            "fragment-duration",
            "Milliseconds of a fragment if there is no video or key-frame-fragmentation is false",
            2_000,
            (250, 20_000),
        ),
        flag("absolute-fragment-times", "Whether times on the wire count from the Unix epoch", true),
        flag("fragment-acks", "Whether the signal fragment-ack is emitted", true),
        number("image-every", "Seconds between fragments for which images are requested; 0: never", 0, (0, 86_400)),
        number("notify-every", "Seconds between fragments with a notification; 0: never", 0, (0, 86_400)),
    ]
}

fn buffer_specs() -> Vec<ParamSpec> {
    vec![
        number("storage-size", "Most MiB of media that is not persisted", 128, (1, 10 << 10)),
        number("buffer-duration", "Most seconds of media that is not persisted", 120, (1, 86_400)),
        number("connection-staleness", "Seconds without an acknowledgement before reconnecting", 60, (1, 3_600)),
        flag("restart-on-error", "Whether sending continues after an error that the service reports", true),
        text("spool-dir", "Folder for media that does not fit into the buffer or waits at the end; empty: none", None),
        number("spool-size", "Most MiB in spool-dir", 1_024, (1, 1 << 20)),
    ]
}

fn aws_specs() -> Vec<ParamSpec> {
    vec![
        text("access-key", "AWS access key id; reads back as [redacted]", None),
        text("secret-key", "AWS secret access key; reads back as [redacted]", None),
        text("session-token", "AWS session token; reads back as [redacted]", None),
        text(
            "aws-region",
            "AWS Region; empty: AWS_REGION, AWS_DEFAULT_REGION, that of the profile, or us-west-2",
            None,
        ),
        text("credential-path", "File with credentials, read again when they expire", None),
        text("profile", "AWS profile to take credentials and Region from, as with the AWS CLI", None),
        structure(
            "iot-certificate",
            "Device certificate: iot-certificate,endpoint=,cert-path=,key-path=,ca-path=,role-aliases=[,iot-thing-name=]",
        ),
        text("endpoint", "URL of the service, for kvs-local; empty: AWS in the Region", None),
        text("ca-file", "PEM file with the only trusted certificates, for kvs-local with TLS", None),
        number("connection-timeout", "Seconds for a connection attempt", 5, (1, 3_600)),
        number("completion-timeout", "Seconds for a request", 10, (1, 3_600)),
    ]
}

fn time_specs() -> Vec<ParamSpec> {
    vec![
        number("drain-timeout", "Most seconds that the end waits for acknowledgements", 10, (0, 3_600)),
        number("stop-stream-timeout", "Another name of drain-timeout", 10, (0, 3_600)),
        glib::ParamSpecUInt64::builder("file-start-time")
            .blurb("Start of a recording in seconds since the Unix epoch; 0: now")
            .mutable_ready()
            .build(),
        flag("disable-buffer-clipping", "Whether buffers outside of their segment are sent", false),
        flag("use-original-pts", "Whether timestamps of buffers are times since the Unix epoch", false),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .blurb("Frames and bytes: submitted, persisted, lost, buffered; connections")
            .read_only()
            .build(),
    ]
}

fn text(name: &str, blurb: &str, default: Option<&str>) -> ParamSpec {
    glib::ParamSpecString::builder(name).blurb(blurb).default_value(default).mutable_ready().build()
}

fn flag(name: &str, blurb: &str, default: bool) -> ParamSpec {
    glib::ParamSpecBoolean::builder(name).blurb(blurb).default_value(default).mutable_ready().build()
}

fn number(name: &str, blurb: &str, default: u32, (least, most): (u32, u32)) -> ParamSpec {
    let spec = glib::ParamSpecUInt::builder(name).blurb(blurb).default_value(default);
    spec.minimum(least).maximum(most).mutable_ready().build()
}

fn structure(name: &str, blurb: &str) -> ParamSpec {
    glib::ParamSpecBoxed::builder::<gst::Structure>(name).blurb(blurb).mutable_ready().build()
}

/// A property of kvssink that has no effect here.
struct Ignored {
    name: &'static str,
    default: IgnoredDefault,
    /// What the user should know instead.
    instead: &'static str,
}

enum IgnoredDefault {
    Text(&'static str),
    Flag(bool),
    Number(u32),
}

use IgnoredDefault::{Flag, Number, Text};

const IGNORED: &[Ignored] = &[
    Ignored { name: "codec-id", default: Text("V_MPEG4/ISO/AVC"), instead: "the codec is taken from the caps" },
    Ignored { name: "timecode-scale", default: Number(1), instead: "the timecode scale is 1 ms" },
    Ignored { name: "frame-timecodes", default: Flag(true), instead: "frames always have their times" },
    Ignored {
        name: "replay-duration",
        default: Number(40),
        instead: "after a reconnect, sending continues with the first fragment that is not persisted",
    },
    Ignored {
        name: "max-latency",
        default: Number(60),
        instead: "buffer-duration and storage-size limit what waits, and the message kvs-loss reports what does not fit",
    },
    Ignored { name: "framerate", default: Number(25), instead: "the buffer is sized by storage-size only" },
    Ignored {
        name: "avg-bandwidth-bps",
        default: Number(4_194_304),
        instead: "the buffer is sized by storage-size only",
    },
    Ignored { name: "recalculate-metrics", default: Flag(true), instead: "the property stats has the statistics" },
    Ignored { name: "get-kvs-metrics", default: Flag(false), instead: "the property stats has the statistics" },
    Ignored { name: "rotation-period", default: Number(3_600), instead: "credentials are renewed before they expire" },
    Ignored {
        name: "log-config",
        default: Text("../kvs_log_configuration"),
        instead: "the environment variable GST_DEBUG sets what is logged",
    },
];

impl Ignored {
    fn spec(&self) -> ParamSpec {
        let blurb = format!("Without effect: {}", self.instead);
        match self.default {
            Text(value) => text(self.name, &blurb, Some(value)),
            Flag(value) => flag(self.name, &blurb, value),
            Number(value) => number(self.name, &blurb, value, (0, u32::MAX)),
        }
    }

    fn kept(&self, value: &Value) -> SendValue {
        match self.default {
            Text(_) => value.get::<Option<String>>().unwrap_or_default().to_send_value(),
            Flag(_) => value.get::<bool>().unwrap_or_default().to_send_value(),
            Number(_) => value.get::<u32>().unwrap_or_default().to_send_value(),
        }
    }
}

impl Properties {
    /// Sets a property. GObject has checked type and range.
    pub(crate) fn set(&mut self, element: &gst::Element, name: &str, value: &Value) {
        if let Some(ignored) = IGNORED.iter().find(|ignored| ignored.name == name) {
            gst::warning!(CAT, obj = element, "property {name} has no effect: {}", ignored.instead);
            self.ignored.insert(name.to_owned(), ignored.kept(value));
            return;
        }
        if !self.set_text(name, value) && !self.set_number(name, value) {
            self.set_other(name, value);
        }
    }

    fn set_text(&mut self, name: &str, value: &Value) -> bool {
        let Ok(text) = value.get::<Option<String>>() else { return false };
        let text = text.filter(|text| !text.is_empty());
        let settings = &mut self.settings;
        match name {
            "stream-name" => settings.stream_name = text.unwrap_or_default(),
            "track-name" => settings.track_name = text.unwrap_or_default(),
            "user-agent" => settings.user_agent = text,
            "content-type" => settings.content_type = text,
            "spool-dir" => settings.spool_dir = text,
            "access-key" => settings.access_key = Secret::new(text),
            "secret-key" => settings.secret_key = Secret::new(text),
            "session-token" => settings.session_token = Secret::new(text),
            "aws-region" => settings.region = text,
            "credential-path" => settings.credential_path = text,
            "profile" => settings.profile = text,
            "endpoint" => settings.endpoint = text,
            "ca-file" => settings.ca_file = text,
            _ => return false,
        }
        true
    }

    fn set_number(&mut self, name: &str, value: &Value) -> bool {
        let Ok(number) = value.get::<u32>() else { return false };
        let settings = &mut self.settings;
        match name {
            "retention-period" => settings.retention_hours = number,
            "fragment-duration" => settings.fragment_ms = number,
            "image-every" => settings.image_every_s = number,
            "notify-every" => settings.notify_every_s = number,
            "storage-size" => settings.storage_mb = number,
            "buffer-duration" => settings.buffer_s = number,
            "connection-staleness" => settings.staleness_s = number,
            "spool-size" => settings.spool_mb = number,
            "connection-timeout" => settings.connection_timeout_s = number,
            "completion-timeout" => settings.completion_timeout_s = number,
            "drain-timeout" | "stop-stream-timeout" => settings.drain_timeout_s = number,
            _ => return false,
        }
        true
    }

    fn set_other(&mut self, name: &str, value: &Value) {
        let settings = &mut self.settings;
        let flag = || value.get::<bool>().unwrap_or_default();
        match name {
            "allow-create-stream" => settings.allow_create_stream = flag(),
            "key-frame-fragmentation" => settings.key_frame_fragmentation = flag(),
            "absolute-fragment-times" => settings.absolute_fragment_times = flag(),
            "fragment-acks" => settings.fragment_acks = flag(),
            "restart-on-error" => settings.restart_on_error = flag(),
            "disable-buffer-clipping" => settings.disable_buffer_clipping = flag(),
            "use-original-pts" => settings.use_original_pts = flag(),
            "streaming-type" => settings.streaming_type = value.get().unwrap_or_default(),
            "file-start-time" => settings.file_start_time = value.get().unwrap_or_default(),
            "stream-tags" => settings.stream_tags = value.get().unwrap_or_default(),
            "iot-certificate" => settings.iot_certificate = value.get().unwrap_or_default(),
            _ => {}
        }
    }

    /// Reads a property. Secrets read as `[redacted]`.
    pub(crate) fn get(&self, spec: &ParamSpec) -> Value {
        if let Some(value) = self.ignored.get(spec.name()) {
            return Value::clone(value);
        }
        let settings = &self.settings;
        match spec.name() {
            "stream-name" => settings.stream_name.to_value(),
            "track-name" => settings.track_name.to_value(),
            "user-agent" => settings.user_agent.to_value(),
            "content-type" => settings.content_type.to_value(),
            "spool-dir" => settings.spool_dir.to_value(),
            "access-key" => settings.access_key.shown().to_value(),
            "secret-key" => settings.secret_key.shown().to_value(),
            "session-token" => settings.session_token.shown().to_value(),
            "aws-region" => settings.region.to_value(),
            "credential-path" => settings.credential_path.to_value(),
            "profile" => settings.profile.to_value(),
            "endpoint" => settings.endpoint.to_value(),
            "ca-file" => settings.ca_file.to_value(),
            "iot-certificate" => settings.iot_certificate.to_value(),
            "stream-tags" => settings.stream_tags.to_value(),
            "streaming-type" => settings.streaming_type.to_value(),
            "file-start-time" => settings.file_start_time.to_value(),
            name => {
                self.get_number(name).or_else(|| self.get_flag(name)).unwrap_or_else(|| spec.default_value().clone())
            }
        }
    }

    fn get_number(&self, name: &str) -> Option<Value> {
        let settings = &self.settings;
        Some(match name {
            "retention-period" => settings.retention_hours.to_value(),
            "fragment-duration" => settings.fragment_ms.to_value(),
            "image-every" => settings.image_every_s.to_value(),
            "notify-every" => settings.notify_every_s.to_value(),
            "storage-size" => settings.storage_mb.to_value(),
            "buffer-duration" => settings.buffer_s.to_value(),
            "connection-staleness" => settings.staleness_s.to_value(),
            "spool-size" => settings.spool_mb.to_value(),
            "connection-timeout" => settings.connection_timeout_s.to_value(),
            "completion-timeout" => settings.completion_timeout_s.to_value(),
            "drain-timeout" | "stop-stream-timeout" => settings.drain_timeout_s.to_value(),
            _ => return None,
        })
    }

    fn get_flag(&self, name: &str) -> Option<Value> {
        let settings = &self.settings;
        Some(match name {
            "allow-create-stream" => settings.allow_create_stream.to_value(),
            "key-frame-fragmentation" => settings.key_frame_fragmentation.to_value(),
            "absolute-fragment-times" => settings.absolute_fragment_times.to_value(),
            "fragment-acks" => settings.fragment_acks.to_value(),
            "restart-on-error" => settings.restart_on_error.to_value(),
            "disable-buffer-clipping" => settings.disable_buffer_clipping.to_value(),
            "use-original-pts" => settings.use_original_pts.to_value(),
            _ => return None,
        })
    }
}
