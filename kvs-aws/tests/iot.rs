//! Credentials for a device with a certificate: against an endpoint with client authentication, and through outages.

#![expect(clippy::unwrap_used, reason = "a test panics")]

use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_aws::{
    Client, ClientConfig, DescribeStream, HttpSend, IotConfig, IotConfigError, IotCredentials, IotError,
    ProvideCredentials, Region, ResponseBody, SendFuture, TlsRoots, TransportError,
};
use kvs_types::__internal::ErrorChain;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const SECRET: &str = "very-secret";

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        Self { der: made.der().clone(), pem: made.pem(), issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key, both in PEM.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (made.pem(), key.serialize_pem())
    }

    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config =
            config.with_client_cert_verifier(verifier).with_single_cert(vec![made.der().clone()], key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A credentials endpoint that responds to devices with a certificate of its authority.
struct Endpoint {
    address: String,
    authority: Authority,
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Endpoint {
    async fn start(answer: String) -> Self {
        let authority = Authority::named("ours");
        let (acceptor, heads) = (authority.acceptor(), Arc::new(Mutex::new(Vec::new())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = match acceptor.accept(stream).into_fallible().await {
                    Ok(stream) => stream,
                    Err((_, mut stream)) => {
                        // Unread data of the device would cause a reset, which could overtake the TLS alert.
                        let _ = stream.shutdown().await;
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                        continue;
                    }
                };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.shutdown().await;
            }
        });
        Self { address, authority, heads, task }
    }

    fn device(&self, certificate: &str, key: &str) -> IotConfig {
        let config = IotConfig::new(&self.address, "camera-upload", certificate, key).unwrap();
        config.tls_roots(TlsRoots::Pem(self.authority.pem.clone().into_bytes()))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn issued(key: &str, until: SystemTime) -> String {
    let end = jiff::Timestamp::try_from(until).unwrap();
    format!(
        r#"{{"credentials":{{"accessKeyId":"{key}","secretAccessKey":"{SECRET}","sessionToken":"{SECRET}-token","expiration":"{end:.0}"}}}}"#
    )
}

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600)
}

async fn fetch_error(config: IotConfig) -> IotError {
    let error = IotCredentials::new(config).unwrap().provide_credentials().await.unwrap_err();
    error.source().unwrap().downcast_ref::<IotError>().unwrap().clone()
}

#[tokio::test]
async fn returns_credentials_for_a_registered_certificate() {
    let endpoint = Endpoint::start(response("200 OK", &issued("AKIDIOT", in_an_hour()))).await;
    let (certificate, key) = endpoint.authority.certify("front-door");
    let device = endpoint.device(&certificate, &key).thing_name("front-door").unwrap();
    let provider = IotCredentials::new(device).unwrap();
    let credentials = provider.provide_credentials().await.unwrap();
    assert_eq!(credentials.access_key_id(), "AKIDIOT");
    assert_eq!(credentials.session_token(), Some("very-secret-token"));
    // Fetched once, then cached, also for a clone.
    provider.clone().provide_credentials().await.unwrap();
    let heads = endpoint.heads.lock().unwrap().clone();
    let [head] = heads.as_slice() else { panic!("{heads:?}") };
    assert!(head.starts_with("GET /role-aliases/camera-upload/credentials HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-amzn-iot-thingname: front-door\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", endpoint.address)), "{head}");
}

