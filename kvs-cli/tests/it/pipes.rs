//! `kvs put` with pipes, FIFOs and capture programs. The command lines of its help run as they stand there, with a test source
//! in place of the camera.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kvs_local::LocalKvs;
use serde_json::Value;
use test_judges::available;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kvs-mkv/tests/cases");

/// Runs a line in a shell, with `kvs` in its path and a service of its own.
struct Shell {
    local: LocalKvs,
    folder: tempfile::TempDir,
}

impl Shell {
    async fn new() -> Self {
        let shell = Self { local: LocalKvs::builder().start().await.unwrap(), folder: tempfile::tempdir().unwrap() };
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kvs"), shell.path("kvs")).unwrap();
        shell
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a program into the path.
    fn program(&self, name: &str, script: &str) {
        std::fs::write(self.path(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    async fn run(&self, line: &str) -> Output {
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.folder.path()).env("PATH", path);
        command.env("AWS_ENDPOINT_URL", self.local.endpoint_url()).stdin(Stdio::null());
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            command.env_remove(name);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs a line that must succeed and returns the report, and what was said on stderr.
    async fn report(&self, line: &str) -> (Value, String) {
        let output = self.run(line).await;
        let (out, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(output.status.success(), "{line}: {errors} {out}");
        let report: Value =
            serde_json::from_str(out.lines().last().unwrap()).unwrap_or_else(|_| panic!("{line}: {out}"));
        assert_eq!(report["complete"], true, "{line}: {report}");
        (report, errors)
    }

    async fn fails(&self, line: &str, says: &str) {
        let output = self.run(line).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {errors}");
        assert!(
            errors.contains(says) && errors.lines().filter(|line| line.starts_with("error")).count() == 1,
            "{line}: {errors}"
        );
    }
}

/// A test picture of three seconds, as fast as a camera sends it.
const TEST: &str = "-v error -re -f lavfi -i testsrc=size=160x120:rate=25:duration=3";
const X264: &str = "-c:v libx264 -preset veryfast -tune zerolatency -g 25 -bf 0";

#[tokio::test]
async fn every_kind_of_pipe_is_recognized_by_its_content() {
    if !available("every_kind_of_pipe_is_recognized_by_its_content", &["ffmpeg"]) {
        return;
    }
    let shell = Shell::new().await;
    let x265 = "-c:v libx265 -preset ultrafast -tune zerolatency -x265-params log-level=error:keyint=25";
    let sound = "-v error -f lavfi -i sine=sample_rate=48000:duration=3";
    // Frames as ffprobe counts packets. WAV is sent in 50 frames a second; its samples are counted in bytes, as in ffprobe's packets.
    for (name, command, frames) in [
        ("h264", format!("ffmpeg {TEST} {X264} -f h264 -"), 75),
        ("h265", format!("ffmpeg {TEST} {x265} -f hevc -"), 75),
        ("matroska", format!("ffmpeg {TEST} {X264} -f matroska -"), 75),
        ("ts", format!("ffmpeg {TEST} {X264} -f mpegts -muxdelay 0 -"), 75),
        ("adts", format!("ffmpeg {sound} -c:a aac -f adts -"), 142),
        ("wav", format!("ffmpeg {sound} -c:a pcm_alaw -ar 8000 -f wav -"), 150),
    ] {
        let (report, _) = shell.report(&format!("{command} | kvs put {name} - --json")).await;
        assert_eq!(report["persisted_frames"], frames, "{name}: {report}");
        if name == "wav" {
            assert_eq!(report["persisted_bytes"], 24_000, "{report}");
        }
        assert_eq!(report["submitted_frames"], report["persisted_frames"], "{name}: {report}");
    }
    shell.local.shutdown().await;
}

#[tokio::test]
async fn what_a_pipe_leaves_out_is_named_and_the_rest_is_sent() {
    let shell = Shell::new().await;
    let line =
        |file: &str, more: &str| format!("cat {CASES}/{file} | kvs put {} - --offline {more}", file.replace('.', "-"));
    let output = shell.run(&line("midgop.h264", "--times fps=25")).await;
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        out.contains("100 of 100 frames persisted") && errors.contains("before the first key frame"),
        "{out} {errors}"
    );
    for (file, more, frames) in [
        ("sameidr.h264", "--times fps=5", 25),
        ("twosps.h264", "--times fps=25", 110),
        ("reschange.h265", "--times vui", 75),
        ("size_change.h264", "--times fps=25 --format h264", 120),
        ("tone.aac", "", 95),
    ] {
        let (report, _) = shell.report(&line(file, &format!("{more} --json"))).await;
        assert_eq!(report["persisted_frames"], frames, "{file}: {report}");
        if file.contains("change") {
            assert!(report["sessions"].as_u64() >= Some(2), "{file}: a new size needs a new session: {report}");
        }
    }
    // The producer reads the new rate from the ADTS header.
    let (report, _) = shell.report(&line("ratechange.aac", "--json")).await;
    assert!(report["sessions"].as_u64() >= Some(2), "{report}");
    assert_eq!(report["persisted_frames"], 93, "{report}");
    shell
        .fails(
            &format!("kvs put sound {CASES}/ratechange.aac --offline"),
            "changes from A_AAC (48000 Hz, 1 channels) to A_AAC (44100 Hz, 1 channels)",
        )
        .await;
    shell.local.shutdown().await;
}

#[tokio::test]
async fn wrong_pipes_are_refused_in_one_line() {
    let shell = Shell::new().await;
    for (line, says) in [
        ("echo hello | kvs put camera -", "looks like text"),
        ("true | kvs put camera -", "ended before its first byte"),
        ("kvs put camera --exec 'exit 3'", "exit status: 3"),
        ("kvs put camera --exec 'echo hello'", "looks like text"),
        ("kvs put camera missing.fifo --times arrival", "No such file"),
        ("kvs put camera - --times fast", "is not one of arrival, fps=N, vui, pts-file=FILE"),
        ("kvs put camera", "required"),
    ] {
        shell.fails(line, says).await;
    }
    let remux = concat!("kvs remux ", env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4 live.mkv");
    assert!(shell.run(remux).await.status.success());
    shell.fails("cat live.mkv | kvs put camera - --times fps=30", "streams without times").await;
    shell.fails(&format!("kvs put camera {CASES}/midgop.h264 --times pts-file=/dev/null --offline"), "no time").await;
    shell.local.shutdown().await;
}

#[tokio::test]
async fn capture_program_is_started_again_until_the_end() {
    if !available("capture_program_is_started_again_until_the_end", &["ffmpeg"]) {
        return;
    }
    let shell = Shell::new().await;
    let input = "-v error -re -f lavfi -i testsrc=size=160x120:rate=25:duration=1";
    shell.program("camera", &format!("echo run >> runs; ffmpeg {input} {X264} -f h264 -; exit 7"));
    let output = shell.run("kvs put door --exec camera --duration 4").await;
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains(" 0 lost"), "{out} {errors}");
    assert!(errors.contains("exit status: 7") && errors.contains("starting it again in 1 s"), "{errors}");
    let runs = std::fs::read_to_string(shell.path("runs")).unwrap().lines().count();
    assert!(runs >= 2, "{runs} runs");
    // A program that does not end is ended.
    shell.program(
        "endless",
        &format!(
            "ffmpeg -v error -re -f lavfi -i testsrc=size=160x120:rate=25 {X264} -f matroska - & echo $! > pid; wait"
        ),
    );
    let (report, _) = shell.report("kvs put yard --exec endless --duration 2 --json").await;
    assert!(report["persisted_frames"].as_u64() > Some(30), "{report}");
    let pid = std::fs::read_to_string(shell.path("pid")).unwrap();
    let ended = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        is_ended(pid.trim())
    });
    assert!(ended, "the program's own program was ended too");
    shell.local.shutdown().await;
}

/// The shell has ended before, and what it started ignores that it is asked to end.
#[tokio::test]
async fn what_a_capture_program_leaves_behind_is_ended() {
    let shell = Shell::new().await;
    let ends = |line: &str| format!("(trap '' TERM; exec sleep 600) {line} & echo $! > pid; cat {CASES}/midgop.h264");
    // While it holds the pipe, the program is not over; without the pipe, it is started again.
    for (line, more) in [("", "--duration 2"), (">/dev/null", "--duration 6")] {
        let (report, _) =
            shell.report(&format!("kvs put door --times fps=25 --exec \"{}\" {more} --json", ends(line))).await;
        assert!(report["persisted_frames"].as_u64() > Some(40), "{report}");
        let pid = std::fs::read_to_string(shell.path("pid")).unwrap();
        assert!(is_ended(pid.trim()), "{more}: it still runs");
    }
    shell.local.shutdown().await;
}

/// Whether a process is gone, or only waits for its parent to notice.
fn is_ended(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, state)| state.trim_start().starts_with('Z'))
}

