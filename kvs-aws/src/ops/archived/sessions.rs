//! HLS and DASH sessions: URLs for players.

use std::ops::Range;
use std::time::SystemTime;

use kvs_types::__internal::{check_range, open_enum};
use kvs_types::{InvalidField, StreamId, TimestampOrigin, limits};
use serde::{Deserialize, Serialize};

use super::{FragmentSelector, TimestampRange};
use crate::client_limits;
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::Response;

open_enum! {
    /// What a session plays.
    pub enum PlaybackMode {
        /// Live media; without a range. The default of the service.
        Live = "LIVE",
        /// From a start to live media; with a range, whose end is optional.
        LiveReplay = "LIVE_REPLAY",
        /// Stored media of a range.
        OnDemand = "ON_DEMAND",
    }
}

open_enum! {
    /// The container format of HLS media.
    pub enum ContainerFormat {
        /// Fragmented MP4. The default of the service.
        FragmentedMp4 = "FRAGMENTED_MP4",
        /// MPEG transport stream.
        MpegTs = "MPEG_TS",
    }
}

open_enum! {
    /// Where HLS playlists have discontinuity marks.
    pub enum DiscontinuityMode {
        /// Between all fragments.
        Always = "ALWAYS",
        /// Nowhere.
        Never = "NEVER",
        /// At gaps and overlaps.
        OnDiscontinuity = "ON_DISCONTINUITY",
    }
}

open_enum! {
    /// Whether a playlist or manifest includes timestamps or numbers of fragments.
    pub enum FragmentDisplay {
        /// It includes them.
        Always = "ALWAYS",
        /// It does not. The default of the service.
        Never = "NEVER",
    }
}

/// Checks what both kinds of session have in common: mode and range, lifetime, and number of fragments.
fn check_session(
    mode: Option<&PlaybackMode>,
    selector: Option<&FragmentSelector>,
    (expires, most): (Option<u32>, Option<u32>),
    results: &'static str,
) -> Result<(), InvalidField> {
    const RANGE: &str = "TimestampRange";
    let range = selector.and_then(|selector| selector.timestamp_range.as_ref());
    match (mode.unwrap_or(&PlaybackMode::Live), range) {
        (PlaybackMode::Live, Some(_)) => Err(InvalidField::combination(RANGE, "does not go with the mode LIVE")),
        (PlaybackMode::OnDemand | PlaybackMode::LiveReplay, None) => {
            Err(InvalidField::combination(RANGE, "is needed for the modes ON_DEMAND and LIVE_REPLAY"))
        }
        (PlaybackMode::OnDemand, Some(TimestampRange { end_timestamp: None, .. })) => {
            Err(InvalidField::combination(RANGE, "needs an end for the mode ON_DEMAND"))
        }
        _ => Ok(()),
    }?;
    selector.map_or(Ok(()), FragmentSelector::check_clip)?;
    let life = (*limits::SESSION_EXPIRES_SECONDS.start(), *limits::SESSION_EXPIRES_SECONDS.end());
    expires.map_or(Ok(()), |seconds| check_range("Expires", seconds, life))?;
    most.map_or(Ok(()), |most| check_range(results, most, (1, limits::PLAYLIST_FRAGMENTS)))
}

