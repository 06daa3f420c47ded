//! The command-line program around [`LocalKvs`].

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use kvs_local::{Builder, Decoder, Fault, LocalKvs, Profile, Quotas, SignatureVersion, StatusPage, Subscription};
use kvs_types::__internal::{ErrorChain, Printable, PrintableJson};

/// Kinesis Video Streams on your own machine: a server for tests and development.
///
/// Prints one line with its address when it is ready. Stop it with Ctrl-C or SIGTERM.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Address and port to listen on; port 0 means a free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4567")]
    listen: SocketAddr,
    /// Allow --listen to name an address that other machines can reach.
    #[arg(long)]
    allow_remote: bool,
    /// URL under which other machines or containers reach the service: its host is accepted in requests, and GetDataEndpoint and
    /// messages contain it.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Let web pages of this origin use the service, such as https://viewer.example; can be repeated. Pages of localhost and loopback
    /// addresses may always use it. Other pages are refused.
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// Serve control plane and data plane on one port, for clients that do not ask GetDataEndpoint; they fail with AWS.
    #[arg(long, conflicts_with = "data_ports")]
    one_port: bool,
    /// Ports of the data endpoints: PutMedia and GetMedia, archived media. Default: the two ports after that of --listen.
    #[arg(long, value_name = "MEDIA,ARCHIVED", value_parser = data_ports)]
    data_ports: Option<(u16, u16)>,
    /// Folder for streams, media, images and notifications; created if needed.
    #[arg(long, value_name = "DIR", default_value = "kvs-local-data")]
    data_dir: PathBuf,
    /// Allow --allow-remote with the public default key: everyone who can reach the address can use the service.
    #[arg(long)]
    allow_default_key: bool,
    /// Accept requests signed with this key, KEY:SECRET or KEY:SECRET:TOKEN; can be repeated. Other users of this machine can see it:
    /// prefer the environment or --credentials-file. Default: kvs-local:kvs-local-secret.
    #[arg(
        long,
        value_name = "KEY:SECRET",
        env = "KVS_LOCAL_CREDENTIALS",
        hide_env_values = true,
        value_delimiter = ' '
    )]
    credentials: Vec<UncheckedCredentials>,
    /// Accept requests signed with the keys in this file, one KEY:SECRET or KEY:SECRET:TOKEN on each line; # starts a comment.
    #[arg(long, value_name = "FILE", value_parser = credentials_file)]
    credentials_file: Option<KeyList>,
    /// Accept every request without checking signatures.
    #[arg(long)]
    anonymous: bool,
    /// Region in ARNs and in the scope of signatures. Default: AWS_REGION, AWS_DEFAULT_REGION, us-west-2.
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    region: Option<String>,
    /// Account in ARNs and image keys, 12 digits.
    #[arg(long, value_name = "ACCOUNT", default_value = "111122223333")]
    account: String,
    /// Create these streams at start and after a reset: a JSON list of CreateStream requests, each with
    /// ImageGenerationConfiguration and NotificationConfiguration if wanted. Streams that exist stay as they are.
    #[arg(long, value_name = "FILE", value_parser = text_of)]
    seed: Option<FileText>,
    /// Post the messages of an SNS topic, or the events of the bucket arn:aws:s3:::BUCKET, to an http:// URL; can be repeated.
    #[arg(long, value_name = "TOPIC_ARN=URL", value_parser = subscription)]
    subscribe: Vec<Subscription>,
    /// Post raw messages, without the SNS envelope, to an http:// URL; can be repeated.
    #[arg(long, value_name = "TOPIC_ARN=URL", value_parser = subscription)]
    subscribe_raw: Vec<Subscription>,
    /// Put images into the buckets of this S3 endpoint too, such as an emulator at http://localhost:4566. Default: AWS_ENDPOINT_URL_S3,
    /// then AWS_ENDPOINT_URL. Signed with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or else with test and test.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_S3")]
    s3_endpoint: Option<String>,
    /// Publish notifications to the topics of this SNS endpoint too. Default: AWS_ENDPOINT_URL_SNS, then AWS_ENDPOINT_URL.
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_SNS")]
    sns_endpoint: Option<String>,
    /// Create buckets and topics that do not exist at the endpoints.
    #[arg(long)]
    create_missing: bool,
    /// Allow the endpoints to be those of AWS, where objects and messages cost money.
    #[arg(long)]
    allow_aws: bool,
    /// Signature version of SNS messages. In the real service it is an attribute of the topic.
    #[arg(long, value_name = "VERSION", value_enum, default_value_t = Signatures::One)]
    signature_version: Signatures,
    /// Be as slow and strict as the service: delays of a minute for configurations and of 2 s for streams, rate quotas, status 200
    /// for unknown paths. FIDELITY.md lists the differences.
    #[arg(long, conflicts_with_all = ["one_port", "anonymous"])]
    as_aws: bool,
    /// Seconds until image and notification configuration becomes effective; in the real service at least a minute. Default: 0.
    #[arg(long, value_name = "SECONDS")]
    config_delay: Option<u64>,
    /// Milliseconds that a stream stays CREATING, UPDATING or DELETING. Default: 0.
    #[arg(long, value_name = "MS")]
    transition_delay: Option<u64>,
    /// Serve https; clients must trust ca.pem in the data folder.
    #[arg(long)]
    tls: bool,
    /// Fault script to inject: a JSON list of faults.
    #[arg(long, value_name = "FILE", value_parser = faults)]
    faults: Option<FaultScript>,
    /// Serve the status page at /: auto means unless --allow-remote is given. With keys of your own, auto shows no media on it.
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t = ServePage::Auto,
        default_missing_value = "on",
        num_args = 0..=1,
        require_equals = true
    )]
    status_page: ServePage,
    /// Which decoders make images: auto uses ffmpeg, if it is on the path, for video that the built-in ones cannot decode.
    #[arg(long, value_name = "DECODER", value_enum, default_value_t = Decoders::Auto)]
    decoder: Decoders,
    /// Which version of the service's limits applies.
    #[arg(long, value_name = "PROFILE", value_enum, default_value_t = LimitsProfile::Current)]
    profile: LimitsProfile,
    /// Stop when standard input ends, so that the service does not outlive the program that started it, whatever ends that program.
    #[arg(long)]
    stop_at_eof: bool,
    /// Format of the log on standard error; RUST_LOG selects what is logged.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Enforce the rate quotas of the service: throttle calls, limit the speed of media.
    #[arg(long)]
    quotas: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Ask a running service whether it is ready. Exit status 0 means yes, for HEALTHCHECK of a container.
    Health {
        /// Address of the service. Only a connection is made to a service that uses TLS.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4567")]
        address: SocketAddr,
        /// The service uses TLS.
        #[arg(long)]
        tls: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LimitsProfile {
    Current,
    #[value(name = "2022")]
    Year2022,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ServePage {
    Auto,
    /// Everyone who can reach the service can look at all streams without a key.
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Decoders {
    /// The built-in ones first.
    Auto,
    /// Only the built-in ones.
    BuiltIn,
    /// Only ffmpeg.
    Ffmpeg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// Lines to read.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Signatures {
    #[value(name = "1")]
    One,
    #[value(name = "2")]
    Two,
}

#[derive(Clone)]
struct Credentials {
    key: String,
    secret: String,
    token: Option<String>,
}

/// Redacts the secret.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("key", &self.key).field("secret", &"[redacted]").finish_non_exhaustive()
    }
}

/// A value of `--credentials` as it was given. clap must not refuse it, because it would print it, and so the secret.
#[derive(Clone)]
struct UncheckedCredentials(String);

impl From<String> for UncheckedCredentials {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Redacts the secret.
impl std::fmt::Debug for UncheckedCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A value of `--credentials` is malformed. The error does not contain it.
#[derive(Debug, thiserror::Error)]
#[error("value {place} of --credentials or KVS_LOCAL_CREDENTIALS is malformed: {reason}")]
struct InvalidCredentials {
    place: usize,
    reason: String,
}

fn checked(given: Vec<UncheckedCredentials>) -> Result<Vec<Credentials>, InvalidCredentials> {
    let check = |(at, UncheckedCredentials(text)): (usize, UncheckedCredentials)| {
        credentials(&text).map_err(|reason| InvalidCredentials { place: at + 1, reason })
    };
    given.into_iter().enumerate().map(check).collect()
}

fn credentials(text: &str) -> Result<Credentials, String> {
    let mut parts = text.splitn(3, ':').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(key), Some(secret), token) if !key.is_empty() && !secret.is_empty() => {
            Ok(Credentials { key, secret, token })
        }
        _ => Err("expected KEY:SECRET or KEY:SECRET:TOKEN".to_owned()),
    }
}

