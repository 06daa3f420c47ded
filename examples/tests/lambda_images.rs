//! The function against Lambda's runtime interface, played by a socket.
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

/// Reads one request: its first line and its body.
fn request(reader: &mut BufReader<TcpStream>) -> (String, String) {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first.trim().to_owned(), String::from_utf8(body).unwrap())
}

#[test]
fn events_are_asked_for_and_answered_until_lambda_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut function = Command::new(env!("CARGO_BIN_EXE_lambda_images"))
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
        .spawn()
        .unwrap();
    let (socket, _) = listener.accept().unwrap();
    let (mut reader, mut writer) = (BufReader::new(socket.try_clone().unwrap()), socket);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events/sqs-one-bad.json");
    let batch = std::fs::read_to_string(path).unwrap();
    for (id, event, answer) in [
        ("one", batch.as_str(), r#"{"batchItemFailures":[{"itemIdentifier":"2e1424d4-f796-459a-8184-9c92662be6da"}]}"#),
        ("two", "{}", "not recognised"),
    ] {
        assert_eq!(request(&mut reader).0, "GET /2018-06-01/runtime/invocation/next HTTP/1.1");
        let length = event.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: {id}\r\ncontent-length: {length}\r\n\r\n");
        writer.write_all(format!("{head}{event}").as_bytes()).unwrap();
        let (line, body) = request(&mut reader);
        let kind = if id == "one" { "response" } else { "error" };
        assert_eq!(line, format!("POST /2018-06-01/runtime/invocation/{id}/{kind} HTTP/1.1"));
        assert!(body.contains(answer), "{body}");
        writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
    }
    assert!(request(&mut reader).0.starts_with("GET "));
    drop((reader, writer));
    assert!(function.wait().unwrap().success(), "the end of the environment is no failure");
}
