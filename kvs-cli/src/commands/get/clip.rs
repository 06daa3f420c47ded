//! `kvs get --clip`: a range of stored media as an MP4 file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::SystemTime;

use kvs_aws::{GetClip, TimestampOrigin, limits};
use serde_json::json;

use super::Options;
use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::values::parse_time;

/// Saves the clip. The file gets its name when it is complete.
pub(super) async fn save(path: &Path, options: &Options, global: &GlobalOptions) -> Result<(), Failure> {
    let from = parse_time(&options.from, SystemTime::now())
        .map_err(|error| Failure::input(format!("{error}; --clip starts at a time")).about("--from"))?;
    let length = options.length.unwrap_or(limits::CLIP_RANGE);
    let end = from.checked_add(length).ok_or_else(|| Failure::input("it is too long").about("--length"))?;
    let client = global.connection.client().await?;
    let clip = GetClip::new(options.stream.clone(), TimestampOrigin::Producer, from..end);
    let mut body = client.send(clip).await?;
    let failed = |error: std::io::Error| Failure::run(error).about(path.display());
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let mut file = BufWriter::new(File::create(&partial).map_err(failed)?);
    let mut bytes = 0_u64;
    while let Some(piece) = body.next().await.map_err(Failure::of_run)? {
        file.write_all(&piece).map_err(failed)?;
        bytes = bytes.saturating_add(piece.len() as u64);
    }
    file.flush().map_err(failed)?;
    drop(file);
    std::fs::rename(&partial, path).map_err(failed)?;
    let text = format!("{}: {bytes} bytes", path.display());
    global.output().result(text, &json!({"event": "report", "file": path, "bytes": bytes}));
    Ok(())
}
