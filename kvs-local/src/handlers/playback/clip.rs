//! GetClip: the fragments of a range as an MP4 file.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::check_retention;
use super::media_room::{MediaRoom, holding};
use super::range::{self, Selector};
use crate::api::wire::{self, Response, SizedBody};
use crate::api::{ApiError, StreamRef, parse};
use crate::handlers::readable::ReadableStreams;
use crate::playback::{Clip, ClipReader, Range, limits};
use crate::quotas::Quota;
use crate::stream::StreamHub;

/// Handles GetClip.
#[derive(Debug)]
pub(in crate::handlers) struct GetClip {
    streams: ReadableStreams,
    quota: Arc<Quota>,
    /// For collecting the tables of a clip.
    permits: Arc<Semaphore>,
    room: MediaRoom,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    #[serde(flatten)]
    stream: StreamRef,
    clip_fragment_selector: Option<Selector>,
}

pub(super) fn validate(body: &[u8], now: SystemTime) -> Result<(), ApiError> {
    parse::<Request>(body)?.range(now).map(drop)
}

impl Request {
    fn range(&self, now: SystemTime) -> Result<Range, ApiError> {
        range::clip(self.clip_fragment_selector.as_ref(), now)
    }
}

impl GetClip {
    pub(in crate::handlers) fn new(streams: ReadableStreams, quota: Arc<Quota>, room: MediaRoom) -> Self {
        Self { streams, quota, permits: Arc::new(Semaphore::new(limits::CLIPS)), room }
    }

    pub(in crate::handlers) async fn handle(&self, body: &Bytes) -> Result<Response, ApiError> {
        let request: Request = parse(body)?;
        let now = self.streams.clock().now();
        let range = request.range(now.wall)?;
        let stream = self.streams.find(&request.stream).await?;
        check_retention(&stream)?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| ApiError::internal())?;
        let (hub, key) = (Arc::clone(self.streams.hub()), stream.media_key());
        let clip = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            Clip::collect(hub.store(), &key, range)
        });
        let clip = clip.await.map_err(|_| ApiError::internal())??;
        self.quota.take_metadata_points(&stream.name, clip.fragments, now.at)?;
        self.quota.take_media_points(&stream.name, clip.fragments, now.at)?;
        let head_room = Arc::new(self.room.take(clip.head.len() as u64).await?);
        let (sender, body) = SizedBody::new(clip.len);
        let head = holding(clip.head.clone(), &head_room);
        let (hub, key, room) = (Arc::clone(self.streams.hub()), stream.media_key(), self.room.clone());
        let download = Download { reader: clip.into_reader(), hub, key, room };
        drop(tokio::spawn(download.send(head, sender)));
        Ok(wire::sized(wire::MP4, body))
    }
}

/// A clip on its way to a client. It holds one fragment at a time, for which there must be room.
struct Download {
    reader: ClipReader,
    hub: Arc<StreamHub>,
    key: String,
    room: MediaRoom,
}

impl Download {
    async fn send(mut self, head: Bytes, mut sender: wire::BodySender) {
        if sender.send_data(head).await.is_err() {
            return;
        }
        while let Some(bytes) = self.reader.next_bytes() {
            let room = match self.room.take(bytes).await {
                Ok(room) => Arc::new(room),
                Err(error) => return abort(sender, &error.to_string()),
            };
            let read = tokio::task::spawn_blocking(move || {
                let media = self.reader.next(self.hub.store(), &self.key);
                (self, media)
            });
            let media = match read.await {
                Ok((rest, Ok(media))) => {
                    self = rest;
                    media
                }
                Ok((_, Err(error))) => return abort(sender, &error.to_string()),
                Err(error) => return abort(sender, &error.to_string()),
            };
            for piece in media {
                if sender.send_data(holding(piece, &room)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Closes the connection before the end of the body, so that the client notices that media is missing.
fn abort(sender: wire::BodySender, error: &str) {
    tracing::error!(error, "failed to read the media of a clip");
    sender.abort(io::Error::other("failed to read stored media"));
}
