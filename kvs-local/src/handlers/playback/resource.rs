//! The URLs of streaming sessions: playlists, manifests, initialization segments and media. The token in them is the credential.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use kvs_mkv::Chunks;

use super::StreamingSessions;
use crate::api::wire::{self, Response};
use crate::api::{ApiError, StreamRef};
use crate::playback::limits::QUERY_CHARS;
use crate::playback::{FragmentRef, Session};
use crate::store::Store;

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
    fragment: Option<&'a str>,
    place: Place,
}

/// The numbers among the parameters.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    track: Option<u64>,
    sequence: Option<u64>,
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
                "TrackNumber" => parsed.place.track = Some(number()?),
                "SequenceNumber" => parsed.place.sequence = Some(number()?),
                "FragmentNumber" => parsed.fragment = Some(value),
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// Returns the fragment of a media URL: of HLS by its number, of DASH by its place in the session.
    fn fragment_of(&self, session: &Session) -> Result<FragmentRef, ApiError> {
        match (self.fragment, self.place.sequence) {
            (Some(number), _) => session.fragment(number),
            (None, Some(sequence)) => session.segment(sequence),
            (None, None) => Err(missing("FragmentNumber")),
        }
    }
}

impl Place {
    fn track(self) -> Result<u64, ApiError> {
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
        let place = query.place;
        let write = move || resource.text(&session, hub.store(), place, &token, now);
        let body = tokio::task::spawn_blocking(write).await.map_err(|_| ApiError::internal())??;
        Ok(wire::with_body(StatusCode::OK, resource.content_type(), body))
    }

    async fn media(&self, resource: Resource, session: Arc<Session>, query: &Query<'_>) -> Result<Response, ApiError> {
        let (fragment, place) = (query.fragment_of(&session)?, query.place);
        let room = self.room.take(fragment.bytes()).await?;
        let hub = Arc::clone(self.streams.hub());
        let read = move || resource.media(&session, hub.store(), fragment, place);
        let media = tokio::task::spawn_blocking(read).await.map_err(|_| ApiError::internal())??;
        Ok(wire::chunks(resource.content_type(), media, room))
    }
}

impl Resource {
    const fn is_list(self) -> bool {
        matches!(self, Self::HlsMedia | Self::DashManifest)
    }

    /// Returns a playlist, a manifest or an initialization segment. Blocks.
    fn text(
        self,
        session: &Session,
        store: &Store,
        place: Place,
        token: &str,
        now: SystemTime,
    ) -> Result<Bytes, ApiError> {
        Ok(match self {
            Self::HlsMaster => session.hls_master(token)?.into(),
            Self::HlsMedia => session.hls_media(store, token, place.track()?, now)?.into(),
            Self::DashManifest => session.dash_manifest(store, token, now)?.into(),
            Self::Init | Self::MediaFragment | Self::TransportStream => {
                let generation = usize::try_from(place.sequence.unwrap_or(0)).unwrap_or(usize::MAX);
                session.init(place.track()?, generation)?.into_bytes()
            }
        })
    }

    /// Returns the media of a fragment. Blocks.
    fn media(self, session: &Session, store: &Store, fragment: FragmentRef, place: Place) -> Result<Chunks, ApiError> {
        match self {
            Self::TransportStream => session.transport_stream(store, fragment),
            _ => session.mp4(store, fragment, place.track()?),
        }
    }
}

/// Answers a URL of a session without a server and without its token. Blocks.
pub(crate) fn answer(
    session: &Session,
    store: &Store,
    (path, query): (&str, &str),
    now: SystemTime,
) -> Result<Chunks, ApiError> {
    let resource = Resource::of(path).ok_or_else(wire::unknown_operation)?;
    let query = Query::parse(query)?;
    let token = query.token.ok_or_else(|| missing("SessionToken"))?;
    if resource.is_media() {
        resource.media(session, store, query.fragment_of(session)?, query.place)
    } else {
        resource.text(session, store, query.place, token, now).map(Chunks::from)
    }
}