/// Sets the endpoints for images and messages, and their keys, from options and the environment.
fn outgoing(mut builder: Builder, s3: Option<String>, sns: Option<String>, listen: SocketAddr) -> Builder {
    // Clients of this service often have its own address there.
    let own = |url: &String| url.trim_end_matches('/').ends_with(&format!(":{}", listen.port()));
    let general = variable("AWS_ENDPOINT_URL").filter(|url| !own(url));
    let given = |url: Option<String>| url.filter(|url| !url.is_empty());
    if let Some(url) = given(s3).or_else(|| general.clone()) {
        builder = builder.s3_endpoint(url);
    }
    if let Some(url) = given(sns).or(general) {
        builder = builder.sns_endpoint(url);
    }
    if let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        builder = builder.endpoint_credentials(id, secret, variable("AWS_SESSION_TOKEN"));
    }
    builder
}

/// The keys of a file.
#[derive(Clone, Debug)]
struct KeyList(Vec<Credentials>);

fn credentials_file(path: &str) -> Result<KeyList, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<Credentials> = lines
        .map(|(at, line)| credentials(line).map_err(|error| format!("line {}: {error}", at + 1)))
        .collect::<Result<_, _>>()?;
    if keys.is_empty() { Err("the file contains no key".to_owned()) } else { Ok(KeyList(keys)) }
}

