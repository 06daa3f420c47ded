//! GStreamer element that sends video and audio to Amazon Kinesis Video Streams.
//!
//! The element is `kvsproducersink`. With the feature `kvssink` it is registered as `kvssink`, with the same properties.
//! Properties, events, signals and messages are described in the README.

mod caps;
mod connection;
mod credential_file;
mod failure;
mod properties;
mod report;
mod requests;
mod runtime;
mod sdk_credentials;
mod session;
mod settings;
mod sink;
mod stream;
mod timeline;

use std::sync::LazyLock;

use gst::glib;

/// The debug category: `GST_DEBUG=kvsproducersink:5`.
static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(ELEMENT, gst::DebugColorFlags::empty(), Some("Amazon Kinesis Video Streams producer"))
});

/// The name under which pipelines find the element.
const ELEMENT: &str = if cfg!(feature = "kvssink") { "kvssink" } else { "kvsproducersink" };

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    sink::register(plugin)
}

gst::plugin_define!(
    kvs,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    "https://docs.aws.amazon.com/kinesisvideostreams/",
    env!("BUILD_REL_DATE")
);
