//! Versions of TLS: 1.2 and 1.3, no older one. OpenSSL is the judge.
#![cfg(feature = "server")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use kvs_local::LocalKvs;
use test_judges::available;

use crate::support::TIMEOUT;

/// Returns the start of a handshake of this version: TLS 1.0 is 3.1, TLS 1.2 is 3.3. It offers one suite, which all versions up to
/// 1.2 know (RFC 5246 section 7.4.1.2).
fn client_hello(minor: u8) -> Vec<u8> {
    let body = [&[3, minor][..], &[7; 32], &[0, 0, 2, 0xc0, 0x09, 1, 0]].concat();
    let handshake = [&[1, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat();
    [&[22, 3, 1, 0, u8::try_from(handshake.len()).unwrap()][..], &handshake].concat()
}

fn answer(to: SocketAddr, hello: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(to).unwrap();
    tcp.set_read_timeout(Some(TIMEOUT)).unwrap();
    tcp.write_all(hello).unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_before_1_2_are_refused_with_an_alert() {
    let local = LocalKvs::builder().tls().start().await.unwrap();
    for minor in 0..3 {
        let answer = answer(local.address(), &client_hello(minor));
        // A fatal alert (RFC 5246 section 7.2), and the connection is closed.
        assert_eq!(
            (answer.len(), &answer[..1], &answer[3..6]),
            (7, &[21][..], &[0, 2, 2][..]),
            "3.{minor}: {answer:?}"
        );
    }
    local.shutdown().await;
}

/// Asks for the health of a service with `openssl s_client`.
fn openssl(to: SocketAddr, ca: &std::path::Path, version: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", version, "-quiet", "-verify_return_error", "-cipher", "ALL:@SECLEVEL=0", "-CAfile"])
        .arg(ca)
        .args(["-connect", &to.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = format!("GET /health HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
    // It may have ended already, without a connection.
    let _ = child.stdin.as_mut().unwrap().write_all(request.as_bytes());
    let output = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_connects_with_1_2_and_1_3_and_not_with_1_1() {
    if !available("openssl_connects_with_1_2_and_1_3_and_not_with_1_1", &["openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let local = LocalKvs::builder().tls().data_dir(folder.path()).start().await.unwrap();
    let ca = folder.path().join("ca.pem");
    for version in ["-tls1_2", "-tls1_3"] {
        let text = openssl(local.address(), &ca, version);
        assert!(text.contains("HTTP/1.1 200 OK"), "{version}: {text}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let text = openssl(local.address(), &ca, version);
        assert!(!text.contains("HTTP/1.1") && text.contains("alert"), "{version}: {text}");
    }
    local.shutdown().await;
}
