//! An HTTP endpoint for SNS: takes posts, agrees to subscriptions of known topics, hands messages on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kvs_notify::SnsMessage;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Largest body taken: SNS messages have at most 256 KiB, and escaping may double them.
const BODY_BYTES: usize = 512 * 1024;
/// How long a confirmation may take; SNS itself waits 15 s for an endpoint.
const CONFIRMATION: Duration = Duration::from_secs(15);
/// Messages that wait to be taken; further posts wait for room.
const QUEUE: usize = 64;

/// A running endpoint; dropping it ends it.
#[derive(Debug)]
pub struct SnsEndpoint {
    address: SocketAddr,
    messages: mpsc::Receiver<Box<SnsMessage>>,
    server: JoinHandle<()>,
}

impl SnsEndpoint {
    /// Listens on `address` and agrees to subscriptions of `topic`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn listen(address: SocketAddr, topic: impl Into<String>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (sender, messages) = mpsc::channel(QUEUE);
        let desk = Arc::new(Desk { topic: topic.into(), messages: sender });
        let server = tokio::spawn(serve(listener, desk));
        Ok(Self { address, messages, server })
    }

    /// What to subscribe to the topic.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The next message of the topic; confirmations are seen to and do not appear.
    pub async fn next(&mut self) -> Option<SnsMessage> {
        self.messages.recv().await.map(|message| *message)
    }
}

impl Drop for SnsEndpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What every connection shares.
#[derive(Debug)]
struct Desk {
    topic: String,
    messages: mpsc::Sender<Box<SnsMessage>>,
}

async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    while let Ok((socket, _)) = listener.accept().await {
        let desk = Arc::clone(&desk);
        let answer = service_fn(move |request| {
            let desk = Arc::clone(&desk);
            async move { Ok::<_, hyper::Error>(desk.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the SNS endpoint ended early");
            }
        });
    }
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let status = match self.take(request).await {
            Ok(()) => StatusCode::OK,
            Err(refusal) => {
                tracing::warn!(%refusal, "a post to the SNS endpoint was refused");
                StatusCode::BAD_REQUEST
            }
        };
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        response
    }

    async fn take(&self, request: Request<Incoming>) -> Result<(), Refusal> {
        let body = Limited::new(request.into_body(), BODY_BYTES).collect().await.map_err(Refusal::Body)?.to_bytes();
        let message: SnsMessage = serde_json::from_slice(&body)?;
        if message.topic_arn() != self.topic {
            return Err(Refusal::Topic { topic: message.topic_arn().to_owned() });
        }
        match &message {
            SnsMessage::SubscriptionConfirmation(question) => confirm(question.subscribe_url.expose()).await,
            // A full queue makes SNS try again later.
            _ => self.messages.send(Box::new(message)).await.map_err(|_| Refusal::Closed),
        }
    }
}

/// Visits the URL that agrees to a subscription. Plain HTTP only: this endpoint is for a service on this machine.
async fn confirm(url: &str) -> Result<(), Refusal> {
    let uri: http::Uri = url.parse().map_err(|_| Refusal::SubscribeUrl)?;
    let authority = uri.authority().ok_or(Refusal::SubscribeUrl)?.clone();
    if uri.scheme_str() != Some("http") {
        return Err(Refusal::SubscribeUrl);
    }
    let visit = async {
        let socket = TcpStream::connect(authority.as_str()).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
        let connection = tokio::spawn(connection);
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let request = Request::get(path).header(http::header::HOST, authority.as_str()).body(Empty::<Bytes>::new())?;
        let status = sender.send_request(request).await?.status();
        connection.abort();
        if status.is_success() { Ok(()) } else { Err(Refusal::Confirmation { status }) }
    };
    tokio::time::timeout(CONFIRMATION, visit).await.map_err(|_| Refusal::SubscribeUrl)?
}

/// Why a post was not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the body cannot be read or has more than {BODY_BYTES} bytes: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("the body is no SNS message: {0}")]
    NotSns(#[from] serde_json::Error),
    #[error("the message is of another topic, {topic}")]
    Topic { topic: String },
    #[error("the subscription's URL cannot be visited")]
    SubscribeUrl,
    #[error("the confirmation was answered with {status}")]
    Confirmation { status: StatusCode },
    #[error("connection for the confirmation: {0}")]
    Connection(#[from] io::Error),
    #[error("request of the confirmation: {0}")]
    Http(#[from] hyper::Error),
    #[error("request of the confirmation: {0}")]
    Request(#[from] http::Error),
    #[error("nobody takes messages any more")]
    Closed,
}
