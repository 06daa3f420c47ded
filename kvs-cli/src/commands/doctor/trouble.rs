//! Why the doctor cannot go on: which link is broken, and the next step.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io;

use kvs_aws::{Error, ServiceErrorKind, TransportError};

use crate::failure::{Failure, with_causes};

/// A broken link that ends the examination.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) link: &'static str,
    pub(super) message: String,
    pub(super) fix: String,
}

impl Trouble {
    pub(super) fn new(link: &'static str, message: impl Display, fix: impl Display) -> Self {
        Self { link, message: message.to_string(), fix: fix.to_string() }
    }

    /// No client could be made: settings, credentials, files.
    pub(super) fn of_settings(failure: &Failure) -> Self {
        let message = failure.to_string();
        let (link, fix) = match message.to_lowercase() {
            text if text.contains("no region") => ("Region", "set AWS_REGION, or give --region"),
            text if text.contains("aws_iot_core") || text.contains("device") || text.contains("private key") => {
                ("device certificate", "check the variables AWS_IOT_CORE_*: guide/src/iot.md")
            }
            text if text.contains("cannot read") || text.contains("certificate") => {
                ("TLS", "check AWS_CA_BUNDLE and the files that the variables AWS_IOT_CORE_* name")
            }
            text if text.contains("proxy") => ("proxy", "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"),
            _ => ("credentials", "set both keys, or name a --profile that exists: guide/src/credentials.md"),
        };
        Self { link, message, fix: fix.to_owned() }
    }

    /// A call failed that needs this IAM action.
    pub(super) fn of_call(error: &Error, action: &str) -> Self {
        let chain = with_causes(error);
        let (link, fix) = match error {
            Error::Credentials(_) if chain.to_lowercase().contains("sso") => {
                ("credentials", "aws sso login --profile NAME")
            }
            Error::Credentials(_) => ("credentials", "set credentials: guide/src/credentials.md lists the ways"),
            Error::Transport(error) => of_network(error, &chain),
            Error::Response { .. } => {
                ("network", "what answers there is not the service: check --endpoint, and proxies on the way")
            }
            Error::Service(service) => match of_service(&service.kind) {
                Some(known) => known,
                None if service.status >= 500 => ("service", "a fault of the service: try again later"),
                None => ("service", "the message says what the service refuses: guide/src/errors.md"),
            },
            _ => ("request", "correct what the message names"),
        };
        if link == "permission" {
            let fix = format!("allow {action}: kvs policy admin STREAM_ARN prints a policy");
            return Self::new(link, format_args!("these credentials may not call {action}: {chain}"), fix);
        }
        Self::new(link, chain, fix)
    }

    /// Media of the stream cannot be read.
    pub(super) fn of_media(error: impl StdError) -> Self {
        Self::new("media", with_causes(&error), "the fragment is damaged: look at it with kvs get and kvs mkv")
    }
}

const fn of_service(kind: &ServiceErrorKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        ServiceErrorKind::AccessDenied | ServiceErrorKind::NotAuthorized => ("permission", ""),
        ServiceErrorKind::ExpiredToken => ("credentials", "get new temporary credentials, or set no AWS_SESSION_TOKEN"),
        ServiceErrorKind::UnrecognizedClient => {
            ("credentials", "the access key is not known: check it, and AWS_SESSION_TOKEN if the key is temporary")
        }
        ServiceErrorKind::InvalidSignature
        | ServiceErrorKind::IncompleteSignature
        | ServiceErrorKind::RequestExpired => {
            ("credentials", "the secret key is not the one of the access key, or the clock of this machine is wrong")
        }
        ServiceErrorKind::ClientLimitExceeded
        | ServiceErrorKind::ConnectionLimitExceeded
        | ServiceErrorKind::Throttling => (
            "quota",
            "too many calls for this stream or account: wait, and look for another program that calls in a loop",
        ),
        _ => return None,
    })
}

fn of_network(error: &TransportError, chain: &str) -> (&'static str, &'static str) {
    if chain.contains("proxy") {
        return ("proxy", "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the user and password in them");
    }
    match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(_)) => {
            return (
                "TLS",
                "let kvs trust the authority: AWS_CA_BUNDLE=FILE.pem; of kvs-local --tls, DATA_DIR/ca.pem; behind a proxy that \
                 inspects TLS, the proxy's",
            );
        }
        Some(_) => return ("TLS", "is it https there? a kvs-local without --tls has an http:// address"),
        None => {}
    }
    match (error, find::<io::Error>(error).map(io::Error::kind)) {
        (_, Some(io::ErrorKind::ConnectionRefused)) => {
            ("network", "nothing listens there: start the service, or correct --endpoint and AWS_ENDPOINT_URL")
        }
        (TransportError::Connect { .. }, _) if chain.contains("dns") || chain.contains("lookup") => {
            ("network", "the name is not known: check --endpoint, --region, and the DNS of this machine")
        }
        (TransportError::Timeout { .. }, _) => {
            ("network", "no answer: a firewall must let port 443 to *.kinesisvideo.REGION.amazonaws.com through")
        }
        _ => ("network", "check the address, and whether it is http:// or https://"),
    }
}

/// Finds an error of a type among the causes, also inside I/O errors, which hide theirs.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = hidden.and_then(|hidden| find::<T>(hidden)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
