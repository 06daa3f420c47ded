//! What the example programs share on the command line: where the service is, times, and how a program ends.

use std::fmt::Display;
use std::future::Future;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use kvs_aws::{
    Client, ClientConfig, ConfigError, Credentials, Endpoint, Error, InvalidEndpoint, InvalidField, IotConfig,
    IotCredentials, Region, TimestampOrigin, TransportError,
};

/// Why a program ends without having done its job.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// What was asked for cannot be done as it was asked: exit code 2.
    pub fn input(message: impl Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// It was tried and did not work: exit code 1.
    pub fn run(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// [`input`](Self::input) with the causes of an error.
    pub fn of_input(error: impl std::error::Error) -> Self {
        Self::input(with_causes(&error))
    }

    /// [`run`](Self::run) with the causes of an error.
    pub fn of_run(error: impl std::error::Error) -> Self {
        Self::run(with_causes(&error))
    }

    /// The same with what it was about in front.
    #[must_use]
    pub fn about(mut self, what: impl Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

/// An error and its causes on one line, leaving out what a cause only repeats.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = next.source();
    }
    line
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Invalid(field) => Self::input(field),
            Error::Transport(TransportError::Connect { .. }) => {
                Self::input(format!("{error}; is the service running there? (--endpoint, AWS_ENDPOINT_URL)"))
            }
            Error::Credentials(_) => Self::of_input(error),
            _ => Self::run(error),
        }
    }
}

impl From<InvalidField> for Failure {
    fn from(field: InvalidField) -> Self {
        Self::input(field)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::input(error)
    }
}

/// Runs a program to its end, or until Ctrl-C: one line on stderr for a failure, and the exit code that goes with it.
pub fn run(program: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let program = async {
        tokio::select! {
            ended = program => ended,
            _ = tokio::signal::ctrl_c() => Err(Failure::run("interrupted")),
        }
    };
    block_on(tokio::runtime::Builder::new_multi_thread(), program)
}

/// Runs a program that sees to Ctrl-C itself, on one thread: that wakes up a quarter as often as several that hand on the work.
pub fn run_to_the_end(program: impl Future<Output = Result<(), Failure>> + Send + 'static) -> ExitCode {
    // A task, because waking the future that the runtime itself waits for costs two system calls each time.
    let task = async { tokio::spawn(program).await.unwrap_or_else(|error| Err(Failure::run(error))) };
    block_on(tokio::runtime::Builder::new_current_thread(), task)
}

fn block_on(mut runtime: tokio::runtime::Builder, program: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    end(match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(program),
        Err(error) => Err(Failure::run(error)),
    })
}

/// How a program ends: one line on stderr for a failure, and the exit code that goes with it.
pub fn end(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            let line = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            // Whoever closed stderr does not want to know.
            let _ = writeln!(std::io::stderr(), "error: {line}");
            ExitCode::from(code)
        }
    }
}

/// Prints a line on stdout; a reader who has gone away (`| head`) is no error.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Whose clock times on the command line are of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Clock {
    /// The camera's.
    Producer,
    /// The service's: when it received a fragment.
    Server,
}

impl Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Producer => "producer",
            Self::Server => "server",
        })
    }
}

impl From<Clock> for TimestampOrigin {
    fn from(clock: Clock) -> Self {
        match clock {
            Clock::Producer => Self::Producer,
            Clock::Server => Self::Server,
        }
    }
}

/// Where the service is.
#[derive(Debug, Clone, Args)]
pub struct Service {
    /// The service's address, for example http://127.0.0.1:4567. Without it AWS_ENDPOINT_URL, or AWS itself.
    #[arg(long, global = true, value_name = "URL", value_parser = parse_endpoint)]
    endpoint: Option<String>,
    /// The region. Without it AWS_REGION or AWS_DEFAULT_REGION.
    #[arg(long, global = true, value_name = "REGION")]
    region: Option<String>,
}

impl Service {
    /// The address that the command line names, if it names one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// A client of it, with credentials from the environment: keys, or a device's certificate (`AWS_IOT_CORE_*`). For an
    /// endpoint that is named here, those of kvs-local and its region are taken if the environment has none.
    ///
    /// # Errors
    /// When region, credentials or endpoint are missing or wrong.
    pub fn client(&self) -> Result<Client, Failure> {
        let device = IotConfig::from_env().map_err(Failure::of_input)?;
        let config = self.config(device.is_some())?;
        let config = match device {
            Some(device) => config.credentials(IotCredentials::new(device).map_err(Failure::of_input)?),
            None => config,
        };
        Ok(Client::new(config)?)
    }

