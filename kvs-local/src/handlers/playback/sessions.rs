//! GetHLSStreamingSessionURL and GetDASHStreamingSessionURL.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_types::TimestampOrigin;
use serde::Deserialize;
use serde_json::json;

use super::check_retention;
use super::media_room::MediaRoom;
use super::range::{self, Selector};
use crate::api::wire::{self, JsonStyle, Response};
use crate::api::{ApiError, StreamRef, parse, within};
use crate::handlers::readable::ReadableStreams;
use crate::playback::limits::{
    EXPIRES_SECONDS, LIVE_FRAGMENTS, ON_DEMAND_FRAGMENTS, PLAYLIST_FRAGMENTS, SESSION_EXPIRES_SECONDS,
};
use crate::playback::{
    ContainerFormat, DashOptions, DiscontinuityMode, Display, HlsOptions, NewSession, PlaybackMode, PlayedStream,
    Protocol, Range, Session, SessionOwner, Sessions,
};
use crate::quotas::Quota;

/// Begins streaming sessions and serves their URLs.
#[derive(Debug)]
pub(in crate::handlers) struct StreamingSessions {
    pub(super) streams: ReadableStreams,
    pub(super) quota: Arc<Quota>,
    pub(super) sessions: Sessions,
    /// Media that is on its way to players.
    pub(super) room: MediaRoom,
}

/// Who asks for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::handlers) enum RequestedBy {
    /// A caller of the API.
    Caller,
    /// The status page.
    Page,
}

