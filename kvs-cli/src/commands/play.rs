//! `kvs play`: URLs of a stream for players.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use clap::Args;
use kvs_aws::{Error, GetDashStreamingSessionUrl, GetHlsStreamingSessionUrl, StreamId, TimestampOrigin, limits};
use serde_json::json;

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::values::{parse_duration, parse_time};

/// Prints URLs that players can open: HLS and DASH. Whoever has a URL can see the media until it expires.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name or ARN of the stream.
    stream: StreamId,
    /// Play stored media from this producer time (2026-11-22T18:00:00Z, -15m). Default: live.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// How much stored media to play, at most 24 h.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "from", default_value = "24h")]
    length: Duration,
    /// How long the URLs work, 5 minutes to 12 hours.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1h")]
    expires: Duration,
}

/// Prints the URLs. A stream that cannot be played in one of the two ways is no failure.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let range = options.range()?;
    let expires = u32::try_from(options.expires.as_secs()).unwrap_or(u32::MAX);
    let client = global.connection.client().await?;
    let (hls, dash) = match range {
        Some(range) => (
            GetHlsStreamingSessionUrl::on_demand(options.stream.clone(), TimestampOrigin::Producer, range.clone()),
            GetDashStreamingSessionUrl::on_demand(options.stream, TimestampOrigin::Producer, range),
        ),
        None => {
            (GetHlsStreamingSessionUrl::live(options.stream.clone()), GetDashStreamingSessionUrl::live(options.stream))
        }
    };
    let (hls, dash) = (hls.expires(expires), dash.expires(expires));
    let (hls, dash) = (client.send(hls).await, client.send(dash).await);
    let output = global.output();
    let note = |name: &str, url: &Result<String, Error>| {
        if let Err(error) = url {
            output.note(format_args!("no {name} URL: {error}"));
        }
    };
    note("DASH", &dash);
    if let (Err(_), Ok(dash)) = (&hls, &dash) {
        note("HLS", &hls);
        output.result(dash, &json!({"dash": dash}));
        return Ok(());
    }
    let hls = hls?;
    let dash = dash.ok();
    let lines: Vec<String> = std::iter::once(&hls).chain(&dash).cloned().collect();
    output.result_lines(&lines, &json!({"hls": hls, "dash": dash}));
    Ok(())
}

impl Options {
    fn range(&self) -> Result<Option<Range<SystemTime>>, Failure> {
        let Some(from) = &self.from else { return Ok(None) };
        let from = parse_time(from, SystemTime::now()).map_err(|error| Failure::input(error).about("--from"))?;
        let length = self.length.min(limits::CLIP_RANGE);
        let end = from.checked_add(length).ok_or_else(|| Failure::input("it is too late").about("--from"))?;
        Ok(Some(from..end))
    }
}
