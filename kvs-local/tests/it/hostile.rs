//! Hostile and faulty clients: the service stays available, within its limits and inside its data folder.
#![cfg(feature = "server")]

use crate::support;
use std::path::Path;
use std::time::Duration;

use support::{Put, SOME_TIME, TIMEOUT, create, exchange, open, post, put_one, putting, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Returns all files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path.display().to_string()),
        }
    }
    found
}

#[tokio::test]
async fn stream_names_do_not_become_paths() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("inside/data");
    let local = support::builder().data_dir(&data).start().await.unwrap();
    // Valid stream names with a meaning in file systems.
    for name in ["..", ".", "...", "CON", "nul.txt", "-rf", "a.", &"x".repeat(256)] {
        let arn = create(local.address(), name).await;
        assert!(put_one(&local, name, SOME_TIME).await.contains("PERSISTED"), "{name}");
        assert_eq!(local.fragments(name).await.unwrap().len(), 1, "{name}");
        let deleted = post(local.address(), "/deleteStream", &format!(r#"{{"StreamARN":"{arn}"}}"#)).await;
        assert_eq!(deleted.status, 200, "{name}");
        assert!(local.fragments(name).await.unwrap().is_empty(), "{name}");
    }
    // Invalid stream names.
    for name in ["../x", "a/b", "/etc/passwd", "a\\u0000b", "C:\\\\x", "a b", "%2e%2e", ""] {
        let rejected = post(local.address(), "/createStream", &format!(r#"{{"StreamName":"{name}"}}"#)).await;
        assert_eq!((rejected.status, rejected.exception()), (400, "InvalidArgumentException"), "{name}");
    }
    local.shutdown().await;
    let outside: Vec<String> =
        files(dir.path()).into_iter().filter(|path| !Path::new(path).starts_with(&data)).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

/// Paths to files of the data folder and of the machine, in the ways that servers have been led to them.
const PATH_TRICKS: [&str; 36] = [
    "/sns/../keys/sns-key.pem",
    "/sns/%2e%2e/keys/sns-key.pem",
    "/sns/%2E%2E%2Fkeys%2Fsns-key.pem",
    "/sns/..%2fkeys/sns-key.pem",
    "/sns/.%2e/keys/sns-key.pem",
    "/sns/%252e%252e/keys/sns-key.pem",
    "/sns/..%252fkeys%252fsns-key.pem",
    "/sns/..%c0%afkeys/sns-key.pem",
    "/sns/%c0%ae%c0%ae/keys/sns-key.pem",
    "/sns/..\\keys\\sns-key.pem",
    "/sns/..%5ckeys%5csns-key.pem",
    "/sns/....//keys/sns-key.pem",
    "/sns/..;/keys/sns-key.pem",
    "/sns/../../../../../../etc/passwd",
    "/sns/%00",
    "/sns/keys/sns-key.pem%00.pem",
    "/sns//etc/passwd",
    "/sns/./../keys/sns-key.pem",
    "/sns/sns-key.pem",
    "/sns/door/../../keys/sns-key.pem",
    "/../../etc/passwd",
    "//etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc/passwd",
    "/....//....//etc/passwd",
    "/file:///etc/passwd",
    "file:///etc/passwd",
    "http://127.0.0.1/etc/passwd",
    "/ca-key.pem",
    "/ca.pem",
    "/keys/sns-key.pem",
    "/lock",
    "/streams",
    "/s3/x",
    "/s3/../keys/sns-key.pem",
    "/health/../keys/sns-key.pem",
];

#[tokio::test]
async fn request_paths_do_not_reach_files() {
    let local = open().await;
    for path in PATH_TRICKS {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let response = exchange(local.address(), request.as_bytes()).await;
        assert!((400..500).contains(&response.status), "{path}: {response:?}");
        let body = String::from_utf8_lossy(&response.body);
        assert!(!body.contains("PRIVATE") && !body.contains("root:") && !body.contains("BEGIN"), "{path}: {body}");
    }
    local.shutdown().await;
}

#[tokio::test]
async fn bodies_and_heads_are_limited() {
    let local = open().await;
    let large = format!(r#"{{"StreamName":"{}"}}"#, "x".repeat(kvs_local::__internal::limits::JSON_BODY));
    let rejected = post(local.address(), "/describeStream", &large).await;
    assert_eq!((rejected.status, rejected.exception()), (413, "RequestEntityTooLargeException"));
    // hyper responds to these.
    let long = "x".repeat(2 * kvs_local::__internal::limits::HEAD_BYTES);
    let mut stream = TcpStream::connect(local.address()).await.unwrap();
    let head = format!("POST /listStreams HTTP/1.1\r\nhost: localhost\r\nlong: {long}");
    let mut response = Vec::new();
    // The service closes without reading everything, so the response may be lost. The connection ends in any case.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut response)).await.unwrap();
    assert!(response.is_empty() || status(&String::from_utf8_lossy(&response)) == 431, "{response:?}");
    let many = "a: b\r\n".repeat(kvs_local::__internal::limits::HEADERS);
    let head = format!("POST /listStreams HTTP/1.1\r\nhost: localhost\r\n{many}\r\n");
    assert_eq!(exchange(local.address(), head.as_bytes()).await.status, 431);
    assert_eq!(exchange(local.address(), b"\x16\x03\x01 this is no HTTP\r\n\r\n").await.status, 400);
    assert_eq!(post(local.address(), "/listStreams", "{}").await.status, 200);
    local.shutdown().await;
}

#[tokio::test]
async fn invalid_chunks_and_garbage_media_end_only_their_session() {
    let local = open().await;
    create(local.address(), "door").await;
    let head = "POST /putMedia HTTP/1.1\r\nhost: localhost\r\nx-amzn-stream-name: door\r\nx-amzn-fragment-timecode-type: \
                ABSOLUTE\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunk in ["ffffffffffffffff\r\nx", "zz\r\n", "-1\r\n", "1;ext\r\n\u{0}\r\n0\r\n\r\n"] {
        let mut stream = TcpStream::connect(local.address()).await.unwrap();
        stream.write_all(format!("{head}{chunk}").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut response = Vec::new();
        // The connection may break, but it must end.
        let _ = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut response)).await.unwrap();
        assert_eq!(status(&String::from_utf8_lossy(&response)), 200, "{chunk:?}");
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let garbage: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5000).collect();
        let mut put = Put::open(local.address(), "door", "").await;
        put.send(&garbage).await;
        put.end().await;
        put.ack_of("ERROR").await;
        put.rest().await;
    }
    assert!(local.fragments("door").await.unwrap().is_empty());
    local.shutdown().await;
}

/// A form, a script or a rebound name in a browser on this machine: what they send must not reach any operation, with signatures
/// or without.
#[tokio::test]
async fn web_pages_cannot_use_the_service() {
    let local = support::builder().cors_origin("https://page.example").start().await.unwrap();
    let send = async |host: &str, more: &str| {
        let body = r#"{"StreamName":"door"}"#;
        let length = body.len();
        let request = format!(
            "POST /createStream HTTP/1.1\r\nhost: {host}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        exchange(local.address(), request.as_bytes()).await
    };
    let own = local.address().to_string();
    for (host, more) in [
        ("evil.example", ""),
        ("evil.example:4567", "origin: http://evil.example:4567\r\nsec-fetch-site: same-origin\r\n"),
        (&own, "origin: http://evil.example\r\ncontent-type: text/plain\r\n"),
        (&own, "origin: null\r\ncontent-type: application/x-www-form-urlencoded\r\n"),
        (&own, "origin: http://page.example:3001\r\ncontent-type: application/json\r\n"),
        (&own, "sec-fetch-site: cross-site\r\n"),
        (&own, "content-type: text/plain;charset=UTF-8\r\n"),
    ] {
        let refused = send(host, more).await;
        assert_eq!((refused.status, refused.exception()), (403, "AccessDeniedException"), "{host} {more}");
        assert!(!refused.head.contains("access-control"), "{refused:?}");
    }
    let put = "POST /putMedia HTTP/1.1\r\nhost: evil.example\r\nx-amzn-stream-name: door\r\nconnection: close\r\n\r\n";
    assert_eq!(exchange(local.address(), put.as_bytes()).await.status, 403);
    assert_eq!(post(local.address(), "/listStreams", "{}").await.json()["StreamInfoList"], serde_json::json!([]));

    let preflight = format!(
        "OPTIONS /createStream HTTP/1.1\r\nhost: {own}\r\norigin: https://page.example\r\naccess-control-request-method: \
         POST\r\naccess-control-request-headers: authorization,x-amz-date\r\nconnection: close\r\n\r\n"
    );
    let allowed = exchange(local.address(), preflight.as_bytes()).await;
    assert_eq!(allowed.status, 204, "{allowed:?}");
    assert!(allowed.head.contains("access-control-allow-headers: authorization,x-amz-date"), "{allowed:?}");
    let foreign = preflight.replace("page.example", "page.example.evil.example");
    assert_eq!(exchange(local.address(), foreign.as_bytes()).await.status, 403);
    let created = send(&own, "origin: https://page.example\r\ncontent-type: application/json\r\n").await;
    assert_eq!(created.status, 200, "{created:?}");
    assert!(created.head.contains("access-control-allow-origin: https://page.example\r\n"), "{created:?}");
    local.shutdown().await;
}

#[tokio::test]
async fn get_data_endpoint_names_only_accepted_hosts() {
    let local = support::builder().public_url("https://kvs.test:8443").start().await.unwrap();
    create(local.address(), "door").await;
    let endpoint = async |host: &str| {
        let body = r#"{"StreamName":"door","APIName":"PUT_MEDIA"}"#;
        let length = body.len();
        let request = format!(
            "POST /getDataEndpoint HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        exchange(local.address(), request.as_bytes()).await
    };
    assert_eq!(endpoint("kvs.test").await.json()["DataEndpoint"], "https://kvs.test:8443");
    assert_eq!(endpoint("localhost:1").await.json()["DataEndpoint"], "http://localhost:1");
    let own = format!("http://localhost:{}", local.address().port());
    for host in ["localhost", "localhost:", "localhost:0"] {
        assert_eq!(endpoint(host).await.json()["DataEndpoint"], *own, "{host}");
    }
    for host in ["evil.example", "localhost:99999", "localhost:80x", "localhost."] {
        let refused = endpoint(host).await;
        assert_eq!((refused.status, refused.exception()), (403, "AccessDeniedException"), "{host}");
        assert!(!String::from_utf8_lossy(&refused.body).contains("DataEndpoint"), "{refused:?}");
    }
    local.shutdown().await;
}

/// Sends a request head and as many bytes of its body, and leaves it unfinished.
async fn unfinished(to: std::net::SocketAddr, more: &str, body: usize) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let head = format!("POST /listStreams HTTP/1.1\r\nhost: localhost\r\n{more}content-length: 1048576\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The service may have refused it already.
    let _ = stream.write_all(&vec![b' '; body]).await;
    stream
}

#[tokio::test]
async fn unfinished_bodies_share_one_budget_and_give_it_back() {
    use kvs_local::__internal::limits::{JSON_BODY, UNVERIFIED_BYTES};
    let local = open().await;
    let held = JSON_BODY - 1000;
    let mut open = tokio::task::JoinSet::new();
    for _ in 0..UNVERIFIED_BYTES / held + 4 {
        let mut stream = unfinished(local.address(), "", held).await;
        open.spawn(async move {
            let mut head = [0; 12];
            stream.read_exact(&mut head).await.map(|_| head)
        });
    }
    // Some do not fit, whichever are read last.
    let refused = async {
        loop {
            if let Ok(head) = open.join_next().await.unwrap().unwrap() {
                return head;
            }
        }
    };
    assert_eq!(&tokio::time::timeout(TIMEOUT, refused).await.unwrap(), b"HTTP/1.1 503");
    assert_eq!(post(local.address(), "/listStreams", "{}").await.status, 200, "ordinary requests are served");
    drop(open);
    let large = format!("{{{}}}", " ".repeat(held));
    let served = async {
        while post(local.address(), "/listStreams", &large).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, served).await.expect("the budget is given back");
    local.shutdown().await;
}

#[tokio::test]
async fn a_request_without_a_valid_key_is_refused_before_its_body_is_read() {
    let local = kvs_local::LocalKvs::builder().start().await.unwrap();
    let scope = "20231130/us-west-2/kinesisvideo/aws4_request";
    for authorization in [
        String::new(),
        "authorization: Basic eA==\r\n".to_owned(),
        format!(
            "authorization: AWS4-HMAC-SHA256 Credential=other/{scope}, SignedHeaders=host, Signature=00\r\nx-amz-date: 20231130T000000Z\r\n"
        ),
    ] {
        let mut stream = unfinished(local.address(), &authorization, 10).await;
        let mut head = [0; 12];
        let answer = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut head)).await;
        answer.expect("the answer does not wait for the body").unwrap();
        assert_eq!(&head, b"HTTP/1.1 403", "{authorization}");
    }
    local.shutdown().await;
}

#[tokio::test]
async fn the_public_default_key_is_not_accepted_from_other_machines_by_accident() {
    let remote = || kvs_local::LocalKvs::builder().listen("0.0.0.0:0".parse().unwrap()).allow_remote();
    let refused = remote().start().await.unwrap_err();
    assert!(matches!(refused, kvs_local::StartError::DefaultKey { .. }), "{refused:?}");
    remote().credentials("id", "secret").start().await.unwrap().shutdown().await;
    remote().allow_default_key().start().await.unwrap().shutdown().await;
    remote().anonymous().start().await.unwrap().shutdown().await;
}

/// Idle connections of the next test. Both ends are in this process.
const IDLE: usize = 2_500;

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_block_others() {
    let local = open().await;
    let mut idle = Vec::new();
    for n in 0..IDLE {
        match TcpStream::connect(local.address()).await {
            Ok(mut stream) => {
                // Half of them start a request.
                if n % 2 == 0 {
                    stream.write_all(b"POST /listStreams HTTP/1.1\r\nhost:").await.unwrap();
                }
                idle.push(stream);
            }
            Err(error) => {
                let reason = format!("{IDLE} idle connections, but the system allows only {n} ({error})");
                test_judges::skip("idle_connections_do_not_block_others", &reason);
                return;
            }
        }
    }
    let began = tokio::time::Instant::now();
    assert_eq!(post(local.address(), "/listStreams", "{}").await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    local.shutdown().await;
}

#[tokio::test]
async fn broken_connection_leaves_no_partial_fragment() {
    let (local, mut put, mut media) = putting().await;
    put.send(&media.fragment(SOME_TIME, &[])).await;
    let second = media.fragment(SOME_TIME + 1000, &[]);
    put.send(&second[..second.len() - 10]).await;
    put.ack_of("PERSISTED").await;
    put.cut();
    let mut again = Put::open(local.address(), "door", "").await;
    while !again.head().await.contains("200 OK") {
        again = Put::open(local.address(), "door", "").await;
    }
    assert_eq!(local.fragments("door").await.unwrap().len(), 1);
    local.shutdown().await;
}

// Time is virtual in the following tests: tokio skips every wait.

#[tokio::test(start_paused = true)]
async fn incomplete_request_head_times_out() {
    let local = open().await;
    let mut stream = TcpStream::connect(local.address()).await.unwrap();
    let began = tokio::time::Instant::now();
    stream.write_all(b"POST /listStreams HTTP/1.1\r\nhost: localhost\r\n").await.unwrap();
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    let waited = began.elapsed();
    assert!(
        waited >= kvs_local::__internal::limits::HEAD_TIME && waited < 2 * kvs_local::__internal::limits::HEAD_TIME,
        "{waited:?}"
    );
    local.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn incomplete_request_body_times_out() {
    let local = open().await;
    let mut stream = TcpStream::connect(local.address()).await.unwrap();
    let head = b"POST /listStreams HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    let response = String::from_utf8_lossy(&response);
    assert!(response.starts_with("HTTP/1.1 408") && response.contains("RequestTimeoutException"), "{response}");
    local.shutdown().await;
}
