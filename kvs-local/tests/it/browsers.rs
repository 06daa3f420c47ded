//! What web pages may do: CORS on every endpoint, on refusals too, and never for pages of other machines.
#![cfg(feature = "server")]

use crate::support;
use std::net::SocketAddr;

use kvs_local::LocalKvs;
use serde_json::Value;
use support::{Response, exchange};

const PAGE: &str = "http://localhost:5173";

async fn send(to: SocketAddr, line: &str, more: &str, body: &str) -> Response {
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nhost: {to}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    exchange(to, head.as_bytes()).await
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let lines = response.head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(known, _)| *known == name).map(|(_, value)| value).next()
}

/// Returns the address of the endpoint for an API.
async fn endpoint(local: &LocalKvs, api: &str) -> SocketAddr {
    let body = format!(r#"{{"StreamName":"door","APIName":"{api}"}}"#);
    let json: Value = send(local.address(), "POST /getDataEndpoint", "", &body).await.json();
    json["DataEndpoint"].as_str().unwrap().trim_start_matches("http://").parse().unwrap()
}

#[tokio::test]
async fn preflights_need_no_signature_on_any_endpoint() {
    let signed = LocalKvs::builder().start().await.unwrap();
    let open = LocalKvs::builder().anonymous().start().await.unwrap();
    support::create(open.address(), "door").await;
    let (media, archive) = (endpoint(&open, "PUT_MEDIA").await, endpoint(&open, "GET_CLIP").await);
    let asked = "authorization,content-type,x-amz-content-sha256,x-amz-date,x-amz-security-token,amz-sdk-request";
    let more = format!(
        "origin: {PAGE}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: {asked}\r\n\
         access-control-request-private-network: true\r\n"
    );
    for (to, path) in [
        (signed.address(), "/listStreams"),
        (open.address(), "/describeStream"),
        (media, "/getMedia"),
        (archive, "/getClip"),
        (archive, "/hls/v1/getHLSMasterPlaylist.m3u8"),
        (archive, "/no/such/path"),
    ] {
        let allowed = send(to, &format!("OPTIONS {path}"), &more, "").await;
        assert_eq!(allowed.status, 204, "{path} {allowed:?}");
        assert_eq!(header(&allowed, "access-control-allow-origin"), Some(PAGE), "{path}");
        assert_eq!(header(&allowed, "access-control-allow-headers"), Some(asked), "{path}");
        assert_eq!(header(&allowed, "access-control-allow-methods"), Some("GET, HEAD, POST, OPTIONS"), "{path}");
        assert_eq!(header(&allowed, "access-control-allow-private-network"), Some("true"), "{path}");
        assert_eq!(header(&allowed, "vary"), Some("origin"), "{path}");
        let foreign = send(to, &format!("OPTIONS {path}"), &more.replace(PAGE, "https://evil.example"), "").await;
        assert_eq!(foreign.status, 403, "{path}");
        assert!(!foreign.head.contains("access-control-"), "{foreign:?}");
        assert_eq!(header(&foreign, "vary"), Some("origin"), "{path}");
    }
    signed.shutdown().await;
    open.shutdown().await;
}

#[tokio::test]
async fn pages_read_errors_but_need_a_key() {
    let local = LocalKvs::builder().one_port().start().await.unwrap();
    let page = format!("origin: {PAGE}\r\ncontent-type: application/json\r\n");
    for (line, status) in [
        ("POST /listStreams", 403),
        ("POST /_kvs/reset", 403),
        ("POST /noSuchOperation", 404),
        ("GET /hls/v1/getHLSMasterPlaylist.m3u8?SessionToken=x", 404),
        ("GET /health", 200),
    ] {
        let response = send(local.address(), line, &page, "").await;
        if !line.starts_with("GET /hls") {
            assert_eq!(response.status, status, "{line} {response:?}");
        }
        assert_eq!(header(&response, "access-control-allow-origin"), Some(PAGE), "{line}");
        let exposed = header(&response, "access-control-expose-headers").unwrap();
        for name in ["x-amzn-requestid", "x-amzn-errortype", "date", "content-type"] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{line} {name}");
        }
        // Keys are in headers; a browser adds none by itself.
        assert_eq!(header(&response, "access-control-allow-credentials"), None);
    }
    let unmarked = send(local.address(), "POST /listStreams", "", "{}").await;
    assert_eq!(header(&unmarked, "access-control-allow-origin"), None);
    assert_eq!(header(&unmarked, "vary"), Some("origin"));
    local.shutdown().await;
}
