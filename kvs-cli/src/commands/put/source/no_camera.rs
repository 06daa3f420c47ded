//! In place of IP cameras, in a program that was built without the feature `camera`.

use kvs_mkv::{Frame, Track};

use crate::commands::put::options::Options;
use crate::failure::Failure;
use crate::output::Output;

/// The source of a camera, which cannot exist in this program.
pub(super) enum CameraSource {}

/// What a camera gives.
#[expect(dead_code, reason = "there is no camera")]
pub(super) enum CameraItem {
    Frame(Frame),
    Tracks(Vec<Track>),
}

impl CameraSource {
    /// Explains that this build has no cameras. The URL may have a password, so it is not shown.
    #[expect(clippy::unused_async, reason = "the other build connects")]
    pub(super) async fn open(_: &str, _: &Options, _: Output) -> Result<(Self, Vec<Track>), Failure> {
        Err(Failure::input(
            "this kvs was built without the feature camera; send the camera through a pipe: ffmpeg -rtsp_transport tcp -i URL -c copy \
             -f matroska - | kvs put STREAM -",
        ))
    }

    pub(super) fn name(&self) -> &str {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "the other build waits")]
    pub(super) async fn next(&mut self) -> Option<CameraItem> {
        match *self {}
    }
}

/// Never called: only a camera has sessions.
pub(super) fn same_codecs(one: &[Track], other: &[Track]) -> bool {
    one == other
}
