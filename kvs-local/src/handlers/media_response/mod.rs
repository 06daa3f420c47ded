//! The streamed body of a response with media.

pub(super) mod document;
pub(super) mod service_tags;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use kvs_mkv::Chunks;
use kvs_types::__internal::RateLimiter;

use crate::api::wire::{self, Response};
use crate::clock::Clock;
use crate::error_chain::error_chain;
use crate::limits;
use crate::quotas::{Flow, Quota};

/// The content type of real responses, although the pattern in the API model forbids the slash.
const MEDIA: HeaderValue = HeaderValue::from_static("video/webm");

/// Sends media to a client, no faster than its quota allows.
#[derive(Debug)]
pub(super) struct MediaSender {
    sender: Sender<Bytes, io::Error>,
    quota: Arc<Quota>,
    clock: Clock,
    bytes: RateLimiter,
    fragments: RateLimiter,
}

/// Returns a response and the sender of its body.
pub(super) fn media_response(quota: Arc<Quota>, clock: Clock) -> (MediaSender, Response) {
    let (sender, body) = Channel::<Bytes, io::Error>::new(limits::WAITING_PIECES);
    let sender = MediaSender { sender, quota, clock, bytes: RateLimiter::new(), fragments: RateLimiter::new() };
    (sender, wire::streamed(MEDIA, body.boxed_unsync()))
}

impl MediaSender {
    /// Sends a part of the body; returns `false` if the client has gone.
    pub(super) async fn send(&mut self, media: Chunks) -> bool {
        for piece in media {
            if self.sender.send_data(piece).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Waits until the quota allows more after this many bytes and fragments.
    pub(super) async fn pace(&mut self, bytes: u64, fragments: u64) {
        let at = self.clock.now().at;
        let pause = self.quota.pace(&mut self.bytes, Flow::Out, bytes, at);
        let pause = pause.max(self.quota.pace(&mut self.fragments, Flow::FragmentsOut, fragments, at));
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Closes the connection before the end of the body, so that the client notices that media is missing.
    pub(super) fn abort(self, error: &dyn std::error::Error) {
        tracing::error!(error = error_chain(error), "failed to read stored media");
        self.sender.abort(io::Error::other("failed to read stored media"));
    }
}
