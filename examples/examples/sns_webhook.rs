//! A webhook for SNS: confirms its subscription, verifies every message and prints which fragments were persisted.
//!
//! SNS posts to https; put a proxy with a certificate in front. ROOTS.pem has the certificates that may sign: those of
//! <https://www.amazontrust.com/repository/> for SNS, `DATA_DIR/keys/sns-authority.pem` for a kvs-local at ORIGIN.
//!
//! ```text
//! cargo run -p kvs-examples --example sns_webhook -- 127.0.0.1:8080 TOPIC_ARN ROOTS.pem [ORIGIN]
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kvs_notify::{Content, SigningCertificate, TrustRoots, UrlPolicy, Verifier, decode};

type BoxError = Box<dyn Error + Send + Sync>;
type Fetcher = Client<hyper_rustls::HttpsConnector<HttpConnector>, Empty<Bytes>>;
/// SNS messages have at most 256 KiB, and JSON escapes may double them.
const MAX_BYTES: usize = 512 * 1024;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, topic, roots, origin @ ..] = &arguments[..] else { return Err("missing arguments".into()) };
    let roots = TrustRoots::new().roots_pem(&std::fs::read(roots)?)?;
    let urls = origin.iter().fold(UrlPolicy::aws(), |urls, origin| urls.and_origin(origin, "sns.amazonaws.com"));
    let verifier = Arc::new(Verifier::new(roots, vec![topic.clone()]).urls(urls));
    let https = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let fetcher: Fetcher = Client::builder(TokioExecutor::new()).build(https);

    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        let (verifier, fetcher) = (Arc::clone(&verifier), fetcher.clone());
        let service = service_fn(move |request| answer(request, Arc::clone(&verifier), fetcher.clone()));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    verifier: Arc<Verifier>,
    fetcher: Fetcher,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let mut response = Response::new(Full::default());
    if let Err(error) = receive(request, &verifier, &fetcher).await {
        // A stranger chose parts of it: no escape sequence reaches the terminal.
        eprintln!("refused: {}", error.to_string().escape_debug());
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    Ok(response)
}

/// Verifies the messages of one post. A real service keeps certificates in a `CertificateCache` and refuses repeated
/// messages with a `ReplayWindow`.
async fn receive(request: Request<Incoming>, verifier: &Verifier, fetcher: &Fetcher) -> Result<(), BoxError> {
    let body = Limited::new(request.into_body(), MAX_BYTES).collect().await?.to_bytes();
    for message in decode(&body)?.messages {
        let sns = message.sns.as_ref().ok_or("raw delivery has no signature; switch it off")?;
        let url = verifier.certificate_url(sns)?;
        let pem = fetch(fetcher, url.as_str()).await?;
        let certificate = SigningCertificate::from_pem(url, &pem)?;
        let verified = verifier.verify(sns, &certificate, SystemTime::now())?;
        if let Some(url) = verifier.subscription_url(&verified)? {
            fetch(fetcher, url.as_str()).await?;
            println!("subscribed to {}", sns.topic_arn());
        } else if let Content::Fragment(fragment) = &message.content {
            println!("{}: fragment {}", fragment.stream_arn.stream_name(), fragment.fragment_number);
        }
    }
    Ok(())
}

async fn fetch(fetcher: &Fetcher, url: &str) -> Result<Bytes, BoxError> {
    let response = fetcher.get(url.parse()?).await?;
    if !response.status().is_success() {
        return Err(format!("{url} answered {}", response.status()).into());
    }
    Ok(Limited::new(response.into_body(), MAX_BYTES).collect().await?.to_bytes())
}
