//! An HTTP endpoint for SNS: agrees to the subscription, verifies every message, prints or saves what it says.
//!
//! ```text
//! # beside kvs-local on this machine, which posts to it:
//! sns_listener --listen 127.0.0.1:8080 --topic arn:aws:sns:us-west-2:111122223333:cameras \
//!     --origin http://127.0.0.1:4566 --roots DATA_DIR/keys/sns-authority.pem
//!
//! # behind a proxy that takes https from SNS; the intermediates are those of https://www.amazontrust.com/repository/
//! sns_listener --listen 127.0.0.1:8080 --topic arn:aws:sns:us-west-2:111122223333:cameras --intermediates amazon-rsa-2048.pem
//! ```
//!
//! Each notification is one line of JSON on standard output. Posts that do not verify are answered with 403 and said on standard error.

mod desk;
mod fetch;
mod save;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kvs_notify::{TrustRoots, UrlPolicy, Verifier};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::desk::Desk;
use crate::fetch::Fetcher;

/// The name that certificates for SNS messages carry, those of kvs-local included.
const CERTIFICATE_NAME: &str = "sns.amazonaws.com";

/// Takes messages of SNS, verifies them and prints what they say.
#[derive(clap::Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A topic whose messages are taken, by its ARN; may be given several times.
    #[arg(long, required = true)]
    topic: Vec<String>,
    /// A PEM file of roots that vouch for signing certificates, instead of Mozilla's.
    #[arg(long)]
    roots: Option<PathBuf>,
    /// A PEM file of certificates between the roots and what SNS serves.
    #[arg(long)]
    intermediates: Option<PathBuf>,
    /// A service other than SNS that may post, as http://127.0.0.1:4566; may be given several times.
    #[arg(long)]
    origin: Vec<String>,
    /// How old a message may be, in seconds.
    #[arg(long, default_value_t = 3600)]
    max_age: u64,
    /// Also save each message as DIR/MESSAGE_ID.json.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Stop after so many notifications.
    #[arg(long)]
    count: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no runtime: {error}")),
    };
    let outcome = runtime.block_on(listen(arguments));
    // Connections that are still open are not waited for.
    runtime.shutdown_background();
    outcome.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn fail(problem: &str) -> ExitCode {
    eprintln!("sns_listener: {problem}");
    ExitCode::FAILURE
}

async fn listen(arguments: Arguments) -> Result<(), String> {
    let (printer, mut lines) = mpsc::channel(64);
    let fetcher = Fetcher::new().map_err(|error| format!("no TLS: {error}"))?;
    let desk = Arc::new(Desk::new(verifier(&arguments)?, fetcher, arguments.save, printer));
    let listener = TcpListener::bind(arguments.listen).await;
    let listener = listener.map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    eprintln!("listening on http://{address}/");
    tokio::spawn(serve(listener, desk));
    let mut left = arguments.count;
    while left != Some(0) {
        let Some(line) = lines.recv().await else { break };
        println!("{line}");
        left = left.map(|left| left.saturating_sub(1));
    }
    Ok(())
}

fn verifier(arguments: &Arguments) -> Result<Verifier, String> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut roots = TrustRoots::new();
    roots = match &arguments.roots {
        Some(path) => roots.roots_pem(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?,
        None => roots.anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    };
    if let Some(path) = &arguments.intermediates {
        roots = roots.intermediates_pem(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let urls = arguments.origin.iter().fold(UrlPolicy::aws(), |urls, origin| urls.and_origin(origin, CERTIFICATE_NAME));
    let max_age = Duration::from_secs(arguments.max_age);
    Ok(Verifier::new(roots, arguments.topic.clone()).urls(urls).max_age(max_age))
}

async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Too many open files: wait for some to close.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let desk = Arc::clone(&desk);
        let answer = service_fn(move |request| {
            let desk = Arc::clone(&desk);
            async move { Ok::<_, hyper::Error>(desk.answer(request).await) }
        });
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}
