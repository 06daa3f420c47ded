//! Any bytes as a response of the service: every operation parses or rejects them, errors are bounded, media is complete.
#![no_main]

use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use kvs_aws::{
    ApiName, Client, ClientConfig, Credentials, DescribeStream, DescribeStreamStorageConfiguration, Endpoint,
    GetDataEndpoint, GetHlsStreamingSessionUrl, HttpSend, ListFragments, ListStreams, ListTagsForStream, MediaTail,
    Operation, Region, ResponseBody, RetryConfig, SendFuture, StartSelector, StreamId, TailEvent, TimestampOrigin,
};
use kvs_aws::{DescribeImageGenerationConfiguration, DescribeNotificationConfiguration};
use kvs_types::__internal::from_epoch_millis;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

const ENDPOINT: &str = "http://127.0.0.1:1";

/// Responds to every request with the same bytes, except to GetDataEndpoint if the endpoint is known.
#[derive(Debug, Default)]
struct FixedResponse(Mutex<Response>);

#[derive(Debug, Default, Clone)]
struct Response {
    status: u16,
    body: Bytes,
    endpoint_known: bool,
}

impl HttpSend for FixedResponse {
    fn send(&self, request: http::Request<Bytes>) -> SendFuture<'_> {
        let Response { status, body, endpoint_known } = self.0.lock().expect("one thread").clone();
        let response = http::Response::builder().status(status).header("x-amzn-requestid", "1");
        let body = match request.uri().path() {
            "/getDataEndpoint" if endpoint_known => Bytes::from(format!(r#"{{"DataEndpoint":"{ENDPOINT}"}}"#)),
            _ => body,
        };
        Box::pin(async move { Ok(response.body(ResponseBody::full(body)).expect("a plain response")) })
    }
}

struct Bench {
    transport: Arc<FixedResponse>,
    client: Client,
    runtime: Runtime,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let transport = Arc::new(FixedResponse::default());
    let credentials = Credentials::from_keys("AKID", "secret", None);
    let config =
        ClientConfig::new(Region::new("eu-west-1").expect("a region"), credentials).retry(RetryConfig::disabled());
    let client = Client::new(config.transport(Arc::clone(&transport) as Arc<dyn HttpSend>)).expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    Bench { transport, client, runtime }
});

async fn ask<O: Operation>(client: &Client, operation: O) {
    let endpoint: Endpoint = ENDPOINT.parse().expect("an endpoint");
    match client.send_to(&endpoint, operation).await {
        Ok(_) => {}
        Err(kvs_aws::Error::Service(error)) => {
            assert!(error.message.chars().count() <= kvs_aws::__internal::ERROR_MESSAGE_CHARS);
        }
        Err(error) => assert!(error.to_string().len() < 4096, "{error}"),
    }
}

async fn answer(client: &Client, which: u8) {
    let stream: StreamId = "cam".parse().expect("a name");
    let range = from_epoch_millis(0)..from_epoch_millis(1);
    match which {
        0 => ask(client, DescribeStream::new(stream)).await,
        1 => ask(client, ListStreams::new()).await,
        2 => ask(client, GetDataEndpoint::new(stream, ApiName::GetMedia)).await,
        3 => ask(client, ListTagsForStream::new(stream)).await,
        4 => ask(client, ListFragments::new(stream, TimestampOrigin::Producer, range)).await,
        5 => ask(client, DescribeStreamStorageConfiguration::new(stream)).await,
        6 => ask(client, GetHlsStreamingSessionUrl::live(stream)).await,
        7 => ask(client, DescribeImageGenerationConfiguration::new(stream)).await,
        _ => ask(client, DescribeNotificationConfiguration::new(stream)).await,
    }
}

/// The media tail returns each body unchanged.
async fn follow(client: &Client, body: &[u8]) {
    let mut tail = MediaTail::new(client.clone(), "cam".parse().expect("a name"), StartSelector::Now);
    let mut seen = Vec::new();
    assert!(matches!(tail.next().await, Ok(TailEvent::Opened)));
    loop {
        match tail.next().await.expect("the body is open") {
            TailEvent::Data(bytes) => seen.extend_from_slice(&bytes),
            TailEvent::Ended(why) => break assert!(why.is_none()),
            other => panic!("{other:?} in the middle of a body"),
        }
    }
    assert_eq!(seen, body);
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, body)) = input.split_first() else { return };
    let Bench { transport, client, runtime } = &*BENCH;
    let learn = |status, endpoint_known| {
        *transport.0.lock().expect("one thread") = Response { status, body: Bytes::copy_from_slice(body), endpoint_known };
    };
    match choice % 20 {
        which @ 0..9 => {
            learn(200, false);
            runtime.block_on(answer(client, which));
        }
        which @ 9..18 => {
            learn(400 + u16::from(choice) / 2, false);
            runtime.block_on(answer(client, which - 9));
        }
        _ => {
            learn(200, true);
            runtime.block_on(follow(client, body));
        }
    }
});