/// Whether GStreamer has an element.
fn has_element(name: &str) -> bool {
    Command::new("gst-inspect-1.0").args(["--exists", name]).status().is_ok_and(|status| status.success())
}

/// Returns the command lines for cameras in the help.
fn lines_of_help() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_kvs")).args(["put", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let cameras = help.split_once("Cameras:\n").unwrap().1;
    cameras.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn command_lines_of_the_help_and_the_readme_run() {
    let judges = ["ffmpeg", "gst-launch-1.0"];
    if !available("command_lines_of_the_help_and_the_readme_run", &judges) {
        return;
    }
    let shell = Shell::new().await;
    // rpicam-vid: writes what its options ask for, from a test source.
    let encoder = "-c:v libx264 -preset veryfast -tune zerolatency -g 60 -bf 0";
    let raw = format!("ffmpeg -v error -re -f lavfi -i testsrc=size=160x120:rate=30:duration=3 {encoder}");
    shell.program(
        "rpicam-vid",
        &format!(
            "case \"$*\" in\n\
             *--save-pts*) (echo '# timecode format v2'; seq -f '%.3f' 0 33.333 3000) > pts & {raw} -f h264 - ;;\n\
             *'--codec libav --libav-format matroska'*) {raw} -f matroska - ;;\n\
             *'--codec h264 --inline'*) {raw} -f h264 - ;;\n\
             *) exit 9 ;;\nesac"
        ),
    );
    assert!(shell.run(&format!("mkfifo pts && {raw} source.mkv")).await.status.success());
    let lines = lines_of_help();
    assert!(lines.len() >= 7, "{lines:?}");
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../guide/src/cameras.md")).unwrap();
    // The guide wraps long commands.
    let guide = guide.replace("\\\n  ", "");
    for (nth, line) in lines.iter().enumerate() {
        assert!(guide.contains(line), "the guide has the line too: {line}");
        if line.contains("rtsp://") {
            println!("not run here, IP cameras have tests of their own: {line}");
            continue;
        }
        let camera = line
            .replace("-f v4l2 -framerate 30 -i /dev/video0", "-re -f lavfi -t 3 -i testsrc=size=160x120:rate=30")
            .replace("-f v4l2 -input_format h264 -i /dev/video0", "-re -i source.mkv")
            .replace("-i 'srt://:9000?mode=listener'", "-re -i source.mkv")
            .replace("v4l2src", "videotestsrc num-buffers=90 is-live=true ! video/x-raw,width=160,height=120")
            .replace("ffmpeg ", "ffmpeg -v error ")
            .replace("kvs put STREAM", &format!("kvs put camera-{nth} --json --duration 2.9"));
        if camera.contains("gst-launch") && !has_element("x264enc") {
            println!("not run, GStreamer has no x264enc: {camera}");
            continue;
        }
        // The encoder's output needs the parser only for muxers that take nothing else.
        let camera = if has_element("h264parse") { camera } else { camera.replace("! h264parse ", "") };
        let (report, _) = shell.report(&camera).await;
        assert!(report["persisted_frames"].as_u64() > Some(60), "{camera}: {report}");
    }
    shell.local.shutdown().await;
}
