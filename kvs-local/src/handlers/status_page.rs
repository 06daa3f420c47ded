//! The status page and what it asks for.
//!
//! ```text
//! GET /                                         the page
//! GET /_kvs/status?prefix=TEXT&stream=NAME      the report, as JSON
//! GET /_kvs/image?stream=NAME&at=MS             one image, as GetImages returns it
//! GET /_kvs/hls?stream=NAME[&at=MS]             a session, as GetHLSStreamingSessionURL returns it: live, or from a time
//! GET /_kvs/dash?stream=NAME[&at=MS]            a session, as GetDASHStreamingSessionURL returns it
//! GET /_kvs/clip?stream=NAME&from=MS&to=MS      a clip, as GetClip returns it
//! ```
//!
//! These requests are unsigned: a browser has no key. What keeps strangers out is the door (the Host header), and that they are
//! refused from pages of other origins, loopback origins included. They change nothing.

use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::dispatcher::Dispatcher;
use super::playback::RequestedBy;
use crate::api::wire::{self, JsonStyle, Response};
use crate::api::{ApiError, Exception, Plane};
use crate::clock::json_seconds;
use crate::faults::InjectedFaults;
use crate::http::{Admitted, ConnectionInfo};
use crate::limits;
use crate::status::{Page, PageRights, Status, confine};

/// Serves the page.
#[derive(Debug)]
pub(super) struct StatusPage {
    rights: PageRights,
    status: Status,
    page: Page,
}

impl StatusPage {
    pub(super) fn new(rights: PageRights, status: Status) -> Self {
        Self { rights, status, page: Page::new() }
    }

    /// Returns whether a request is for the page: at the control endpoint only.
    pub(super) fn serves(&self, parts: &Parts, info: ConnectionInfo) -> bool {
        let known = PATHS.contains(&parts.uri.path());
        known && parts.method == Method::GET && matches!(info.plane, Plane::Control | Plane::All)
    }

    pub(super) async fn respond(
        &self,
        parts: &Parts,
        admitted: &Admitted,
        dispatcher: &Dispatcher,
    ) -> Result<Response, ApiError> {
        if parts.uri.path() == "/" {
            return Ok(self.page.response(&dispatcher.data_ports.endpoints(&admitted.endpoint).archived_media));
        }
        admitted.require_own_page()?;
        let query = Query::of(parts);
        let mut response = match parts.uri.path() {
            "/_kvs/image" => self.image(&query, dispatcher).await?,
            "/_kvs/hls" => self.session(Protocol::Hls, &query, admitted, dispatcher).await?,
            "/_kvs/dash" => self.session(Protocol::Dash, &query, admitted, dispatcher).await?,
            "/_kvs/clip" => self.clip(&query, dispatcher).await?,
            _ => self.report(&query).await?,
        };
        confine(&mut response);
        Ok(response)
    }

    async fn report(&self, query: &Query<'_>) -> Result<Response, ApiError> {
        let mut report = self.status.report(query.text("prefix").unwrap_or_default(), query.text("stream")).await?;
        report["media"] = (self.rights == PageRights::Media).into();
        Ok(wire::ok(Some(report), JsonStyle::default()))
    }

    async fn image(&self, query: &Query<'_>, dispatcher: &Dispatcher) -> Result<Response, ApiError> {
        self.require_media()?;
        let at = query.millis("at")?;
        let request = json!({
            "StreamName": query.required("stream")?,
            "ImageSelectorType": "PRODUCER_TIMESTAMP",
            "StartTimestamp": json_seconds(at),
            // The range must contain the start of the fragment.
            "EndTimestamp": json_seconds(at.saturating_add(limits::SAMPLING_INTERVAL_MS)),
            "SamplingInterval": limits::SAMPLING_INTERVAL_MS_DEFAULT,
            "Format": "JPEG",
            "MaxResults": 1,
        });
        let body = request.to_string().into();
        dispatcher.handlers.get_images.handle(&body, &InjectedFaults::default()).await
    }

    async fn session(
        &self,
        protocol: Protocol,
        query: &Query<'_>,
        admitted: &Admitted,
        dispatcher: &Dispatcher,
    ) -> Result<Response, ApiError> {
        self.require_media()?;
        let mut selector = json!({ "FragmentSelectorType": "PRODUCER_TIMESTAMP" });
        let mut request = json!({ "StreamName": query.required("stream")?, "PlaybackMode": "LIVE" });
        if query.text("at").is_some() {
            let at = query.millis("at")?;
            selector["TimestampRange"] = range(at, at.saturating_add(PLAYED_MS));
            request["PlaybackMode"] = "ON_DEMAND".into();
        }
        let endpoint = dispatcher.data_ports.endpoints(&admitted.endpoint).archived_media;
        let sessions = &dispatcher.handlers.streaming_sessions;
        let as_page = (JsonStyle::default(), RequestedBy::Page);
        match protocol {
            Protocol::Hls => {
                request["HLSFragmentSelector"] = selector;
                // The page places fragments by their own times, so that gaps keep their length.
                request["DiscontinuityMode"] = "NEVER".into();
                sessions.hls(&request.to_string().into(), &endpoint, as_page).await
            }
            Protocol::Dash => {
                request["DASHFragmentSelector"] = selector;
                sessions.dash(&request.to_string().into(), &endpoint, as_page).await
            }
        }
    }

    async fn clip(&self, query: &Query<'_>, dispatcher: &Dispatcher) -> Result<Response, ApiError> {
        self.require_media()?;
        let selector = json!({
            "FragmentSelectorType": "PRODUCER_TIMESTAMP",
            "TimestampRange": range(query.millis("from")?, query.millis("to")?.saturating_add(1)),
        });
        let request = json!({ "StreamName": query.required("stream")?, "ClipFragmentSelector": selector });
        dispatcher.handlers.get_clip.handle(&request.to_string().into()).await
    }

    fn require_media(&self) -> Result<(), ApiError> {
        match self.rights {
            PageRights::Media => Ok(()),
            PageRights::Report => Err(ApiError::new(
                Exception::AccessDenied,
                "the status page shows no media, since the service has keys of its own: start it with --status-page",
            )),
        }
    }
}

/// What a session is for.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Hls,
    Dash,
}

const PATHS: [&str; 6] = ["/", "/_kvs/status", "/_kvs/image", "/_kvs/hls", "/_kvs/dash", "/_kvs/clip"];
/// How much the page plays from a fragment on.
const PLAYED_MS: u64 = 3_600_000;

fn range(from_ms: u64, to_ms: u64) -> Value {
    json!({ "StartTimestamp": json_seconds(from_ms), "EndTimestamp": json_seconds(to_ms) })
}

/// The parameters of a request; the first one of a name counts.
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn of(parts: &'a Parts) -> Self {
        Self(parts.uri.query().unwrap_or_default())
    }

    fn text(&self, name: &str) -> Option<String> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value).next()?;
        let text = percent_decode_str(value).decode_utf8_lossy().into_owned();
        (!text.is_empty()).then_some(text)
    }

    fn required(&self, name: &str) -> Result<String, ApiError> {
        self.text(name).ok_or_else(|| ApiError::invalid(format!("the parameter {name} is missing")))
    }

    fn millis(&self, name: &str) -> Result<u64, ApiError> {
        let text = self.required(name)?;
        text.parse().map_err(|_| ApiError::invalid(format!("the parameter {name} must be milliseconds since 1970")))
    }
}
