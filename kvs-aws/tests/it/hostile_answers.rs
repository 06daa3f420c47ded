//! Invalid responses: they are read or rejected, without a panic.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use kvs_aws::{
    Client, ClientConfig, Credentials, DescribeStream, Endpoint, GetDataEndpoint, HttpSend, ListFragments, ListStreams,
    ListTagsForStream, Operation, Region, ResponseBody, RetryConfig, SendFuture, StreamId, TimestampOrigin, TlsRoots,
};
use proptest::prelude::*;

/// Responds to every request with the same bytes.
#[derive(Debug)]
struct FixedResponse(Bytes);

impl HttpSend for FixedResponse {
    fn send(&self, _request: http::Request<Bytes>) -> SendFuture<'_> {
        let body = ResponseBody::full(self.0.clone());
        Box::pin(async { Ok(Response::new(body)) })
    }
}

/// An empty root store: reading the system's roots for each of a thousand clients would take minutes.
static NO_TRUST: LazyLock<Arc<rustls::ClientConfig>> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
});

fn read<O: Operation>(body: &Bytes, operation: O) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let credentials = Credentials::from_keys("AKID", "secret", None);
    let config = ClientConfig::new(Region::new("eu-west-1").unwrap(), credentials).retry(RetryConfig::disabled());
    let config = config.tls_roots(TlsRoots::Custom(Arc::clone(&NO_TRUST)));
    let client = Client::new(config.transport(Arc::new(FixedResponse(body.clone())))).unwrap();
    let endpoint: Endpoint = "http://127.0.0.1:1".parse().unwrap();
    runtime.block_on(client.send_to(&endpoint, operation)).is_ok()
}

fn stream() -> StreamId {
    "cam".parse().unwrap()
}

/// JSON with the expected members and any values.
fn nearly() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("\"\"".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("-1".to_owned()),
        Just("1e308".to_owned()),
        Just("1.7E9".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("\"http://[\"".to_owned()),
        Just("[{\"ProducerTimestamp\":-1}]".to_owned()),
        Just("{\"CreationTime\":1e300,\"Status\":\"\"}".to_owned()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let member = prop_oneof![
        Just("DataEndpoint"),
        Just("StreamInfo"),
        Just("StreamInfoList"),
        Just("NextToken"),
        Just("Fragments"),
        Just("Tags"),
        Just("Output"),
        Just("Message"),
        Just("message"),
        Just("__type"),
    ];
    prop::collection::vec((member, value), 0..4).prop_map(|members| {
        let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

fn bodies() -> impl Strategy<Value = Bytes> {
    prop_oneof![nearly().prop_map(Bytes::from), prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from),]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reads_or_rejects_any_response(body in bodies()) {
        let range = || kvs_types::__internal::from_epoch_millis(0)..kvs_types::__internal::from_epoch_millis(1);
        read(&body, DescribeStream::new(stream()));
        read(&body, ListStreams::new());
        read(&body, GetDataEndpoint::new(stream(), kvs_aws::ApiName::GetMedia));
        read(&body, ListTagsForStream::new(stream()));
        read(&body, ListFragments::new(stream(), TimestampOrigin::Producer, range()));
    }

    #[test]
    fn any_error_response_gives_an_error_with_a_bounded_message(
        status in 400_u16..600, body in bodies(), kind in any::<String>(), after in any::<String>(), date in any::<String>(),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-amzn-errortype", kind), ("retry-after", after), ("date", date)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        let error = kvs_aws::__internal::parse_error(StatusCode::from_u16(status).unwrap(), &headers, &body);
        prop_assert_eq!(error.status, status);
        prop_assert!(error.message.chars().count() <= kvs_aws::__internal::ERROR_MESSAGE_CHARS);
    }
}

#[test]
fn reads_a_valid_response() {
    assert!(read(&Bytes::from_static(br#"{"StreamInfo":{}}"#), DescribeStream::new(stream())));
    assert!(!read(&Bytes::from_static(b"<html>"), DescribeStream::new(stream())));
}
