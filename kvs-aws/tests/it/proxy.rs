//! Calls and PutMedia through HTTP proxies: a scripted one, and proxy.py as an independent one.

use crate::support;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kvs_aws::{
    Client, DescribeStream, Endpoint, Error, FragmentTimecodeType, Proxy, ProxyError, PutMedia, StreamId, TlsRoots,
    TransportError,
};
use kvs_types::__internal::ErrorChain;
use rustls::pki_types::PrivateKeyDer;
use support::{Scripted, config, ok};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// How the proxy responds.
#[derive(Clone)]
enum Behavior {
    /// It connects to the target.
    Connect,
    /// It connects if `Proxy-Authorization` has this value.
    RequireAuthorization(&'static str),
    /// It sends these bytes and waits.
    Send(Bytes),
}

struct ProxyServer {
    address: String,
    /// The heads of all requests.
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl ProxyServer {
    async fn start(behavior: Behavior, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (behavior, tls, seen) = (behavior.clone(), tls.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => serve(tls.accept(stream).await.unwrap(), behavior, &seen).await,
                        None => serve(stream, behavior, &seen).await,
                    }
                });
            }
        });
        Self { address, heads, task }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for ProxyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, behavior: Behavior, seen: &Mutex<Vec<String>>) {
    let Some(head) = read_until(&mut stream, b"\r\n\r\n").await else { return };
    seen.lock().unwrap().push(head.clone());
    match behavior {
        Behavior::Send(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending().await
        }
        Behavior::RequireAuthorization(expected) if !head.contains(&format!("proxy-authorization: {expected}\r\n")) => {
            let response = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nno!\n";
            stream.write_all(response).await.unwrap();
        }
        Behavior::Connect | Behavior::RequireAuthorization(_) => {
            let target = head.split(' ').nth(1).unwrap();
            let Ok(mut target) = TcpStream::connect(target).await else {
                let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
                return;
            };
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
        }
    }
}

async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &[u8]) -> Option<String> {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        got.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(got).unwrap())
}

/// A self-signed certificate for localhost: an acceptor with it, and TLS roots that trust it.
fn certificate() -> (TlsAcceptor, TlsRoots) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), TlsRoots::Pem(made.cert.pem().into_bytes()))
}

fn stream() -> StreamId {
    "cam".parse().unwrap()
}

