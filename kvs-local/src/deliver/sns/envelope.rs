//! Signed messages as JSON.

use std::sync::Arc;

use bytes::Bytes;
use kvs_notify::{SignatureVersion, SnsMessage};

use super::signer::{LazySigner, SignerError};

/// Signs messages and names the certificate in them.
#[derive(Clone, Debug)]
pub(super) struct Sealer {
    pub(super) signer: Arc<LazySigner>,
    /// The `SigningCertURL` of messages.
    pub(super) cert_url: String,
}

/// Why a message was not signed.
#[derive(Debug, thiserror::Error)]
pub(in crate::deliver) enum SealError {
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error("service is shutting down")]
    Stopped,
}

impl Sealer {
    /// Signs a message. Returns its JSON. An RSA signature takes milliseconds and runs on a blocking thread.
    pub(super) async fn seal(&self, message: SnsMessage, version: SignatureVersion) -> Result<Bytes, SealError> {
        let (signer, cert_url) = (self.signer.get().await?, self.cert_url.clone());
        let signed = tokio::task::spawn_blocking(move || {
            let signed = signer.sign(message, &version, &cert_url);
            Bytes::from(serde_json::to_vec(&signed).expect("a message of texts is JSON"))
        });
        signed.await.map_err(|_| SealError::Stopped)
    }
}