/// Declares one kind of session: its request members, its setters, and the member with the URL.
macro_rules! session {
    ($(#[$meta:meta])* $name:ident, $operation:literal, $path:literal, $api:ident, $selector:literal, $results:literal, $url:literal,
     { $($(#[$doc:meta])* $field:ident($member:literal): $kind:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct $name {
            #[serde(flatten)]
            stream: StreamId,
            #[serde(rename = "PlaybackMode", skip_serializing_if = "Option::is_none")]
            playback_mode: Option<PlaybackMode>,
            #[serde(rename = $selector, skip_serializing_if = "Option::is_none")]
            selector: Option<FragmentSelector>,
            #[serde(rename = "Expires", skip_serializing_if = "Option::is_none")]
            expires: Option<u32>,
            #[serde(rename = $results, skip_serializing_if = "Option::is_none")]
            max_fragments: Option<u32>,
            $(#[serde(rename = $member, skip_serializing_if = "Option::is_none")]
            $field: Option<$kind>,)+
        }

        impl $name {
            /// Creates a request for live media.
            #[must_use]
            pub const fn live(stream: StreamId) -> Self {
                Self { stream, playback_mode: None, selector: None, expires: None, max_fragments: None, $($field: None,)+ }
            }

            /// Creates a request for the stored media of a range of at most 24 h, by the clock that `origin` names.
            #[must_use]
            pub fn on_demand(stream: StreamId, origin: TimestampOrigin, range: Range<SystemTime>) -> Self {
                let mut session = Self::live(stream);
                session.playback_mode = Some(PlaybackMode::OnDemand);
                session.selector = Some(FragmentSelector::of(origin, range));
                session
            }

            /// Creates a request for media from `start` to live, by the clock that `origin` names.
            #[must_use]
            pub fn live_replay(stream: StreamId, origin: TimestampOrigin, start: SystemTime) -> Self {
                let mut session = Self::live(stream);
                session.playback_mode = Some(PlaybackMode::LiveReplay);
                let range = TimestampRange { start_timestamp: start, end_timestamp: None };
                session.selector =
                    Some(FragmentSelector { fragment_selector_type: origin, timestamp_range: Some(range) });
                session
            }

            /// Sets the lifetime of the URL in seconds, 300 to 43,200. Default: 300.
            #[must_use]
            pub const fn expires(mut self, seconds: u32) -> Self {
                self.expires = Some(seconds);
                self
            }

            /// Sets the largest number of fragments in a playlist or manifest, 1 to 5,000. Default: 5 live, 1,000 on demand.
            #[must_use]
            pub const fn max_fragments(mut self, most: u32) -> Self {
                self.max_fragments = Some(most);
                self
            }

            $($(#[$doc])*
            #[must_use]
            pub fn $field(mut self, value: $kind) -> Self {
                self.$field = Some(value);
                self
            })+
        }

        impl Operation for $name {
            /// The URL of the session. It is a secret: it gives access to the media.
            type Output = String;
            const NAME: &'static str = $operation;
            const PATH: &'static str = $path;

            fn target(&self) -> Target<'_> {
                Target::DataPlane(&self.stream, &ApiName::$api)
            }

            fn check(&self) -> Result<(), InvalidField> {
                let limits = (self.expires, self.max_fragments);
                check_session(self.playback_mode.as_ref(), self.selector.as_ref(), limits, $results)
            }

            async fn read(response: Response) -> Result<String, Error> {
                #[derive(Deserialize)]
                struct Body {
                    #[serde(rename = $url)]
                    url: Option<String>,
                }
                let operation = response.operation;
                let body: Body = response.json(client_limits::RESPONSE_BYTES).await?;
                body.url.ok_or(Error::Response { operation, problem: ResponseProblem::Missing($url) })
            }
        }
    };
}

session! {
    /// Returns the URL of an HLS playlist.
    GetHlsStreamingSessionUrl, "GetHLSStreamingSessionURL", "/getHLSStreamingSessionURL", GetHlsStreamingSessionUrl,
    "HLSFragmentSelector", "MaxMediaPlaylistFragmentResults", "HLSStreamingSessionURL",
    {
        /// Sets the container format.
        container_format("ContainerFormat"): ContainerFormat,
        /// Sets where discontinuities are marked.
        discontinuity_mode("DiscontinuityMode"): DiscontinuityMode,
        /// Sets whether timestamps of fragments are included.
        display_fragment_timestamp("DisplayFragmentTimestamp"): FragmentDisplay,
    }
}

session! {
    /// Returns the URL of a DASH manifest.
    GetDashStreamingSessionUrl, "GetDASHStreamingSessionURL", "/getDASHStreamingSessionURL", GetDashStreamingSessionUrl,
    "DASHFragmentSelector", "MaxManifestFragmentResults", "DASHStreamingSessionURL",
    {
        /// Sets whether timestamps of fragments are included.
        display_fragment_timestamp("DisplayFragmentTimestamp"): FragmentDisplay,
        /// Sets whether numbers of fragments are included.
        display_fragment_number("DisplayFragmentNumber"): FragmentDisplay,
    }
}