/// What both calls have in common.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Common {
    #[serde(flatten)]
    stream: StreamRef,
    playback_mode: Option<PlaybackMode>,
    expires: Option<u64>,
    display_fragment_timestamp: Option<Display>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HlsRequest {
    #[serde(rename = "HLSFragmentSelector")]
    selector: Option<Selector>,
    container_format: Option<ContainerFormat>,
    discontinuity_mode: Option<DiscontinuityMode>,
    max_media_playlist_fragment_results: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DashRequest {
    #[serde(rename = "DASHFragmentSelector")]
    selector: Option<Selector>,
    display_fragment_number: Option<Display>,
    max_manifest_fragment_results: Option<u64>,
}

/// A request without its stream, which is looked up later.
struct Checked {
    stream: StreamRef,
    protocol: Protocol,
    mode: PlaybackMode,
    origin: TimestampOrigin,
    range: Option<Range>,
    most: usize,
    expires: Duration,
}

pub(super) fn validate_hls(body: &[u8], now: SystemTime) -> Result<(), ApiError> {
    check_hls(body, now).map(drop)
}

pub(super) fn validate_dash(body: &[u8], now: SystemTime) -> Result<(), ApiError> {
    check_dash(body, now).map(drop)
}

fn check_hls(body: &[u8], now: SystemTime) -> Result<Checked, ApiError> {
    let (common, own): (Common, HlsRequest) = (parse(body)?, parse(body)?);
    let mode = common.playback_mode.unwrap_or_default();
    let most = most("MaxMediaPlaylistFragmentResults", own.max_media_playlist_fragment_results, mode)?;
    let (origin, range) = range::session(own.selector.as_ref(), mode, "hLSFragmentSelector", now)?;
    let by_origin = match origin {
        TimestampOrigin::Server => DiscontinuityMode::Always,
        TimestampOrigin::Producer => DiscontinuityMode::Never,
    };
    let protocol = Protocol::Hls(HlsOptions {
        container: own.container_format.unwrap_or_default(),
        discontinuity: own.discontinuity_mode.unwrap_or(by_origin),
        timestamps: common.display_fragment_timestamp.unwrap_or_default(),
    });
    let expires = common.expires()?;
    Ok(Checked { stream: common.stream, protocol, mode, origin, range, most, expires })
}

fn check_dash(body: &[u8], now: SystemTime) -> Result<Checked, ApiError> {
    let (common, own): (Common, DashRequest) = (parse(body)?, parse(body)?);
    let mode = common.playback_mode.unwrap_or_default();
    let most = most("MaxManifestFragmentResults", own.max_manifest_fragment_results, mode)?;
    let (origin, range) = range::session(own.selector.as_ref(), mode, "dASHFragmentSelector", now)?;
    let protocol = Protocol::Dash(DashOptions {
        timestamps: common.display_fragment_timestamp.unwrap_or_default(),
        numbers: own.display_fragment_number.unwrap_or_default(),
    });
    let expires = common.expires()?;
    Ok(Checked { stream: common.stream, protocol, mode, origin, range, most, expires })
}

impl Common {
    fn expires(&self) -> Result<Duration, ApiError> {
        let (least, most) = (*SESSION_EXPIRES_SECONDS.start(), *SESSION_EXPIRES_SECONDS.end());
        within("Expires", self.expires, least.into(), most.into())?;
        Ok(Duration::from_secs(self.expires.unwrap_or(EXPIRES_SECONDS.into())))
    }
}

fn most(member: &str, given: Option<u64>, mode: PlaybackMode) -> Result<usize, ApiError> {
    within(member, given, 1, PLAYLIST_FRAGMENTS.into())?;
    let default = match mode {
        PlaybackMode::Live | PlaybackMode::LiveReplay => LIVE_FRAGMENTS,
        PlaybackMode::OnDemand => ON_DEMAND_FRAGMENTS,
    };
    Ok(usize::try_from(given.unwrap_or(default.into())).unwrap_or(usize::MAX))
}

impl StreamingSessions {
    pub(in crate::handlers) fn new(streams: ReadableStreams, quota: Arc<Quota>, room: MediaRoom) -> Self {
        Self { streams, quota, sessions: Sessions::default(), room }
    }

    /// Begins an HLS session. `endpoint` is the base URL of this service as the client reaches it.
    pub(in crate::handlers) async fn hls(
        &self,
        body: &Bytes,
        endpoint: &str,
        (style, by): (JsonStyle, RequestedBy),
    ) -> Result<Response, ApiError> {
        let token = self.begin(check_hls(body, self.streams.clock().wall())?, by).await?;
        let url = format!("{endpoint}/hls/v1/getHLSMasterPlaylist.m3u8?SessionToken={token}");
        Ok(wire::ok(Some(json!({ "HLSStreamingSessionURL": url })), style))
    }

    /// Begins a DASH session.
    pub(in crate::handlers) async fn dash(
        &self,
        body: &Bytes,
        endpoint: &str,
        (style, by): (JsonStyle, RequestedBy),
    ) -> Result<Response, ApiError> {
        let token = self.begin(check_dash(body, self.streams.clock().wall())?, by).await?;
        let url = format!("{endpoint}/dash/v1/getDASHManifest.mpd?SessionToken={token}");
        Ok(wire::ok(Some(json!({ "DASHStreamingSessionURL": url })), style))
    }

    async fn begin(&self, request: Checked, by: RequestedBy) -> Result<String, ApiError> {
        let stream = self.streams.find(&request.stream).await?;
        check_retention(&stream)?;
        let Checked { protocol, mode, origin, range, most, expires, .. } = request;
        let owner = match by {
            RequestedBy::Caller => SessionOwner::Caller { expires },
            RequestedBy::Page => SessionOwner::Page,
        };
        let stream = PlayedStream { key: stream.media_key(), created_ms: stream.created_ms, name: stream.name };
        let request = NewSession { stream, protocol, mode, origin, range, most };
        let (hub, now) = (Arc::clone(self.streams.hub()), self.streams.clock().wall());
        let session = tokio::task::spawn_blocking(move || Session::begin(hub.store(), request, now));
        let session = session.await.map_err(|_| ApiError::internal())??;
        self.sessions.add(session, owner, now)
    }
}