/// The faults of a fault script.
#[derive(Clone, Debug)]
struct FaultScript(Vec<Fault>);

/// The text of a file.
#[derive(Clone, Debug)]
struct FileText(String);

fn text_of(path: &str) -> Result<FileText, String> {
    std::fs::read_to_string(path).map(FileText).map_err(|error| with_causes(&error))
}

/// Returns an environment variable. An empty one counts as missing, as in the AWS SDKs.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn faults(path: &str) -> Result<FaultScript, String> {
    let text = std::fs::read_to_string(path).map_err(|error| with_causes(&error))?;
    Fault::read(&text).map(FaultScript).map_err(|error| with_causes(&error))
}

fn data_ports(text: &str) -> Result<(u16, u16), String> {
    let ports = text.split_once(',').and_then(|(media, archived)| Some((media.parse().ok()?, archived.parse().ok()?)));
    ports.ok_or_else(|| "expected two ports, such as 4568,4569".to_owned())
}

fn subscription(text: &str) -> Result<Subscription, String> {
    let (topic, url) = text.split_once('=').ok_or("expected TOPIC_ARN=URL")?;
    Subscription::new(topic, url).map_err(|error| with_causes(&error))
}

impl From<ServePage> for StatusPage {
    fn from(page: ServePage) -> Self {
        match page {
            ServePage::Auto => Self::Auto,
            ServePage::On => Self::On,
            ServePage::Off => Self::Off,
        }
    }
}

