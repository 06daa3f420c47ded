//! PutMedia sessions against a server that is scripted byte by byte.

use crate::support;
use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use kvs_aws::{
    Endpoint, Error, FragmentTimecodeType, PutMedia, PutMediaExchange, ServiceErrorKind, Timeouts, TransportError,
};
use support::{Seen, config, read_head};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n";

struct Server(TcpListener);

impl Server {
    async fn start() -> (Self, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        (Self(listener), endpoint)
    }

    async fn accept(&self) -> (TcpStream, Seen) {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let head = read_head(&mut stream).await.unwrap();
        (stream, head)
    }
}

async fn open(endpoint: &Endpoint, timeouts: Timeouts) -> Result<PutMediaExchange, Error> {
    let client = kvs_aws::Client::new(config(&endpoint.to_string()).timeouts(timeouts)).unwrap();
    let start = kvs_types::__internal::from_epoch_millis(1_699_332_285_007);
    let session = PutMedia::new("front-door".parse().unwrap(), FragmentTimecodeType::Relative).start_timestamp(start);
    client.put_media(session, endpoint).await
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "closed after {got:?}");
        got.push(byte[0]);
    }
    got
}

async fn ack(stream: &mut TcpStream, text: &str) {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await.unwrap();
}

#[tokio::test]
async fn acks_arrive_while_media_is_sent_and_finish_ends_the_body() {
    let (server, endpoint) = Server::start().await;
    let service = async {
        let (mut stream, head) = server.accept().await;
        stream.write_all(HEAD).await.unwrap();
        assert_eq!(read_until(&mut stream, b"frame-1\r\n").await, b"7\r\nframe-1\r\n");
        ack(&mut stream, "ack-1\n").await;
        assert_eq!(read_until(&mut stream, b"frame-2\r\n").await, b"9\r\n2:frame-2\r\n");
        ack(&mut stream, "ack-2\n").await;
        assert_eq!(read_until(&mut stream, b"0\r\n\r\n").await, b"0\r\n\r\n");
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        head
    };
    let camera = async {
        let (mut sender, mut acks) = open(&endpoint, Timeouts::default()).await.unwrap().split();
        sender.send([Bytes::from_static(b"frame-1")]).await.unwrap();
        assert_eq!(acks.next().await.unwrap().unwrap(), "ack-1\n");
        sender.send([Bytes::from_static(b"2:"), Bytes::from_static(b"frame-2")]).await.unwrap();
        assert_eq!(acks.next().await.unwrap().unwrap(), "ack-2\n");
        sender.finish().await.unwrap();
        assert_eq!(acks.next().await.unwrap(), None);
        assert_eq!(acks.next().await.unwrap(), None);
    };
    let (head, ()) = tokio::join!(service, camera);
    assert_eq!(head.line, "POST /putMedia HTTP/1.1");
    assert_eq!(head.header("x-amzn-stream-name"), Some("front-door"));
    assert_eq!(head.header("x-amzn-fragment-timecode-type"), Some("RELATIVE"));
    assert_eq!(head.header("x-amzn-producer-start-timestamp"), Some("1699332285.007"));
    assert_eq!(head.header("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    let signature = head.header("authorization").unwrap();
    for signed in ["x-amz-content-sha256", "x-amz-security-token", "x-amzn-stream-name", "host"] {
        assert!(signature.contains(signed), "{signature}");
    }
}

#[tokio::test]
async fn a_rejected_session_returns_the_error_of_the_service() {
    let (server, endpoint) = Server::start().await;
    let service = async {
        let (mut stream, _) = server.accept().await;
        let body = r#"{"Message":"Connection limit exceeded"}"#;
        let text = format!(
            "HTTP/1.1 400 Bad Request\r\nx-amzn-ErrorType: ConnectionLimitExceededException:http://x\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(text.as_bytes()).await.unwrap();
    };
    let (answer, ()) = tokio::join!(open(&endpoint, Timeouts::default()), service);
    let error = answer.unwrap_err();
    assert_eq!(error.service().unwrap().kind, ServiceErrorKind::ConnectionLimitExceeded);
    assert_eq!(error.service().unwrap().message, "Connection limit exceeded");
}

#[tokio::test]
async fn acks_wait_for_a_head_that_arrives_after_media() {
    let (server, endpoint) = Server::start().await;
    let quick = Timeouts::default().put_media_head(Duration::ZERO);
    let dropped = Cell::new(0_u32);
    let service = async {
        let (mut stream, _) = server.accept().await;
        read_until(&mut stream, b"media\r\n").await;
        // In two parts, so that the future is dropped while the rejection is partly read.
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 14\r\n\r\n").await.unwrap();
        let enough = dropped.get() + 100;
        while dropped.get() < enough {
            tokio::task::yield_now().await;
        }
        stream.write_all(br#"{"message":""}"#).await.unwrap();
        stream
    };
    let camera = async {
        let (mut sender, mut acks) = open(&endpoint, quick).await.unwrap().split();
        sender.send([Bytes::from_static(b"media")]).await.unwrap();
        loop {
            // The `select!` loop drops the future repeatedly.
            tokio::select! {
                biased;
                answer = acks.next() => break answer,
                () = tokio::task::yield_now() => dropped.set(dropped.get() + 1),
            }
        }
    };
    let (_stream, answer) = tokio::join!(service, camera);
    assert_eq!(answer.unwrap_err().service().unwrap().kind, ServiceErrorKind::AccessDenied);
}

#[tokio::test]
async fn dropping_the_sender_leaves_the_request_incomplete() {
    let (server, endpoint) = Server::start().await;
    let service = async {
        let (mut stream, _) = server.accept().await;
        stream.write_all(HEAD).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        rest
    };
    let camera = async {
        let (mut sender, acks) = open(&endpoint, Timeouts::default()).await.unwrap().split();
        sender.send([Bytes::from_static(b"half")]).await.unwrap();
        drop(sender);
        acks
    };
    let (rest, _acks) = tokio::join!(service, camera);
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
}

#[tokio::test]
async fn the_end_of_the_response_ends_the_sender() {
    let (server, endpoint) = Server::start().await;
    let service = async {
        let (mut stream, _) = server.accept().await;
        stream.write_all(HEAD).await.unwrap();
        ack(&mut stream, r#"{"EventType":"ERROR","ErrorId":4006}"#).await;
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        stream
    };
    let camera = async {
        let (mut sender, mut acks) = open(&endpoint, Timeouts::default()).await.unwrap().split();
        assert!(acks.next().await.unwrap().is_some());
        assert_eq!(acks.next().await.unwrap(), None);
        let ended = async { while sender.send([Bytes::from_static(&[0; 1024])]).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the sender returns an error");
    };
    let (_stream, ()) = tokio::join!(service, camera);
}

// With a paused clock, a timeout elapses only when no task can make progress.
#[tokio::test(start_paused = true)]
async fn backpressure_reaches_the_sender() {
    let (server, endpoint) = Server::start().await;
    let service = async {
        let (mut stream, _) = server.accept().await;
        stream.write_all(HEAD).await.unwrap();
        stream
    };
    let camera = async {
        let (mut sender, acks) = open(&endpoint, Timeouts::default()).await.unwrap().split();
        let piece = Bytes::from(vec![0; 1 << 20]);
        let mut sent = 0_u32;
        while let Ok(answer) = tokio::time::timeout(Duration::from_secs(60), sender.send([piece.clone()])).await {
            answer.unwrap();
            sent += 1;
            assert!(sent < 64, "no backpressure");
        }
        (sent, acks)
    };
    let (_stream, (sent, _acks)) = tokio::join!(service, camera);
    assert!(sent >= 8, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_and_a_missing_head_are_transport_errors() {
    let (server, endpoint) = Server::start().await;
    let service = async {
        let (stream, _) = server.accept().await;
        drop(stream);
        server.accept().await
    };
    let camera = async {
        let broken = open(&endpoint, Timeouts::default()).await.unwrap_err();
        assert!(matches!(broken, Error::Transport(TransportError::Broken { .. })), "{broken}");
        let late = open(&endpoint, Timeouts::default().response_head(Duration::from_millis(50))).await.unwrap_err();
        assert!(matches!(late, Error::Transport(TransportError::Timeout { .. })), "{late}");
        assert_eq!(late.to_string(), "waiting for the response took longer than 50 ms");
    };
    tokio::join!(service, camera);
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint: Endpoint = format!("http://{}", nowhere.local_addr().unwrap()).parse().unwrap();
    drop(nowhere);
    let refused = open(&endpoint, Timeouts::default()).await.unwrap_err();
    assert!(matches!(refused, Error::Transport(TransportError::Connect { .. })), "{refused}");
}

#[tokio::test]
async fn acks_that_arrived_before_a_reset_are_read() {
    let (server, endpoint) = Server::start().await;
    let service = async {
        let (mut stream, _) = server.accept().await;
        stream.set_nodelay(true).unwrap();
        stream.write_all(HEAD).await.unwrap();
        let mut room = vec![0; 1 << 20];
        stream.read_exact(&mut room).await.unwrap();
        // All at once: the client finds the acks and the reset together, while it writes.
        for text in ["9\r\nBUFFERING\r\n", "8\r\nRECEIVED\r\n", "9\r\nPERSISTED\r\n"] {
            assert_eq!(stream.try_write(text.as_bytes()).unwrap(), text.len());
        }
        stream.set_zero_linger().unwrap();
    };
    let camera = async {
        let (mut sender, mut acks) = open(&endpoint, Timeouts::default()).await.unwrap().split();
        let sending = async { while sender.send([Bytes::from_static(&[0; 64 << 10])]).await.is_ok() {} };
        let reading = async {
            let mut got = Vec::new();
            while let Ok(Some(piece)) = acks.next().await {
                got.extend_from_slice(&piece);
            }
            String::from_utf8(got).unwrap()
        };
        tokio::join!(sending, reading).1
    };
    let ((), got) = tokio::join!(service, camera);
    assert_eq!(got, "BUFFERINGRECEIVEDPERSISTED");
}
