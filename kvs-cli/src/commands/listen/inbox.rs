//! Receives posts and checks them.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use kvs_notify::{
    CertificateCache, CertificateError, Content, DecodeError, Message, ReplayWindow, SigningCertificate, SnsMessage,
    UrlError, Verified, Verifier, VerifyError, decode,
};
use tokio::sync::{Mutex, mpsc};

use super::endpoint::Delivery;
use super::fetch::{FetchError, Fetcher};
use super::save::save;
use crate::failure::with_causes;

/// Largest body that is read: SNS messages have at most 256 KiB, and JSON escapes may double them.
const BODY_BYTES: usize = 512 * 1024;

/// What all connections share.
pub(super) struct Inbox {
    verifier: Verifier,
    fetcher: Fetcher,
    save: Option<PathBuf>,
    deliveries: mpsc::Sender<Delivery>,
    certificates: Mutex<CertificateCache>,
    seen: Mutex<ReplayWindow>,
}

impl Inbox {
    pub(super) fn new(
        verifier: Verifier,
        fetcher: Fetcher,
        save: Option<PathBuf>,
        deliveries: mpsc::Sender<Delivery>,
    ) -> Self {
        let (certificates, seen) = (Mutex::default(), Mutex::default());
        Self { verifier, fetcher, save, deliveries, certificates, seen }
    }

    /// Answers one request; a refused one is reported on stderr.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        if request.method() != Method::POST {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return response;
        }
        if let Err(refusal) = self.receive(request).await {
            eprintln!("refused: {}", with_causes(&refusal));
            *response.status_mut() = refusal.status();
        }
        response
    }

    async fn receive(&self, request: Request<Incoming>) -> Result<(), Refusal> {
        let body = Limited::new(request.into_body(), BODY_BYTES).collect().await.map_err(Refusal::Body)?.to_bytes();
        for message in decode(&body)?.messages {
            self.receive_message(message).await?;
        }
        Ok(())
    }

    async fn receive_message(&self, message: Message) -> Result<(), Refusal> {
        let sns = message.sns.as_ref().ok_or(Refusal::NotSigned)?;
        let now = SystemTime::now();
        let certificate = self.certificate(sns, now).await?;
        let verified = self.verifier.verify(sns, &certificate, now)?;
        if self.seen.lock().await.admit(&verified, now).is_err() {
            // A repeated message: SNS did not get the first answer.
            return Ok(());
        }
        let done = self.act(&verified, &message.content).await;
        if done.is_err() {
            self.seen.lock().await.forget(&verified);
        }
        done
    }

    /// Returns the certificate that signed a message; fetched once per day.
    async fn certificate(&self, message: &SnsMessage, now: SystemTime) -> Result<SigningCertificate, Refusal> {
        let url = self.verifier.certificate_url(message)?;
        // Locked while fetching, so that a burst of messages fetches once.
        let mut cache = self.certificates.lock().await;
        if let Some(certificate) = cache.find(&url, now) {
            return Ok(certificate.clone());
        }
        let pem = self.fetcher.get(url.as_str()).await?;
        let certificate = SigningCertificate::from_pem(url, &pem)?;
        cache.insert(certificate.clone(), now);
        Ok(certificate)
    }

    async fn act(&self, verified: &Verified<'_>, content: &Content) -> Result<(), Refusal> {
        match verified.message() {
            SnsMessage::SubscriptionConfirmation(_) => self.confirm(verified).await,
            SnsMessage::Notification(_) => {
                if let Some(dir) = &self.save {
                    save(dir, verified).await?;
                }
                let delivery = Delivery { message: verified.message().clone(), content: content.clone() };
                self.deliveries.send(delivery).await.map_err(|_| Refusal::Stopped)
            }
            // Its URL would subscribe again.
            SnsMessage::UnsubscribeConfirmation(confirmation) => {
                eprintln!("unsubscribed from {}", confirmation.topic_arn);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn confirm(&self, verified: &Verified<'_>) -> Result<(), Refusal> {
        if let Some(url) = self.verifier.subscription_url(verified)? {
            self.fetcher.get(url.as_str()).await?;
            eprintln!("subscribed to {}", verified.message().topic_arn());
        }
        Ok(())
    }
}

/// Why a post is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("cannot read the body, or it has more than {BODY_BYTES} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
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
    #[error("the program is stopping")]
    Stopped,
}

impl Refusal {
    /// SNS retries after a 5xx status and not after 4xx.
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(_) | Self::NotUnderstood(_) => StatusCode::BAD_REQUEST,
            Self::NotSigned | Self::NotVerified(_) | Self::Certificate(_) | Self::Url(_) => StatusCode::FORBIDDEN,
            Self::Fetch(_) | Self::Save(_) | Self::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