    /// The environment's configuration. A device brings no keys: those that stand in here are replaced.
    fn config(&self, device: bool) -> Result<ClientConfig, ConfigError> {
        let custom = self.endpoint.is_some() || std::env::var_os("AWS_ENDPOINT_URL").is_some();
        let own = |name: &str| -> Option<String> {
            match name {
                "AWS_REGION" if custom => Some("us-west-2".to_owned()),
                "AWS_ACCESS_KEY_ID" if custom || device => Some(kvs_local::ACCESS_KEY.to_owned()),
                "AWS_SECRET_ACCESS_KEY" if custom || device => Some(kvs_local::SECRET_KEY.to_owned()),
                _ => None,
            }
        };
        let has = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // Half a pair of keys is a mistake, not a reason to sign with others.
        let keys = has("AWS_ACCESS_KEY_ID").is_some() || has("AWS_SECRET_ACCESS_KEY").is_some();
        ClientConfig::from_vars(|name| match name {
            "AWS_REGION" => {
                self.region.clone().or_else(|| has(name)).or_else(|| has("AWS_DEFAULT_REGION")).or_else(|| own(name))
            }
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" if !keys => own(name),
            "AWS_ENDPOINT_URL_KINESIS_VIDEO" => self.endpoint.clone().or_else(|| has(name)),
            name => has(name),
        })
    }
}

/// The address as it was given, if it is one: a mistake should be laid to the option, not to a variable.
fn parse_endpoint(text: &str) -> Result<String, InvalidEndpoint> {
    text.parse::<Endpoint>().map(|_| text.to_owned())
}

/// A client of an embedded service.
///
/// # Errors
/// When its address or region is none.
pub fn client_of(local: &kvs_local::LocalKvs) -> Result<Client, ConfigError> {
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = ClientConfig::new(Region::new(local.region())?, credentials).endpoint_url(local.endpoint_url())?;
    Client::new(config)
}

/// Reads a time: RFC 3339, or without an offset in UTC (`2026-11-22T18:00:00`), a date alone, seconds since 1970,
/// `now`, or an age such as `-90s`, `-15m`, `-2h`, `-1d`.
///
/// # Errors
/// When it is none of these.
pub fn parse_time(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    let text = text.trim();
    let refuse =
        || format!("{text:?} is no time: use 2026-11-22T18:00:00Z, seconds since 1970, now, or an age such as -15m");
    if text == "now" {
        return Ok(now);
    }
    if let Some(age) = text.strip_prefix('-') {
        return now.checked_sub(parse_duration(age)?).ok_or_else(refuse);
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && let Some(time) = text.parse().ok().and_then(kvs_types::__internal::from_epoch_seconds)
    {
        return Ok(time);
    }
    let stamp = text.parse::<jiff::Timestamp>().ok();
    let naive = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let stamp = stamp.or_else(|| naive().map(|zoned| zoned.timestamp())).ok_or_else(refuse)?;
    if stamp < jiff::Timestamp::UNIX_EPOCH {
        return Err(format!("{text:?} is before 1970"));
    }
    Ok(stamp.into())
}

/// Reads a duration: `200ms`, `5s`, `15m`, `2h`, `1d`; a number alone is seconds.
///
/// # Errors
/// When it is none of these.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("{text:?} is no duration: use 200ms, 5s, 15m, 2h or 1d");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| refuse())?;
    let unit = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(refuse()),
    };
    let seconds = (number * unit * 1000.0).round() / 1000.0;
    Duration::try_from_secs_f64(seconds).map_err(|_| refuse())
}

/// Reads a size such as `640x360`.
///
/// # Errors
/// When it is none.
pub fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides.ok_or_else(|| format!("{text:?} is no size: use 640x360"))
}

/// A time as people read it, to the millisecond, in UTC.
#[must_use]
pub fn show_time(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(stamp) => format!("{stamp:.3}"),
        Err(_) => format!("{time:?}"),
    }
}

/// A bar for a known number of steps, on stderr, and only if somebody looks at it.
#[must_use]
pub fn progress(steps: u64) -> indicatif::ProgressBar {
    if !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} eta {eta}");
    let bar = indicatif::ProgressBar::new(steps);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_way_people_write_them() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let read = |text| parse_time(text, now).map(kvs_types::__internal::epoch_millis);
        assert_eq!(read("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
        assert_eq!(read("2023-11-14T23:13:20.5+01:00"), Ok(1_700_000_000_500));
        assert_eq!(read("2023-11-14T22:13:20"), Ok(1_700_000_000_000));
        assert_eq!(read("2023-11-14"), Ok(1_699_920_000_000));
        assert_eq!(read("1700000000.25"), Ok(1_700_000_000_250));
        assert_eq!(read("-1.5h"), Ok(1_699_994_600_000));
        assert_eq!(read("now"), Ok(1_700_000_000_000));
        for wrong in ["", "yesterday", "-", "-5x", "1960-01-01", "12:00", "1e9"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_and_sizes_name_what_they_expect() {
        assert_eq!(parse_duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_duration("0.1"), Ok(Duration::from_millis(100)));
        assert!(parse_duration("-5s").is_err());
        assert_eq!(parse_size("640x360"), Ok((640, 360)));
        assert_eq!(parse_size("640"), Err("\"640\" is no size: use 640x360".to_owned()));
    }
}
