//! Lists that never end, and data endpoints without TLS.

use crate::support;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use kvs_aws::{
    ApiName, Client, ClientConfig, Credentials, Error, GetImages, HttpSend, ListFragments, ListStreams,
    ListTagsForStream, PagedOperation, Region, ResponseBody, ResponseProblem, SendFuture, StreamId, TimestampOrigin,
};
use support::{Scripted, Seen, client, ok};

fn stream() -> StreamId {
    "cam".parse().unwrap()
}

/// Reads a list to its end or error: the pages before it, and the error.
async fn read<O: PagedOperation>(client: &Client, list: O) -> (usize, Option<Error>) {
    let (mut pages, mut count) = (client.pages(list), 0);
    loop {
        match pages.next().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, None),
            Err(error) => {
                assert!(matches!(pages.next().await, Ok(None)), "the pages end with an error");
                return (count, Some(error));
            }
        }
    }
}

fn repeated(error: Option<Error>) -> String {
    match error {
        Some(Error::Response { operation, problem: ResponseProblem::RepeatedToken { token } }) => {
            format!("{operation} {token}")
        }
        other => panic!("{other:?}"),
    }
}

/// Answers with a token of a cycle of three, whatever is asked.
fn in_a_cycle(count: usize, request: &Seen) -> String {
    if request.path() == "/getDataEndpoint" {
        return request.own_endpoint();
    }
    ok(&format!(r#"{{"Images":[],"NextToken":"{}"}}"#, ["A", "B", "C"][count % 3]))
}

#[tokio::test]
async fn a_list_whose_tokens_repeat_ends_with_an_error() {
    let server = Scripted::start(in_a_cycle).await;
    let client = client(&server.url);
    let now = SystemTime::now();
    let range = now - Duration::from_secs(60)..now;
    let fragments = ListFragments::new(stream(), TimestampOrigin::Server, range.clone());
    let images = GetImages::new(stream(), range);
    for error in [
        repeated(read(&client, ListStreams::new()).await.1),
        repeated(read(&client, ListTagsForStream::new(stream())).await.1),
        repeated(read(&client, fragments).await.1),
        repeated(read(&client, images).await.1),
    ] {
        let (operation, token) = error.split_once(' ').unwrap();
        assert!(["A", "B", "C"].contains(&token), "{operation}: {token}");
    }
    assert!(server.seen().len() < 50, "{} requests", server.seen().len());
}

#[tokio::test]
async fn a_list_that_ends_is_read_whole() {
    let server = Scripted::start(|count, _| match count {
        0..40 => ok(&format!(r#"{{"NextToken":"{count}"}}"#)),
        _ => ok("{}"),
    });
    let server = server.await;
    let (pages, error) = read(&client(&server.url), ListStreams::new()).await;
    assert!((pages, error.is_none()) == (41, true), "{pages} pages");
    assert_eq!(server.seen()[40].json()["NextToken"], "39");
}

/// A control plane that names this data endpoint.
#[derive(Debug)]
struct Names(&'static str);

impl HttpSend for Names {
    fn send(&self, _request: http::Request<Bytes>) -> SendFuture<'_> {
        let body = format!(r#"{{"DataEndpoint":"{}"}}"#, self.0);
        Box::pin(async { Ok(Response::new(ResponseBody::full(body.into()))) })
    }
}

async fn lookup(names: &'static str, change: impl FnOnce(ClientConfig) -> ClientConfig) -> Result<String, Error> {
    let credentials = Credentials::from_keys("AKID", "secret", Some("token".to_owned()));
    let config = ClientConfig::new(Region::new("eu-west-1").unwrap(), credentials).transport(Arc::new(Names(names)));
    let client = Client::new(change(config)).unwrap();
    client.data_endpoint(&stream(), &ApiName::GetImages).await.map(|endpoint| endpoint.to_string())
}

#[tokio::test]
async fn a_data_endpoint_without_tls_is_refused_unless_it_is_here_or_allowed() {
    let refused = lookup("http://203.0.113.7", |config| config).await.unwrap_err();
    let problem = match &refused {
        Error::Response { operation: "GetDataEndpoint", problem } => problem.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(problem.starts_with("the data endpoint http://203.0.113.7 is not encrypted"), "{problem}");
    for (names, allow) in [
        ("https://b-1.example", false),
        ("http://127.0.0.1:4567", false),
        ("http://[::1]:4567", false),
        ("http://localhost:4567", false),
        ("http://203.0.113.7", true),
    ] {
        assert_eq!(lookup(names, |config| config.allow_plain_data_endpoints(allow)).await.unwrap(), names);
    }
    // Who asks without TLS has no such promise to keep.
    let plain = lookup("http://203.0.113.7", |config| config.endpoint_url("http://control.example").unwrap()).await;
    assert_eq!(plain.unwrap(), "http://203.0.113.7");
}
