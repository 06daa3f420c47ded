//! The URLs of streaming sessions: playlists, manifests, initialization segments and media. The token in them is the credential.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use kvs_mkv::Chunks;
use tokio::sync::OwnedSemaphorePermit;

use super::StreamingSessions;
use crate::api::wire::{self, Response};
use crate::api::{ApiError, Exception, StreamRef};
use crate::playback::Session;
use crate::playback::limits::{MEDIA_KIB, QUERY_CHARS};
use crate::stream::StreamHub;

/// Returns whether a path is that of a streaming session.
pub(in crate::handlers) fn is_playback_path(path: &str) -> bool {
    Resource::of(path).is_some()
}

/// What a URL names. Both protocols have the same media fragments; the query tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource {
    HlsMaster,
    HlsMedia,
    DashManifest,
    Init,
    MediaFragment,
    TransportStream,
}

impl Resource {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/hls/v1/getHLSMasterPlaylist.m3u8" => Self::HlsMaster,
            "/hls/v1/getHLSMediaPlaylist.m3u8" => Self::HlsMedia,
            "/dash/v1/getDASHManifest.mpd" => Self::DashManifest,
            "/hls/v1/getMP4InitFragment.mp4" | "/dash/v1/getMP4InitFragment.mp4" => Self::Init,
            "/hls/v1/getMP4MediaFragment.mp4" | "/dash/v1/getMP4MediaFragment.mp4" => Self::MediaFragment,
            // A public proxy lets the name through without its ending.
            "/hls/v1/getTSFragment.ts" | "/hls/v1/getTSFragment" => Self::TransportStream,
            _ => return None,
        })
    }

    /// The operation in the quotas of the service.
    const fn quota(self) -> &'static str {
        match self {
            Self::HlsMaster => "/getHLSMasterPlaylist",
            Self::HlsMedia => "/getHLSMediaPlaylist",
            Self::DashManifest => "/getDASHManifest",
            Self::Init => "/getMP4InitFragment",
            Self::MediaFragment => "/getMP4MediaFragment",
            Self::TransportStream => "/getTSFragment",
        }
    }

    const fn content_type(self) -> HeaderValue {
        match self {
            Self::HlsMaster | Self::HlsMedia => HeaderValue::from_static("application/x-mpegURL"),
            Self::DashManifest => HeaderValue::from_static("application/dash+xml"),
            Self::Init | Self::MediaFragment => wire::MP4,
            Self::TransportStream => HeaderValue::from_static("video/MP2T"),
        }
    }

    const fn is_media(self) -> bool {
        matches!(self, Self::MediaFragment | Self::TransportStream)
    }
}

/// The parameters of a URL.
#[derive(Debug, Default)]
struct Query<'a> {
    token: Option<&'a str>,
    track: Option<u64>,
    sequence: Option<u64>,
    fragment: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// Reads the known parameters; a token has no characters that are escaped in a URL.
    fn parse(query: &'a str) -> Result<Self, ApiError> {
        if query.len() > QUERY_CHARS {
            return Err(ApiError::invalid(format!("the query has more than {QUERY_CHARS} characters")));
        }
        let mut parsed = Self::default();
        for pair in query.split('&') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let number = || value.parse().map_err(|_| ApiError::invalid("a parameter of the URL is not a number"));
            match name {
                "SessionToken" => parsed.token = Some(value),
                "TrackNumber" => parsed.track = Some(number()?),
                "SequenceNumber" => parsed.sequence = Some(number()?),
                "FragmentNumber" => parsed.fragment = Some(value),
                _ => {}
            }
        }
        Ok(parsed)
    }

    fn track(&self) -> Result<u64, ApiError> {
        self.track.ok_or_else(|| missing("TrackNumber"))
    }
}

fn missing(parameter: &str) -> ApiError {
    ApiError::invalid(format!("the URL has no {parameter}"))
}

