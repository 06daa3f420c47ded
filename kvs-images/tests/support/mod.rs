//! A model of GetImages: fragments on a time line, and quirks of the real service.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its own part; a test panics")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use kvs_aws::{Client, ClientConfig, Credentials, HttpSend, Region, ResponseBody, RetryConfig, SendFuture};
use serde_json::{Value, json};

/// Quirks that the real service has or might have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quirks {
    /// Most images of a page; 0 means 25.
    pub(crate) page: usize,
    /// The end of the range is included.
    pub(crate) end_counts: bool,
    /// Each page begins with the last image of the previous one.
    pub(crate) seams_overlap: bool,
    /// Fragments that start before the range are ignored.
    pub(crate) loses_partial_fragment: bool,
    /// Timestamps in responses are frame times with this interval in milliseconds, not the requested timestamps.
    pub(crate) frame_times: Option<u64>,
    /// Every n-th call fails once with status 500; 0 means never.
    pub(crate) fault_every: usize,
}

#[derive(Debug)]
pub(crate) struct Model {
    /// Start of each fragment and the time to its last frame, in milliseconds.
    pub(crate) fragments: Vec<(u64, u64)>,
    pub(crate) quirks: Quirks,
    /// Responses to return instead of computed ones, in order: status and body.
    pub(crate) script: Mutex<VecDeque<Option<(u16, &'static str)>>>,
    pub(crate) calls: Mutex<Vec<(String, Value)>>,
}

impl Model {
    pub(crate) fn new(fragments: Vec<(u64, u64)>, quirks: Quirks) -> Arc<Self> {
        Arc::new(Self { fragments, quirks, script: Mutex::default(), calls: Mutex::default() })
    }

    pub(crate) fn client(self: &Arc<Self>) -> Client {
        let quick = RetryConfig::default()
            .max_attempts(10)
            .initial_backoff(Duration::from_micros(1))
            .throttled_backoff(Duration::from_micros(1));
        let credentials = Credentials::from_keys("AKID", "secret", None);
        let config = ClientConfig::new(Region::new("eu-west-1").unwrap(), credentials).retry(quick);
        let transport: Arc<dyn HttpSend> = Arc::<Self>::clone(self);
        Client::new(config.transport(transport)).unwrap()
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|(called, _)| called == path).count()
    }

    /// Returns the image of a timestamp: a text that names it.
    pub(crate) fn image_text(&self, at: u64, from: u64) -> Option<String> {
        let seen = |(start, length): &&(u64, u64)| {
            *start <= at && at <= start + length && !(self.quirks.loses_partial_fragment && *start < from)
        };
        self.fragments.iter().rfind(seen).map(|(start, _)| format!("image {at} of fragment {start}"))
    }

    fn answer(&self, path: &str, ask: &Value) -> (u16, String) {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((path.to_owned(), ask.clone()));
            calls.len()
        };
        if let Some(Some((status, body))) = self.script.lock().unwrap().pop_front() {
            return (status, body.to_owned());
        }
        let every = self.quirks.fault_every;
        if every > 1 && number.is_multiple_of(every) {
            return (500, r#"{"message":"fault"}"#.to_owned());
        }
        let answer = match path {
            "/getDataEndpoint" => json!({"DataEndpoint": "https://b-1.example"}),
            "/getImages" => self.images(ask),
            "/listFragments" => self.list(ask),
            other => panic!("{other}"),
        };
        (200, answer.to_string())
    }

    fn images(&self, ask: &Value) -> Value {
        let (from, to) = (millis(&ask["StartTimestamp"]), millis(&ask["EndTimestamp"]));
        let step = ask["SamplingInterval"].as_u64().unwrap();
        assert!(to > from && to - from <= 300_000 && step >= 200, "{ask}");
        let instants = (from..).step_by(usize::try_from(step).unwrap());
        let instants = instants.take_while(|at| *at < to || (self.quirks.end_counts && *at == to));
        let all: Vec<Value> = instants.map(|at| self.image(at, from)).collect();
        let page = if self.quirks.page == 0 { 25 } else { self.quirks.page.min(25) };
        let page = page.min(usize::try_from(ask["MaxResults"].as_u64().unwrap_or(25)).unwrap());
        let skip: usize = ask["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let begin = if self.quirks.seams_overlap { skip.saturating_sub(1) } else { skip };
        let end = (skip + page).min(all.len());
        let next = (end < all.len()).then(|| end.to_string());
        json!({"Images": all[begin..end], "NextToken": next})
    }

    fn image(&self, at: u64, from: u64) -> Value {
        let stamp = self.quirks.frame_times.map_or(at, |apart| at - at % apart);
        let stamp = serde_json::from_str::<Value>(&format!("{}.{:03}", stamp / 1000, stamp % 1000)).unwrap();
        match self.image_text(at, from) {
            Some(image) => {
                let text = base64_simd::STANDARD.encode_to_string(image.as_bytes());
                json!({"TimeStamp": stamp, "ImageContent": text, "Error": null})
            }
            None => json!({"TimeStamp": stamp, "Error": "NO_MEDIA"}),
        }
    }

    fn list(&self, ask: &Value) -> Value {
        let range = &ask["FragmentSelector"]["TimestampRange"];
        let (from, to) = (millis(&range["StartTimestamp"]), millis(&range["EndTimestamp"]));
        let inside = self.fragments.iter().filter(|(start, _)| (from..=to).contains(start));
        // ListFragments has no order: newest first.
        let list: Vec<Value> = inside
            .rev()
            .map(|(start, length)| {
                let time = *start as f64 / 1000.0;
                json!({"FragmentNumber": "1", "ProducerTimestamp": time, "ServerTimestamp": time,
                       "FragmentLengthInMilliseconds": length})
            })
            .collect();
        json!({"Fragments": list, "NextToken": null})
    }
}

fn millis(seconds: &Value) -> u64 {
    (seconds.as_f64().unwrap() * 1000.0).round() as u64
}

impl HttpSend for Model {
    fn send(&self, request: Request<Bytes>) -> SendFuture<'_> {
        Box::pin(async move {
            let ask: Value = serde_json::from_slice(request.body()).unwrap();
            let (status, body) = self.answer(request.uri().path(), &ask);
            let body = ResponseBody::full(Bytes::from(body));
            Ok(Response::builder().status(status).body(body).unwrap())
        })
    }
}