async fn service() -> Scripted {
    Scripted::start(|_, _| ok(r#"{"StreamInfo":{"StreamName":"cam"}}"#)).await
}

fn client(service: &str, proxy: Proxy) -> Client {
    Client::new(config(service).proxy(proxy).retry(kvs_aws::RetryConfig::disabled())).unwrap()
}

/// One PutMedia session with a minimal service.
async fn session(client: &Client, endpoint: &Endpoint, service: impl Future<Output: AsyncRead + AsyncWrite + Unpin>) {
    let camera = async {
        let session = PutMedia::new(stream(), FragmentTimecodeType::Absolute);
        let (mut sender, mut acks) = client.put_media(session, endpoint).await.unwrap().split();
        sender.send([Bytes::from_static(b"frame")]).await.unwrap();
        let ack = acks.next().await.unwrap().unwrap();
        sender.finish().await.unwrap();
        (ack, acks.next().await.unwrap())
    };
    let service = async {
        let mut stream = service.await;
        let head = read_until(&mut stream, b"\r\n\r\n").await.unwrap();
        assert!(head.starts_with("POST /putMedia HTTP/1.1\r\n") && !head.contains("proxy-"), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        read_until(&mut stream, b"frame\r\n").await.unwrap();
        stream.write_all(b"3\r\nack\r\n").await.unwrap();
        read_until(&mut stream, b"0\r\n\r\n").await.unwrap();
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        stream
    };
    let ((ack, end), _open) = tokio::join!(camera, service);
    assert_eq!((ack, end), (Bytes::from_static(b"ack"), None));
}

#[tokio::test]
async fn calls_use_the_proxy() {
    let (proxy, service) = (ProxyServer::start(Behavior::Connect, None).await, service().await);
    let target = service.url.strip_prefix("http://").unwrap();
    let client = client(&service.url, Proxy::new(&proxy.address).unwrap());
    client.send(DescribeStream::new(stream())).await.unwrap();
    let heads = proxy.heads();
    assert_eq!(heads, [format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n")]);
    assert!(service.seen()[0].line.starts_with("POST /describeStream"), "{:?}", service.seen());
}

#[tokio::test]
async fn put_media_uses_the_proxy_with_and_without_tls() {
    let (acceptor, roots) = certificate();
    for (target_tls, proxy_tls) in [(false, false), (true, false), (true, true)] {
        let proxy = ProxyServer::start(Behavior::Connect, proxy_tls.then(|| acceptor.clone())).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("localhost:{}", listener.local_addr().unwrap().port());
        let scheme = |tls| if tls { "https" } else { "http" };
        let url = format!("{}://{target}", scheme(target_tls));
        let proxied = Proxy::new(&format!("{}://{}", scheme(proxy_tls), proxy.address)).unwrap();
        let client = Client::new(config(&url).proxy(proxied).tls_roots(roots.clone())).unwrap();
        let endpoint = url.parse().unwrap();
        let accepted = async { listener.accept().await.unwrap().0 };
        if target_tls {
            session(&client, &endpoint, async { acceptor.accept(accepted.await).await.unwrap() }).await;
        } else {
            session(&client, &endpoint, accepted).await;
        }
        assert_eq!(proxy.heads(), [format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n")]);
    }
}

#[tokio::test]
async fn proxy_authentication_is_sent_and_its_failure_is_reported() {
    // user:pass:word@ in base64.
    let proxy = ProxyServer::start(Behavior::RequireAuthorization("Basic dXNlcjpwYXNzOndvcmRA"), None).await;
    let service = service().await;
    let call = async |proxy: Proxy| client(&service.url, proxy).send(DescribeStream::new(stream())).await;
    let known = Proxy::new(&format!("http://user:pass%3Aword%40@{}", proxy.address)).unwrap();
    call(known).await.unwrap();
    let error = call(Proxy::new(&proxy.address).unwrap()).await.unwrap_err();
    let message = ErrorChain(&error).to_string();
    assert!(message.ends_with("requires a user and password, or rejects the ones in its URL (HTTP 407)"), "{message}");
    assert!(message.contains(&format!("http://{}", proxy.address)), "{message}");
    let wrong = Proxy::new(&format!("http://user:very-secret@{}", proxy.address)).unwrap();
    let error = call(wrong).await.unwrap_err();
    assert!(!format!("{}{error:?}", ErrorChain(&error)).contains("very-secret"), "{error:?}");
    assert!(proxy_error(&error).is_some_and(|cause| matches!(cause, ProxyError::Unauthorized { .. })), "{error:?}");
}

fn proxy_error(error: &Error) -> Option<&ProxyError> {
    let mut cause = Some(error as &(dyn std::error::Error + 'static));
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

#[tokio::test]
async fn proxy_failures_are_distinguished() {
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("localhost:{}", nowhere.local_addr().unwrap().port());
    drop(nowhere);
    let says = |text: &str| Behavior::Send(Bytes::from(text.to_owned()));
    let endless = format!("HTTP/1.1 200 OK\r\nX-Long: {}", "a".repeat(1 << 20));
    for (behavior, target, needle) in [
        (Behavior::Connect, gone.as_str(), "did not connect to localhost:"),
        (says("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), "kvs.example", "(HTTP 403)"),
        (
            says("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
            "kvs.example",
            "sent an invalid response to CONNECT: invalid HTTP version",
        ),
        (says(&endless), "kvs.example", "sent an invalid response to CONNECT: message head is too large"),
        (
            says("HTTP/1.1 200 OK\r\n\r\nHELLO"),
            "kvs.example",
            "sent an invalid response to CONNECT: 5 unexpected bytes after the response head",
        ),
    ] {
        let proxy = ProxyServer::start(behavior, None).await;
        let client = client(&format!("http://{target}"), Proxy::new(&proxy.address).unwrap());
        let call = client.send(DescribeStream::new(stream())).await.unwrap_err();
        let session = PutMedia::new(stream(), FragmentTimecodeType::Absolute);
        let session = client.put_media(session, client.control_endpoint()).await.unwrap_err();
        for error in [call, session] {
            assert!(matches!(error, Error::Transport(TransportError::Connect { .. })), "{error:?}");
            let message = ErrorChain(&error).to_string();
            assert!(message.contains(needle), "{message}");
        }
    }
    let error = client("http://kvs.example", Proxy::new(&gone).unwrap()).send(DescribeStream::new(stream())).await;
    let error = error.unwrap_err();
    let message = ErrorChain(&error).to_string();
    assert!(message.contains(&format!("cannot connect to proxy http://{gone}: ")), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_proxy_is_limited_by_the_connect_timeout() {
    let proxy = ProxyServer::start(Behavior::Send(Bytes::new()), None).await;
    let config = config("https://kvs.example").proxy(Proxy::new(&proxy.address).unwrap());
    let client = Client::new(config.retry(kvs_aws::RetryConfig::disabled())).unwrap();
    let call = client.send(DescribeStream::new(stream())).await.unwrap_err();
    let session = PutMedia::new(stream(), FragmentTimecodeType::Absolute);
    let session = client.put_media(session, client.control_endpoint()).await.unwrap_err();
    for error in [call, session] {
        assert_eq!(error.to_string(), "connecting took longer than 5000 ms");
    }
}

/// proxy.py (<https://github.com/abhinavsingh/proxy.py>), or `None` with a printed line.
struct Foreign {
    child: Child,
    port: String,
    _folder: tempfile::TempDir,
}

impl Foreign {
    fn start(test: &str, arguments: &[&str]) -> Option<Self> {
        let python = test_judges::python(test, &["proxy"])?;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("port");
        let child = Command::new(python)
            .args([
                "-m",
                "proxy",
                "--hostname",
                "127.0.0.1",
                "--port",
                "0",
                "--num-workers",
                "1",
                "--num-acceptors",
                "1",
            ])
            .arg("--port-file")
            .arg(&file)
            .arg("--data-dir")
            .arg(folder.path())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = std::time::Instant::now();
        let port = loop {
            let port = std::fs::read_to_string(&file).unwrap_or_default();
            if port.ends_with('\n') {
                break port.trim().to_owned();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "proxy.py does not start");
            std::thread::sleep(Duration::from_millis(20));
        };
        Some(Self { child, port, _folder: folder })
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // Its worker processes end only after SIGINT.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn proxy_py_carries_calls_and_put_media() {
    let test = "proxy_py_carries_calls_and_put_media";
    let Some(foreign) = Foreign::start(test, &["--basic-auth", "user:pass"]) else { return };
    let service = service().await;
    let known = Proxy::new(&format!("http://user:pass@127.0.0.1:{}", foreign.port)).unwrap();
    client(&service.url, known.clone()).send(DescribeStream::new(stream())).await.unwrap();
    let unknown = Proxy::new(&format!("http://127.0.0.1:{}", foreign.port)).unwrap();
    let error = client(&service.url, unknown).send(DescribeStream::new(stream())).await.unwrap_err();
    assert!(ErrorChain(&error).to_string().contains("HTTP 407"), "{error:?}");

    let (acceptor, roots) = certificate();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let client = Client::new(config(&url).proxy(known).tls_roots(roots)).unwrap();
    let accepted = async { acceptor.accept(listener.accept().await.unwrap().0).await.unwrap() };
    session(&client, &url.parse().unwrap(), accepted).await;
}
