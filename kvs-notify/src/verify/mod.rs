//! Verification of SNS messages.

mod cache;
mod certificate;
mod replay;
mod sha1;
mod url;
mod verifier;

pub use cache::CertificateCache;
pub use certificate::{CertificateError, SigningCertificate, TrustRoots};
pub use replay::{ReplayWindow, Replayed};
pub use url::{SigningCertUrl, SubscriptionUrl, UrlError, UrlPolicy};
pub use verifier::{AcceptedVersions, Verified, Verifier, VerifyError};