impl From<Decoders> for Decoder {
    fn from(decoders: Decoders) -> Self {
        match decoders {
            Decoders::Auto => Self::Auto,
            Decoders::BuiltIn => Self::BuiltIn,
            Decoders::Ffmpeg => Self::Ffmpeg,
        }
    }
}

impl Arguments {
    fn into_builder(self) -> Result<Builder, InvalidCredentials> {
        let profile = match self.profile {
            LimitsProfile::Current => Profile::Current,
            LimitsProfile::Year2022 => Profile::Year2022,
        };
        let mut builder = LocalKvs::builder()
            .listen(self.listen)
            .data_dir(self.data_dir)
            .region(
                self.region
                    .filter(|region| !region.is_empty())
                    .or_else(|| variable("AWS_DEFAULT_REGION"))
                    .unwrap_or_else(|| "us-west-2".to_owned()),
            )
            .account(self.account)
            .profile(profile);
        if self.as_aws {
            builder = builder.as_aws();
        }
        if let Some(seconds) = self.config_delay {
            builder = builder.config_delay(Duration::from_secs(seconds));
        }
        if let Some(ms) = self.transition_delay {
            builder = builder.transition_delay(Duration::from_millis(ms));
        }
        let listed = self.credentials_file.map(|KeyList(keys)| keys).unwrap_or_default();
        for Credentials { key, secret, token } in checked(self.credentials)?.into_iter().chain(listed) {
            builder = match token {
                Some(token) => builder.session_credentials(key, secret, token),
                None => builder.credentials(key, secret),
            };
        }
        let version = match self.signature_version {
            Signatures::One => SignatureVersion::V1,
            Signatures::Two => SignatureVersion::V2,
        };
        for subscription in self.subscribe.into_iter().chain(self.subscribe_raw.into_iter().map(Subscription::raw)) {
            builder = builder.subscription(subscription.signature_version(version.clone()));
        }
        builder = builder.status_page(self.status_page.into()).decoder(self.decoder.into());
        if self.allow_default_key {
            builder = builder.allow_default_key();
        }
        builder = outgoing(builder, self.s3_endpoint, self.sns_endpoint, self.listen);
        if self.create_missing {
            builder = builder.create_missing();
        }
        if self.allow_aws {
            builder = builder.allow_aws();
        }
        if let Some(url) = self.public_url {
            builder = builder.public_url(url);
        }
        for origin in self.cors_origin {
            builder = builder.cors_origin(origin);
        }
        if let Some(FileText(streams)) = self.seed {
            builder = builder.streams(streams);
        }
        if self.one_port {
            builder = builder.one_port();
        }
        if let Some((media, archived_media)) = self.data_ports {
            builder = builder.data_ports(media, archived_media);
        }
        if self.quotas {
            builder = builder.quotas(Quotas::Service);
        }
        if self.anonymous {
            builder = builder.anonymous();
        }
        if self.tls {
            builder = builder.tls();
        }
        if let Some(FaultScript(faults)) = self.faults {
            builder = builder.faults(faults);
        }
        Ok(if self.allow_remote { builder.allow_remote() } else { builder })
    }
}

/// Values come from outside: each is written so that it can neither control the terminal nor begin a line.
fn write_field(
    writer: &mut tracing_subscriber::fmt::format::Writer<'_>,
    field: &tracing::field::Field,
    value: &dyn std::fmt::Debug,
) -> std::fmt::Result {
    match field.name() {
        "message" => write!(writer, "{}", Printable(format_args!("{value:?}"))),
        name => write!(writer, " {name}={}", Printable(format_args!("{value:?}"))),
    }
}

/// Standard error for lines of JSON. JSON escapes neither C1 control characters nor marks that reorder text, and both come from
/// outside.
struct PrintableStderr;

