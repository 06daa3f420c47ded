//! The HTTP endpoint that the topic posts to: it confirms its subscription and verifies every message.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kvs_notify::{CertificateCache, Content, ReplayWindow, SigningCertificate, SnsMessage, Verifier, decode};
use kvs_types::__internal::Printable;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// The name in the certificates that sign SNS messages, those of kvs-local included.
pub(crate) const CERTIFICATE_NAME: &str = "sns.amazonaws.com";
/// Largest body that is read: an SNS message has at most 256 KiB, and JSON escapes may double it.
const BODY_BYTES: usize = 512 * 1024;
/// Notifications that wait to be read; further posts wait for room.
const QUEUE: usize = 64;

type BoxError = Box<dyn Error + Send + Sync>;

/// An address that accepts connections and answers once [`serve`](Self::serve) is called.
#[derive(Debug)]
pub(crate) struct InboxAddress {
    listener: TcpListener,
    url: String,
}

/// A running endpoint; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Inbox {
    contents: mpsc::Receiver<Content>,
    server: JoinHandle<()>,
}

impl InboxAddress {
    /// Listens on a free port of this machine.
    pub(crate) async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        Ok(Self { listener, url })
    }

    /// The URL to subscribe to the topic.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Takes the messages that `verifier` accepts.
    pub(crate) fn serve(self, verifier: Verifier) -> Inbox {
        let (sender, contents) = mpsc::channel(QUEUE);
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (certificates, seen) = (Mutex::default(), Mutex::default());
        let receiver = Arc::new(Receiver { verifier, client, certificates, seen, sender });
        Inbox { contents, server: tokio::spawn(accept(self.listener, receiver)) }
    }
}

impl Inbox {
    /// The content of the next notification.
    pub(crate) async fn next(&mut self) -> Option<Content> {
        self.contents.recv().await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, receiver: Arc<Receiver>) {
    while let Ok((socket, _)) = listener.accept().await {
        let receiver = Arc::clone(&receiver);
        let answer = service_fn(move |request| {
            let receiver = Arc::clone(&receiver);
            async move { Ok::<_, hyper::Error>(receiver.answer(request).await) }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
    }
}

/// What all connections share.
struct Receiver {
    verifier: Verifier,
    client: Client<HttpConnector, Empty<Bytes>>,
    certificates: Mutex<CertificateCache>,
    seen: Mutex<ReplayWindow>,
    sender: mpsc::Sender<Content>,
}

impl Receiver {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        if let Err(error) = self.receive(request).await {
            eprintln!("refused a post to the topic's endpoint: {}", Printable(error));
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        response
    }

    async fn receive(&self, request: Request<Incoming>) -> Result<(), BoxError> {
        let body = Limited::new(request.into_body(), BODY_BYTES).collect().await?.to_bytes();
        for message in decode(&body)?.messages {
            let sns = message.sns.as_ref().ok_or("the message has no signature")?;
            let now = SystemTime::now();
            let verified = self.verifier.verify(sns, &self.certificate(sns, now).await?, now)?;
            if let Some(url) = self.verifier.subscription_url(&verified)? {
                self.get(url.as_str()).await?;
            } else if self.seen.lock().await.admit(&verified, now).is_ok() {
                self.sender.send(message.content.clone()).await?;
            }
        }
        Ok(())
    }

    /// The certificate that signed a message; fetched once.
    async fn certificate(&self, message: &SnsMessage, now: SystemTime) -> Result<SigningCertificate, BoxError> {
        let url = self.verifier.certificate_url(message)?;
        let mut certificates = self.certificates.lock().await;
        if let Some(certificate) = certificates.find(&url, now) {
            return Ok(certificate.clone());
        }
        let pem = self.get(url.as_str()).await?;
        let certificate = SigningCertificate::from_pem(url, &pem)?;
        certificates.insert(certificate.clone(), now);
        Ok(certificate)
    }

    async fn get(&self, url: &str) -> Result<Bytes, BoxError> {
        let response = self.client.get(url.parse()?).await?;
        if !response.status().is_success() {
            return Err(format!("{url} answered {}", response.status()).into());
        }
        Ok(Limited::new(response.into_body(), BODY_BYTES).collect().await?.to_bytes())
    }
}
