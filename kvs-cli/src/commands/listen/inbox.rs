//! Receives posts and checks them.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use kvs_notify::{
    CertificateError, Content, DecodeError, Message, ReplayWindow, SnsMessage, UrlError, Verified, Verifier,
    VerifyError, decode,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;

use super::certificates::Certificates;
use super::endpoint::Delivery;
use super::fetch::{FetchError, Fetcher};
use super::save::save;
use crate::failure::with_causes;
use crate::output::complain;

/// Largest body that is read: SNS messages have at most 256 KiB, and JSON escapes may double them.
const BODY_BYTES: usize = 512 * 1024;
/// How long a body may take. SNS waits 15 s for the whole answer.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How long a notification waits to be printed before SNS is asked to send it again.
const QUEUE_TIME: Duration = Duration::from_secs(5);

/// What all connections share.
pub(super) struct Inbox {
    verifier: Verifier,
    fetcher: Arc<Fetcher>,
    save: Option<PathBuf>,
    deliveries: mpsc::Sender<Delivery>,
    certificates: Certificates,
    seen: Mutex<ReplayWindow>,
}

impl Inbox {
    pub(super) fn new(
        verifier: Verifier,
        fetcher: Fetcher,
        save: Option<PathBuf>,
        deliveries: mpsc::Sender<Delivery>,
    ) -> Self {
        let (certificates, seen) = (Certificates::default(), Mutex::default());
        Self { verifier, fetcher: Arc::new(fetcher), save, deliveries, certificates, seen }
    }

    /// Answers one request; a refused one is reported on stderr.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        if request.method() != Method::POST {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return response;
        }
        if let Err(refusal) = self.receive(request).await {
            complain(format_args!("refused: {}", with_causes(&refusal)));
            *response.status_mut() = refusal.status();
        }
        response
    }

    async fn receive(&self, request: Request<Incoming>) -> Result<(), Refusal> {
        let body = Limited::new(request.into_body(), BODY_BYTES).collect();
        let body = tokio::time::timeout(BODY_TIME, body).await.map_err(|_| Refusal::SlowBody)?;
        let body = body.map_err(Refusal::Body)?.to_bytes();
        for message in decode(&body)?.messages {
            self.receive_message(message).await?;
        }
        Ok(())
    }

    async fn receive_message(&self, message: Message) -> Result<(), Refusal> {
        let sns = message.sns.as_ref().ok_or(Refusal::NotSigned)?;
        let now = SystemTime::now();
        let url = self.verifier.certificate_url(sns)?;
        let certificate = self.certificates.get(url, &self.fetcher, now).await?;
        let verified = self.verifier.verify(sns, &certificate, now)?;
        if self.seen().admit(&verified, now).is_err() {
            // A repeated message: SNS did not get the first answer.
            return Ok(());
        }
        let done = self.act(&verified, &message.content).await;
        if done.is_err() {
            self.seen().forget(&verified);
        }
        done
    }

    /// Locked for moments only, never while something is awaited.
    fn seen(&self) -> MutexGuard<'_, ReplayWindow> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn act(&self, verified: &Verified<'_>, content: &Content) -> Result<(), Refusal> {
        match verified.message() {
            SnsMessage::SubscriptionConfirmation(_) => self.confirm(verified).await,
            SnsMessage::Notification(_) => {
                if let Some(dir) = &self.save {
                    save(dir, verified).await?;
                }
                let delivery = Delivery { message: verified.message().clone(), content: content.clone() };
                self.deliveries.send_timeout(delivery, QUEUE_TIME).await.map_err(|error| match error {
                    SendTimeoutError::Timeout(_) => Refusal::Busy,
                    SendTimeoutError::Closed(_) => Refusal::Stopped,
                })
            }
            // Its URL would subscribe again.
            SnsMessage::UnsubscribeConfirmation(confirmation) => {
                complain(format_args!("unsubscribed from {}", confirmation.topic_arn));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn confirm(&self, verified: &Verified<'_>) -> Result<(), Refusal> {
        if let Some(url) = self.verifier.subscription_url(verified)? {
            self.fetcher.get(url.as_str()).await?;
            complain(format_args!("subscribed to {}", verified.message().topic_arn()));
        }
        Ok(())
    }
}

/// Why a post is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("cannot read the body, or it has more than {BODY_BYTES} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the body did not arrive within {BODY_TIME:?}")]
    SlowBody,
    #[error(transparent)]
    NotUnderstood(#[from] DecodeError),
    #[error("raw delivery has no signature; switch it off for this subscription")]
    NotSigned,
    #[error("message not verified")]
    NotVerified(#[from] VerifyError),
    #[error("invalid certificate")]
    Certificate(#[from] CertificateError),
    #[error("subscription URL refused")]
    Url(#[from] UrlError),
    #[error("cannot fetch a certificate or confirm the subscription")]
    Fetch(#[from] FetchError),
    #[error("cannot save the message")]
    Save(#[from] io::Error),
    /// The message waited for a fetch that another one had begun.
    #[error(transparent)]
    OfAnother(Arc<Self>),
    #[error("notifications are not read: none was taken within {QUEUE_TIME:?}")]
    Busy,
    #[error("the program is stopping")]
    Stopped,
}

impl Refusal {
    /// SNS retries after a 5xx status and not after 4xx.
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(_) | Self::NotUnderstood(_) => StatusCode::BAD_REQUEST,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::OfAnother(refusal) => refusal.status(),
            Self::NotSigned | Self::NotVerified(_) | Self::Certificate(_) | Self::Url(_) => StatusCode::FORBIDDEN,
            Self::Fetch(_) | Self::Save(_) | Self::Busy | Self::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
