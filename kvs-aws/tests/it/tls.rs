//! TLS connections and their trust roots.

use crate::support;
use std::sync::Arc;

use bytes::Bytes;
use kvs_aws::{
    Client, ClientConfig, Credentials, DescribeStream, Error, FragmentTimecodeType, PutMedia, Region, StreamId,
    TlsRoots, TransportError,
};
use kvs_types::__internal::ErrorChain;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A server with a self-signed certificate, and that certificate as PEM.
struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    pem: String,
}

impl Server {
    async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), pem: made.cert.pem() }
    }

    fn client(&self, roots: TlsRoots) -> Client {
        let url = format!("https://localhost:{}", self.listener.local_addr().unwrap().port());
        let credentials = Credentials::from_keys("AKID", "secret", None);
        let config = ClientConfig::new(Region::new("eu-west-1").unwrap(), credentials).endpoint_url(&url).unwrap();
        Client::new(config.tls_roots(roots).retry(kvs_aws::RetryConfig::disabled())).unwrap()
    }

    /// Accepts a connection; `None` if the client rejects the certificate.
    async fn accept(&self) -> Option<TlsStream<TcpStream>> {
        let (stream, _) = self.listener.accept().await.unwrap();
        self.acceptor.accept(stream).await.ok()
    }
}

async fn read_until(stream: &mut TlsStream<TcpStream>, end: &[u8]) {
    let mut got = Vec::new();
    while !got.ends_with(end) {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "closed after {}", String::from_utf8_lossy(&got));
        got.push(byte[0]);
    }
}

fn stream() -> StreamId {
    "cam".parse().unwrap()
}

#[tokio::test]
async fn calls_and_put_media_trust_a_configured_root() {
    let server = Server::start().await;
    let client = server.client(TlsRoots::Pem(server.pem.clone().into_bytes()));
    call_succeeds(&server, &client).await;

    let endpoint = client.control_endpoint().clone();
    let camera = async {
        let session = PutMedia::new(stream(), FragmentTimecodeType::Absolute);
        let (mut sender, mut acks) = client.put_media(session, &endpoint).await.unwrap().split();
        sender.send([Bytes::from_static(b"frame")]).await.unwrap();
        let ack = acks.next().await.unwrap().unwrap();
        sender.finish().await.unwrap();
        (ack, acks.next().await.unwrap())
    };
    let service = async {
        let mut stream = server.accept().await.unwrap();
        read_until(&mut stream, b"\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        read_until(&mut stream, b"frame\r\n").await;
        stream.write_all(b"3\r\nack\r\n").await.unwrap();
        read_until(&mut stream, b"0\r\n\r\n").await;
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        stream
    };
    let ((ack, end), _open) = tokio::join!(camera, service);
    assert_eq!((ack, end), (Bytes::from_static(b"ack"), None));
}

#[tokio::test]
async fn rejects_an_untrusted_certificate() {
    let server = Server::start().await;
    let client = server.client(TlsRoots::Default);
    let (call, accepted) = tokio::join!(client.send(DescribeStream::new(stream())), server.accept());
    let error = call.unwrap_err();
    assert!(matches!(error, Error::Transport(TransportError::Connect { .. })), "{error}");
    assert!(ErrorChain(&error).to_string().contains("certificate"), "{error:?}");
    assert!(accepted.is_none());
    let endpoint = client.control_endpoint().clone();
    let session = PutMedia::new(stream(), FragmentTimecodeType::Absolute);
    let (session, _) = tokio::join!(client.put_media(session, &endpoint), server.accept());
    let error = session.unwrap_err();
    assert!(ErrorChain(&error).to_string().contains("certificate"), "{error:?}");
}

/// Makes one call, which succeeds only if the client trusts the server's certificate.
async fn call_succeeds(server: &Server, client: &Client) {
    let answer = async {
        let mut stream = server.accept().await.unwrap();
        read_until(&mut stream, b"}").await;
        stream.write_all(support::ok(r#"{"StreamInfo":{"StreamName":"cam"}}"#).as_bytes()).await.unwrap();
        stream
    };
    let (info, _open) = tokio::join!(client.send(DescribeStream::new(stream())), answer);
    assert_eq!(info.unwrap().stream_name.as_deref(), Some("cam"));
}

#[tokio::test]
async fn trusts_the_bundle_of_the_environment() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.pem");
    std::fs::write(&bundle, format!("# our own\n{}", server.pem)).unwrap();
    let url = format!("https://localhost:{}", server.listener.local_addr().unwrap().port());
    let vars = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_CA_BUNDLE", bundle.to_str().unwrap()),
    ];
    let value = |name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    call_succeeds(&server, &Client::new(ClientConfig::from_vars(value).unwrap()).unwrap()).await;
}

/// Runs in a child process, because `SSL_CERT_FILE` must be set before the start.
#[cfg(feature = "native-roots")]
#[tokio::test]
async fn trusts_the_roots_of_the_system() {
    const URL: &str = "KVS_TEST_TRUSTED_URL";
    if let Ok(url) = std::env::var(URL) {
        let credentials = Credentials::from_keys("AKID", "secret", None);
        let config = ClientConfig::new(Region::new("eu-west-1").unwrap(), credentials).endpoint_url(&url).unwrap();
        Client::new(config).unwrap().send(DescribeStream::new(stream())).await.unwrap();
        return;
    }
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.pem");
    std::fs::write(&store, &server.pem).unwrap();
    let url = format!("https://localhost:{}", server.listener.local_addr().unwrap().port());
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::trusts_the_roots_of_the_system"])
        .env(URL, url)
        .env("SSL_CERT_FILE", &store)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut stream = server.accept().await.expect("the store's certificate is trusted");
    read_until(&mut stream, b"}").await;
    stream.write_all(support::ok(r#"{"StreamInfo":{"StreamName":"cam"}}"#).as_bytes()).await.unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(status.success());
}

#[test]
fn rejects_a_bundle_without_certificates() {
    let credentials = || Credentials::from_keys("AKID", "secret", None);
    let config = |roots| ClientConfig::new(Region::new("eu-west-1").unwrap(), credentials()).tls_roots(roots);
    let missing = Client::new(config(TlsRoots::PemFile("/no/such/bundle.pem".into()))).unwrap_err();
    assert!(ErrorChain(&missing).to_string().starts_with("cannot read /no/such/bundle.pem: "), "{missing:?}");
    let empty = Client::new(config(TlsRoots::Pem(b"no PEM".to_vec()))).unwrap_err();
    assert_eq!(empty.to_string(), "no usable certificate in the given PEM text");
}
