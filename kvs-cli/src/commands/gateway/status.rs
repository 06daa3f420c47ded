//! `kvs gateway status`: asks a running gateway for its health and prints a table.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::options::StatusOptions;
use crate::failure::Failure;
use crate::output::Output;

/// How long a gateway on this machine may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer: thousands of cameras.
const BYTES: usize = 16 << 20;

/// Prints the health of a gateway.
pub(super) async fn run(options: StatusOptions, output: Output) -> Result<(), Failure> {
    let health = tokio::time::timeout(TIMEOUT, fetch(options.listen))
        .await
        .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))
        .flatten()
        .map_err(|reason| {
            Failure::run(format!("no gateway at {}: {reason}; is it running? (--listen)", options.listen))
        })?;
    output.result_lines(&table(&health), &health);
    let cameras = health["cameras"].as_array().map_or(&[][..], Vec::as_slice);
    let ill = cameras.iter().filter(|camera| camera["well"] != true).count();
    if ill > 0 {
        return Err(Failure::run(format!("{ill} of {} cameras are not live or not sent", cameras.len())));
    }
    Ok(())
}

async fn fetch(address: SocketAddr) -> Result<Value, String> {
    let request = Request::get(format!("http://{address}/health")).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.map_err(|error| crate::failure::with_causes(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BYTES).collect().await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("status {status}"));
    }
    serde_json::from_slice(&body.to_bytes()).map_err(|error| format!("what answers is no gateway: {error}"))
}

const HEAD: [&str; 10] =
    ["CAMERA", "STREAM", "STATE", "UPLOAD", "FPS", "MBIT/S", "BUFFER", "ACK P50", "PERSISTED", "LOST"];

fn table(health: &Value) -> Vec<String> {
    let cameras = health["cameras"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<[String; HEAD.len()]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(cameras.iter().map(row)).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut lines = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        lines.push(cells.join("  ").trim_end().to_owned());
        let reason = at.checked_sub(1).and_then(|at| cameras.get(at)).and_then(|camera| camera["reason"].as_str());
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            lines.push(format!("  {reason}"));
        }
    }
    if let Some(refusal) = health["reload_refused"].as_str() {
        lines.push(format!("the last reload was refused: {refusal}"));
    }
    lines
}

fn row(camera: &Value) -> [String; HEAD.len()] {
    let text = |key: &str| camera[key].as_str().unwrap_or("?").to_owned();
    let number = |key: &str| camera[key].as_f64().unwrap_or_default();
    [
        text("camera"),
        text("stream"),
        text("state"),
        text("upload"),
        format!("{:.1}", number("frames_per_second")),
        format!("{:.2}", number("bits_per_second") / 1e6),
        format!("{:.1} s, {:.1} MB", number("buffer_ms") / 1e3, number("buffer_bytes") / 1e6),
        format!("{:.0} ms", number("ack_latency_p50_ms")),
        format!("{:.0}", number("persisted_frames")),
        format!("{:.0}", number("lost_frames")),
    ]
}