impl Write for PrintableStderr {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        // The log writes whole lines.
        write!(std::io::stderr(), "{}", PrintableJson(String::from_utf8_lossy(line)))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Logs a panic. Otherwise it would be printed as text between lines of JSON, and decoders of untrusted media panic.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        tracing::error!(place, %backtrace, "panic: {message}");
    } else {
        tracing::error!(place, "panic: {message}");
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // An empty variable would turn the log off.
    let filter = variable("RUST_LOG").and_then(|filter| filter.parse::<tracing_subscriber::EnvFilter>().ok());
    let filter = filter.unwrap_or_else(|| "kvs_local=info".into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Text => log.fmt_fields(tracing_subscriber::fmt::format::debug_fn(write_field)).init(),
        LogFormat::Json => log.json().flatten_event(true).with_writer(|| PrintableStderr).init(),
    }
    std::panic::set_hook(Box::new(log_panic));
    if let Some(Action::Health { address, tls }) = arguments.action {
        return match health(address, tls) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {address} is not ready: {}", Printable(ErrorChain(&error)));
                ExitCode::FAILURE
            }
        };
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let code = runtime.block_on(run(arguments));
    // Dropping it would wait for work that does not end.
    runtime.shutdown_timeout(RUNTIME_GRACE);
    code
}

/// Asks a service whether it is ready.
fn health(address: SocketAddr, tls: bool) -> std::io::Result<()> {
    const LIMIT: Duration = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    if tls {
        return Ok(());
    }
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    match &status {
        b"HTTP/1.1 200" => Ok(()),
        _ => Err(std::io::Error::other("it does not answer like kvs-local")),
    }
}

/// How long threads may take to end when everything was stopped.
const RUNTIME_GRACE: Duration = Duration::from_secs(1);

async fn run(arguments: Arguments) -> ExitCode {
    // Beyond a file size limit (RLIMIT_FSIZE) a write must fail, as on a full disk, instead of ending the process.
    #[cfg(unix)]
    let _limits = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ));
    let stop_at_eof = arguments.stop_at_eof;
    let builder = match arguments.into_builder() {
        Ok(builder) => builder,
        Err(error) => return failed(&error),
    };
    let local = match builder.start().await {
        Ok(local) => local,
        Err(error) => return failed(&error),
    };
    // Before the line below: scripts may stop the service as soon as they have read it.
    let stop_requested = match stop_requested() {
        Ok(stop_requested) => stop_requested,
        Err(error) => return failed(&error),
    };
    // Scripts wait for the first line, other tools for the second, often through a pipe, so it must be flushed.
    let mut out = std::io::stdout();
    let printed = writeln!(out, "kvs-local listening on {}\nReady.", local.endpoint_url()).and_then(|()| out.flush());
    if let Err(error) = printed {
        tracing::warn!(%error, "failed to write to standard output");
    }
    let stopped = tokio::select! {
        stopped = stop_requested => stopped,
        ended = input_ended(), if stop_at_eof => ended,
    };
    if let Err(error) = stopped {
        return failed(&error);
    }
    local.shutdown().await;
    ExitCode::SUCCESS
}

/// The number on Linux (except MIPS), macOS and the BSDs.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// Returns a future that ends with Ctrl-C and, on Unix, SIGTERM. From the call on, they no longer kill the process.
fn stop_requested() -> std::io::Result<impl Future<Output = std::io::Result<()>>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            }
        })
    }
    #[cfg(not(unix))]
    Ok(tokio::signal::ctrl_c())
}

/// Waits until standard input ends. The thread that reads it cannot be cancelled, so the end of the process ends it.
async fn input_ended() -> std::io::Result<()> {
    let (ended, end) = tokio::sync::oneshot::channel();
    let read = move || {
        let _ = ended.send(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map(drop));
    };
    std::thread::Builder::new().name("stdin".to_owned()).spawn(read)?;
    end.await.unwrap_or(Ok(()))
}

/// Prints one line and returns the status that clap uses for invalid options.
fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {}", Printable(ErrorChain(error)));
    ExitCode::from(2)
}

/// Returns an error and its causes on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    ErrorChain(error).to_string()
}
