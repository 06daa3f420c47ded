//! ffmpeg and ffprobe as judges of what the readers and writers of recordings do.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs ffmpeg with arguments in shell notation, `OUT` standing for a path in `dir`; returns that path.
pub(crate) fn make(dir: &Path, out: &str, arguments: &str) -> PathBuf {
    let path = dir.join(out);
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-threads", "2"])
        .args(arguments.split_whitespace())
        .arg(&path)
        .output()
        .expect("ffmpeg runs");
    assert!(status.status.success(), "ffmpeg {arguments}: {}", String::from_utf8_lossy(&status.stderr));
    path
}

/// A packet as ffprobe lists it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packet {
    pub(crate) seconds: Option<f64>,
    pub(crate) size: usize,
    pub(crate) keyframe: bool,
}

/// The packets of the first video (`v`) or audio (`a`) stream.
pub(crate) fn packets(path: &Path, stream: &str) -> Vec<Packet> {
    let entries = ["-show_entries", "packet=pts_time,size,flags", "-of", "csv=p=0"];
    let text = ffprobe(path, &[&["-select_streams", &format!("{stream}:0")], &entries[..]].concat());
    text.lines().filter(|line| !line.trim().is_empty()).map(packet).collect()
}

fn packet(line: &str) -> Packet {
    let mut fields = line.trim_end_matches(',').split(',');
    let seconds = fields.next().and_then(|field| field.parse().ok());
    let size = fields.next().and_then(|field| field.parse().ok()).unwrap_or_else(|| panic!("a size in {line:?}"));
    Packet { seconds, size, keyframe: fields.next().unwrap_or_default().starts_with('K') }
}

/// MD5 of each frame that ffmpeg decodes from the first video (`v`) or audio (`a`) stream, as they are stored.
pub(crate) fn frames(path: &Path, stream: &str) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-noautorotate", "-i"])
        .arg(path)
        .args(["-map", &format!("0:{stream}:0"), "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "decoding {}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("framemd5 is text");
    let hash = |line: &str| line.rsplit(',').next().unwrap_or_default().trim().to_owned();
    text.lines().filter(|line| !line.starts_with('#')).map(hash).collect()
}

fn ffprobe(path: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new("ffprobe").args(["-v", "error"]).args(arguments).arg(path).output().expect("ffprobe runs");
    assert!(output.status.success(), "ffprobe {}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("ffprobe speaks UTF-8")
}