#[tokio::test]
async fn reports_a_rejected_device_certificate() {
    let endpoint = Endpoint::start(response("200 OK", &issued("AKIDIOT", in_an_hour()))).await;
    let (certificate, key) = Authority::named("theirs").certify("front-door");
    let error = fetch_error(endpoint.device(&certificate, &key)).await;
    assert!(matches!(&error, IotError::CertificateRefused { .. }), "{error}");
    assert!(ErrorChain(&error).to_string().contains("UnknownCA"), "{}", ErrorChain(&error));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn reports_an_untrusted_endpoint() {
    let endpoint = Endpoint::start(String::new()).await;
    let (certificate, key) = endpoint.authority.certify("front-door");
    let error = fetch_error(endpoint.device(&certificate, &key).tls_roots(TlsRoots::Default)).await;
    assert!(matches!(&error, IotError::EndpointUntrusted { .. }), "{error}");
    assert!(ErrorChain(&error).to_string().contains("UnknownIssuer"), "{}", ErrorChain(&error));
}

#[tokio::test]
async fn error_responses_are_classified_by_who_must_act() {
    for (status, needle, transient) in [
        ("403 Forbidden", "iot:AssumeRoleWithCertificate", false),
        ("404 Not Found", "role alias \"camera-upload\" does not exist", false),
        ("400 Bad Request", "rejected the request (HTTP 400: Said)", false),
        ("503 Service Unavailable", "temporarily unavailable (HTTP 503: Said)", true),
        ("429 Too Many Requests", "temporarily unavailable (HTTP 429: Said)", true),
    ] {
        let endpoint = Endpoint::start(response(status, r#"{"message":"Said"}"#)).await;
        let (certificate, key) = endpoint.authority.certify("front-door");
        let error = fetch_error(endpoint.device(&certificate, &key)).await;
        assert!(error.to_string().contains(needle), "{error}");
        assert_eq!(error.is_transient(), transient, "{error}");
    }
    let endpoint = Endpoint::start(response("200 OK", r#"{"credentials":{"secretAccessKey":["very-secret"]}}"#)).await;
    let (certificate, key) = endpoint.authority.certify("front-door");
    let error = fetch_error(endpoint.device(&certificate, &key)).await;
    assert!(
        matches!(error, IotError::InvalidResponse { .. }) && !format!("{error}{error:?}").contains(SECRET),
        "{error}"
    );
}

#[tokio::test]
async fn rejects_invalid_certificates_and_keys_before_sending() {
    let authority = Authority::named("ours");
    let ((certificate, key), (_, other)) = (authority.certify("a"), authority.certify("b"));
    let new = |certificate: &str, key: &str| {
        IotCredentials::new(
            IotConfig::new("a.credentials.iot.eu-west-1.amazonaws.com", "alias", certificate, key).unwrap(),
        )
    };
    assert!(new(&certificate, &key).is_ok());
    assert!(matches!(new(&key, &key), Err(IotConfigError::NoCertificate)));
    assert!(matches!(new(&certificate, &certificate), Err(IotConfigError::NoPrivateKey)));
    assert!(matches!(new(&certificate, &other), Err(IotConfigError::Identity(_))));
    let config = IotConfig::new("https://a.example", "alias", certificate.clone(), key.clone()).unwrap();
    assert!(!format!("{config:?}").contains("PRIVATE"), "{config:?}");
    for wrong in ["http://a.example", "a.example/path", ""] {
        assert!(IotConfig::new(wrong, "alias", certificate.clone(), key.clone()).is_err(), "{wrong}");
    }
    for wrong in ["", "a/b", "a b", "ä", &"a".repeat(129)] {
        assert!(IotConfig::new("a.example", wrong, certificate.clone(), key.clone()).is_err(), "{wrong}");
    }
    assert!(config.thing_name("front door").is_err());
}

#[test]
fn reads_the_environment_variables_of_the_c_samples() {
    let (certificate, key) = Authority::named("ours").certify("front-door");
    let folder = tempfile::tempdir().unwrap();
    let (certificate_path, key_path) = (folder.path().join("device.pem"), folder.path().join("device.key"));
    std::fs::write(&certificate_path, certificate).unwrap();
    std::fs::write(&key_path, key).unwrap();
    let (certificate_path, key_path) = (certificate_path.to_str().unwrap(), key_path.to_str().unwrap());
    let vars = [
        ("AWS_IOT_CORE_CREDENTIAL_ENDPOINT", "a.credentials.iot.eu-west-1.amazonaws.com"),
        ("AWS_IOT_CORE_ROLE_ALIAS", "alias"),
        ("AWS_IOT_CORE_CERT", certificate_path),
        ("AWS_IOT_CORE_PRIVATE_KEY", key_path),
        ("AWS_IOT_CORE_THING_NAME", "front-door"),
    ];
    let without = |left_out: &str| {
        let vars = vars.iter().filter(|(name, _)| *name != left_out).copied().collect::<Vec<_>>();
        IotConfig::from_vars(move |name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    };
    assert!(IotCredentials::new(without("").unwrap().unwrap()).is_ok());
    assert!(without("AWS_IOT_CORE_CREDENTIAL_ENDPOINT").unwrap().is_none());
    assert!(without("AWS_IOT_CORE_THING_NAME").unwrap().is_some());
    for name in ["AWS_IOT_CORE_ROLE_ALIAS", "AWS_IOT_CORE_CERT", "AWS_IOT_CORE_PRIVATE_KEY"] {
        assert_eq!(
            without(name).unwrap_err().to_string(),
            format!("AWS_IOT_CORE_CREDENTIAL_ENDPOINT is set, but {name} is not")
        );
    }
    std::fs::remove_file(key_path).unwrap();
    assert!(without("").unwrap_err().to_string().starts_with("cannot read "));
}

/// An endpoint and a clock that the tests control.
#[derive(Debug, Default)]
struct Virtual {
    seconds: AtomicU64,
    requests: AtomicU64,
    down: std::sync::atomic::AtomicBool,
    /// How far the endpoint's clock is ahead, in seconds.
    ahead: AtomicU64,
}

impl Virtual {
    fn now(&self) -> SystemTime {
        kvs_types::__internal::from_epoch_millis((1_700_000_000 + self.seconds.load(Ordering::Relaxed)) * 1000)
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn provider(self: &Arc<Self>, seed: u64) -> IotCredentials {
        let (certificate, key) = Authority::named("ours").certify("front-door");
        let clock = Arc::clone(self);
        let config = IotConfig::new("iot.example", "alias", certificate, key).unwrap();
        let config = config.seed(seed).clock(move || clock.now()).transport(Arc::clone(self) as Arc<dyn HttpSend>);
        IotCredentials::new(config).unwrap()
    }

    async fn key(&self, provider: &IotCredentials) -> Result<String, IotError> {
        let answer = provider.provide_credentials().await;
        let cause = |error: &dyn std::error::Error| error.source().unwrap().downcast_ref::<IotError>().unwrap().clone();
        answer.map(|credentials| credentials.access_key_id().to_owned()).map_err(|error| cause(&error))
    }
}

impl HttpSend for Virtual {
    fn send(&self, _: http::Request<Bytes>) -> SendFuture<'_> {
        Box::pin(async move {
            let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
            if self.down.load(Ordering::Relaxed) {
                return Err(TransportError::Broken { source: "no route".into() });
            }
            let now = self.now() + Duration::from_secs(self.ahead.load(Ordering::Relaxed));
            let date = jiff::Timestamp::try_from(now).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let body = Bytes::from(issued(&format!("K{number}"), now + Duration::from_secs(3600)));
            Ok(http::Response::builder().header("date", date).body(ResponseBody::full(body)).unwrap())
        })
    }
}

#[tokio::test]
async fn refreshes_before_expiry_at_different_times_per_device() {
    let mut seconds: Vec<u64> = Vec::new();
    for seed in 0..20 {
        let world = Arc::new(Virtual::default());
        let provider = world.provider(seed);
        while world.key(&provider).await.unwrap() == "K1" {
            world.pass(1);
        }
        seconds.push(world.seconds.load(Ordering::Relaxed));
    }
    assert!(seconds.iter().all(|at| (2_520..=2_881).contains(at)), "70 to 80 % of an hour: {seconds:?}");
    assert!(seconds.iter().max().unwrap() - seconds.iter().min().unwrap() > 180, "{seconds:?}");
}

#[tokio::test]
async fn an_outage_is_an_error_only_after_expiry() {
    let world = Arc::new(Virtual::default());
    let provider = world.provider(3);
    assert_eq!(world.key(&provider).await.unwrap(), "K1");
    world.down.store(true, Ordering::Relaxed);
    for second in 0..3_600 {
        assert_eq!(world.key(&provider).await.unwrap(), "K1", "second {second}");
        world.pass(1);
    }
    let requests = world.requests.load(Ordering::Relaxed);
    assert!((10..45).contains(&requests), "{requests} requests in an outage of 12 to 18 minutes");
    let error = world.key(&provider).await.unwrap_err();
    assert!(error.is_transient() && ErrorChain(&error).to_string().contains("no route"), "{error:?}");
    world.down.store(false, Ordering::Relaxed);
    assert!(world.key(&provider).await.is_ok());
}

#[tokio::test]
async fn a_client_survives_a_day_with_an_outage_every_hour() {
    let world = Arc::new(Virtual::default());
    let clock = Arc::clone(&world);
    let config = ClientConfig::new(Region::new("eu-west-1").unwrap(), world.provider(5)).clock(move || clock.now());
    let client = Client::new(config.retry_seed(5)).unwrap();
    for minute in 0..24 * 60 {
        world.down.store(minute % 60 >= 50, Ordering::Relaxed);
        let end = client.credentials_expiry().await.unwrap().unwrap();
        assert!(end > world.now(), "expired credentials in minute {minute}");
        world.pass(60);
    }
    assert!(world.requests.load(Ordering::Relaxed) < 24 * 12);
}

#[tokio::test]
async fn credentials_expire_by_the_clock_of_the_endpoint() {
    let world = Arc::new(Virtual::default());
    world.ahead.store(30 * 86_400, Ordering::Relaxed);
    let provider = world.provider(9);
    for _ in 0..2_520 / 60 {
        assert_eq!(world.key(&provider).await.unwrap(), "K1");
        world.pass(60);
    }
    world.pass(361);
    assert_eq!(world.key(&provider).await.unwrap(), "K2");
}

#[tokio::test]
async fn call_errors_include_the_cause_of_missing_credentials() {
    let world = Arc::new(Virtual::default());
    world.down.store(true, Ordering::Relaxed);
    let client = Client::new(ClientConfig::new(Region::new("eu-west-1").unwrap(), world.provider(1))).unwrap();
    let error = client.send(DescribeStream::new("cam".parse().unwrap())).await.unwrap_err();
    let mut chain = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    assert!(chain.iter().any(|line| line.contains("no route")), "{chain:?}");
}
