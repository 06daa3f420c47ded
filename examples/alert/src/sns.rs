//! An HTTP endpoint for SNS: verifies each message, confirms the subscription, and hands the body on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kvs_notify::{SigningCertificate, TrustRoots, UrlPolicy, Verifier, decode};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use crate::{BoxError, with_causes};

/// SNS messages have at most 256 KiB, and JSON escapes may double them.
const MAX_BYTES: usize = 512 * 1024;
/// The most connections at a time.
const CONNECTIONS: usize = 64;
/// How long a request may take; SNS waits 15 s for the answer.
const REQUEST_TIME: Duration = Duration::from_secs(14);

/// Where messages come from and who signs them.
pub(crate) struct Endpoint {
    pub(crate) address: String,
    pub(crate) topic: String,
    /// PEM file with the certificates that may sign.
    pub(crate) roots: String,
    /// A service other than SNS that may sign, such as kvs-local.
    pub(crate) origin: Option<String>,
}

struct Receiver {
    verifier: Verifier,
    fetcher: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    bodies: mpsc::Sender<Bytes>,
}

/// Serves until the receiving end of `bodies` is closed or the listener fails.
pub(crate) async fn serve(endpoint: Endpoint, bodies: mpsc::Sender<Bytes>) -> Result<(), BoxError> {
    let roots = TrustRoots::new().roots_pem(&std::fs::read(&endpoint.roots)?)?;
    let urls =
        endpoint.origin.iter().fold(UrlPolicy::aws(), |urls, origin| urls.and_origin(origin, "sns.amazonaws.com"));
    let verifier = Verifier::new(roots, vec![endpoint.topic]).urls(urls);
    let https = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let fetcher = Client::builder(TokioExecutor::new()).build(https);
    let receiver = Arc::new(Receiver { verifier, fetcher, bodies });
    let (listener, places) = (TcpListener::bind(&endpoint.address).await?, Arc::new(Semaphore::new(CONNECTIONS)));
    eprintln!("listening on http://{}/", listener.local_addr()?);
    loop {
        let place = Arc::clone(&places).acquire_owned().await?;
        let (socket, _) = listener.accept().await?;
        let receiver = Arc::clone(&receiver);
        let service = service_fn(move |request| answer(request, Arc::clone(&receiver)));
        tokio::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(REQUEST_TIME);
            // A broken connection concerns the one who broke it.
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
            drop(place);
        });
    }
}

async fn answer(request: Request<Incoming>, receiver: Arc<Receiver>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let mut response = Response::new(Full::default());
    let received = tokio::time::timeout(REQUEST_TIME, receiver.receive(request)).await;
    if let Err(error) = received.map_err(BoxError::from).and_then(|received| received) {
        // A stranger chose parts of it: no escape sequence reaches the terminal.
        eprintln!("refused: {}", with_causes(&*error).escape_debug());
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    Ok(response)
}

impl Receiver {
    async fn receive(&self, request: Request<Incoming>) -> Result<(), BoxError> {
        let body = Limited::new(request.into_body(), MAX_BYTES).collect().await?.to_bytes();
        for message in decode(&body)?.messages {
            let sns = message.sns.as_ref().ok_or("raw delivery has no signature; switch it off")?;
            let url = self.verifier.certificate_url(sns)?;
            let pem = self.fetch(url.as_str()).await?;
            let certificate = SigningCertificate::from_pem(url, &pem)?;
            let verified = self.verifier.verify(sns, &certificate, SystemTime::now())?;
            if let Some(url) = self.verifier.subscription_url(&verified)? {
                self.fetch(url.as_str()).await?;
                eprintln!("subscribed to {}", sns.topic_arn());
            }
        }
        Ok(self.bodies.send(body).await?)
    }

    async fn fetch(&self, url: &str) -> Result<Bytes, BoxError> {
        let response = self.fetcher.get(url.parse()?).await?;
        if !response.status().is_success() {
            return Err(format!("{url} answered {}", response.status()).into());
        }
        Ok(Limited::new(response.into_body(), MAX_BYTES).collect().await?.to_bytes())
    }
}
