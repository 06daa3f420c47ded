//! Services that redirect to other addresses, and responses that never end.

use crate::support;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kvs_aws::{
    Client, DescribeStream, Error, GetMedia, ListFragments, RetryConfig, StartSelector, StreamId, TimestampOrigin,
};
use support::{Scripted, client, config, ok, read_head, response};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn stream() -> StreamId {
    "cam".parse().unwrap()
}

#[tokio::test]
async fn redirects_are_errors_and_are_not_followed() {
    let other = Scripted::start(|_, _| ok("{}")).await;
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Moved"] {
        let location = format!("Location: {}/describeStream\r\n", other.url);
        let redirect = move || response(status, &location, "");
        let server = Scripted::start(move |_, seen| match seen.path() {
            "/getDataEndpoint" => seen.own_endpoint(),
            _ => redirect(),
        })
        .await;
        let code: u16 = status[..3].parse().unwrap();
        let client = client(&server.url);
        let range = std::time::UNIX_EPOCH..std::time::SystemTime::now();
        let errors = [
            client.send(DescribeStream::new(stream())).await.unwrap_err(),
            client.send(ListFragments::new(stream(), TimestampOrigin::Producer, range)).await.unwrap_err(),
            client.send(GetMedia::new(stream(), StartSelector::Now)).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.service().map(|service| service.status), Some(code), "{error}");
        }
    }
    assert!(other.seen().is_empty(), "keys, tokens and requests stay with the endpoint: {:?}", other.seen());
}

/// Sends this head to every request, and then spaces until the client closes the connection. Returns the URL and the number of bytes
/// that were written.
async fn endless(status: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                read_head(&mut tcp).await.unwrap();
                let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\r\n");
                tcp.write_all(head.as_bytes()).await.unwrap();
                while let Ok(bytes) = tcp.write(&[b' '; 64 << 10]).await {
                    count.fetch_add(bytes, Ordering::Relaxed);
                }
            });
        }
    });
    (url, written)
}

#[tokio::test]
async fn endless_responses_end_at_their_limit() {
    // What the sockets hold comes on top.
    const SOCKETS: usize = 16 << 20;
    for (status, limit) in [("200 OK", 16 << 20), ("404 Not Found", 64 << 10), ("500 Internal Server Error", 64 << 10)]
    {
        let (url, written) = endless(status).await;
        let client = Client::new(config(&url).retry(RetryConfig::disabled())).unwrap();
        let error = client.send(DescribeStream::new(stream())).await.unwrap_err();
        match status {
            "200 OK" => assert!(matches!(error, Error::Transport(_) | Error::Response { .. }), "{error:?}"),
            _ => assert_eq!(error.service().map(|service| service.status), status[..3].parse().ok(), "{error:?}"),
        }
        let written = written.load(Ordering::Relaxed);
        assert!(written < limit + SOCKETS, "{status}: {written} bytes were read of an endless response");
    }
}