impl StreamingSessions {
    /// Answers a request for a URL of a session.
    pub(in crate::handlers) async fn resource(
        &self,
        method: &Method,
        path: &str,
        query: &str,
    ) -> Result<Response, ApiError> {
        let resource = Resource::of(path).ok_or_else(wire::unknown_operation)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(wire::unknown_operation());
        }
        let query = Query::parse(query)?;
        let token = query.token.ok_or_else(|| missing("SessionToken"))?;
        let now = self.streams.clock().now();
        let (session, name) = self.sessions.find(token, now.wall)?;
        self.quota.take_call(resource.quota(), Some(&name), now.at)?;
        self.check_stream(&session).await?;
        let points = if resource.is_media() {
            self.quota.take_media_points(&session.stream.name, 1, now.at)
        } else {
            self.quota.take_metadata_points(&session.stream.name, session.playlist_points(resource.is_list()), now.at)
        };
        points?;
        let mut response = if resource.is_media() {
            self.media(resource, session, &query).await?
        } else {
            self.text(resource, session, &query, token).await?
        };
        let cache = if resource.is_media() { "private, max-age=300" } else { "no-store" };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        Ok(response)
    }

    /// The stream may have been deleted, or created again, since the session began.
    async fn check_stream(&self, session: &Session) -> Result<(), ApiError> {
        let wanted = StreamRef::by_name(session.stream.name.clone());
        let stream = self.streams.find(&wanted).await?;
        if stream.created_ms == session.stream.created_ms { Ok(()) } else { Err(ApiError::no_stream()) }
    }

    async fn text(
        &self,
        resource: Resource,
        session: Arc<Session>,
        query: &Query<'_>,
        token: &str,
    ) -> Result<Response, ApiError> {
        let (hub, now, token) = (Arc::clone(self.streams.hub()), self.streams.clock().wall(), token.to_owned());
        let (track, sequence) = (query.track, query.sequence.unwrap_or(0));
        let track = move || track.ok_or_else(|| missing("TrackNumber"));
        let write = move || -> Result<Bytes, ApiError> {
            let text = match resource {
                Resource::HlsMaster => session.hls_master(&token)?,
                Resource::HlsMedia => session.hls_media(hub.store(), &token, track()?, now)?,
                Resource::DashManifest => session.dash_manifest(hub.store(), &token, now)?,
                Resource::Init | Resource::MediaFragment | Resource::TransportStream => {
                    let generation = usize::try_from(sequence).unwrap_or(usize::MAX);
                    return Ok(session.init(track()?, generation)?.into_bytes());
                }
            };
            Ok(text.into())
        };
        let body = tokio::task::spawn_blocking(write).await.map_err(|_| ApiError::internal())??;
        Ok(wire::with_body(StatusCode::OK, resource.content_type(), body))
    }

    async fn media(&self, resource: Resource, session: Arc<Session>, query: &Query<'_>) -> Result<Response, ApiError> {
        let fragment = match (query.fragment, query.sequence) {
            (Some(number), _) => session.fragment(number)?,
            (None, Some(sequence)) => session.segment(sequence)?,
            (None, None) => return Err(missing("FragmentNumber")),
        };
        let track = if resource == Resource::MediaFragment { query.track()? } else { 0 };
        let room = self.room_for(fragment.bytes()).await?;
        let hub = Arc::clone(self.streams.hub());
        let read = move || -> Result<Chunks, ApiError> {
            let store = StreamHub::store(&hub);
            if resource == Resource::MediaFragment {
                session.mp4(store, fragment, track)
            } else {
                session.transport_stream(store, fragment)
            }
        };
        let media = tokio::task::spawn_blocking(read).await.map_err(|_| ApiError::internal())??;
        Ok(wire::chunks(resource.content_type(), media, room))
    }

    /// Waits until there is room for the media of a fragment. It is given back when the response has been sent.
    async fn room_for(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ApiError> {
        let kib = usize::try_from(bytes.div_ceil(1024)).unwrap_or(MEDIA_KIB).clamp(1, MEDIA_KIB);
        let permits = u32::try_from(kib).unwrap_or(u32::MAX);
        let closed = |_| ApiError::new(Exception::ServiceUnavailable, "the service is stopping");
        Arc::clone(&self.media_room).acquire_many_owned(permits).await.map_err(closed)
    }
}

impl Resource {
    const fn is_list(self) -> bool {
        matches!(self, Self::HlsMedia | Self::DashManifest)
    }
}
