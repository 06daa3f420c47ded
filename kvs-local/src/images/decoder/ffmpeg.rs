//! Decoding by the program ffmpeg, in a process of its own.
//!
//! The process gets a group of pictures through its standard input as NAL units with start codes, and writes the wanted pictures to
//! its standard output. It may use no other protocol and no file, one thread, and a bounded amount of time, output and memory; see
//! [`process`](super::process). It ends when its pictures are there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;

use super::codec::Codec;
use super::picture::{DisplayInfo, Picture};
use super::process::{self, Bounds};
use super::{AccessUnit, AccessUnitDecoder};
use crate::images::limits::{
    FFMPEG_ALLOCATION, FFMPEG_INPUT, FFMPEG_MEMORY, FFMPEG_PICTURES, FFMPEG_RUN_PICTURES, FFMPEG_TIME,
};
use crate::images::render::color::{Color, Matrix, Range};

/// The program ffmpeg.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    program: PathBuf,
    time: Duration,
}

impl Ffmpeg {
    /// Finds the program in the folders of `PATH`.
    #[must_use]
    pub fn find() -> Option<Self> {
        let name = format!("ffmpeg{}", std::env::consts::EXE_SUFFIX);
        let path = std::env::var_os("PATH")?;
        // An empty or relative entry would depend on the folder that the service was started in.
        let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
        folders.map(|folder| folder.join(&name)).find(|program| is_executable(program)).map(Self::at)
    }

    /// Uses the program at this path.
    #[must_use]
    pub const fn at(program: PathBuf) -> Self {
        Self { program, time: FFMPEG_TIME }
    }

    /// Sets how long one process may run. Default: [`FFMPEG_TIME`].
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Returns whether the program is a file that can be run.
    #[must_use]
    pub fn is_there(&self) -> bool {
        is_executable(&self.program)
    }
}

#[cfg(unix)]
fn is_executable(program: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    program.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(program: &Path) -> bool {
    program.is_file()
}

/// Decodes one group of pictures after the other, each in a process that ends with it.
pub(super) struct FfmpegDecoder<'a> {
    ffmpeg: &'a Ffmpeg,
    /// Held while a process runs: a request has one at a time.
    turn: &'a Mutex<()>,
    canceled: &'a (dyn Fn() -> bool + Sync),
    codec: Codec,
    /// The access units since the last run, and what is known about each.
    input: Vec<u8>,
    units: Vec<Unit>,
    /// Whether pictures follow that do not start at a random access picture.
    continues: bool,
    /// Pictures that the next runs are to return, and the input that all of these runs get.
    left: Option<(Bytes, Vec<Run>)>,
}

/// What is known about an access unit.
#[derive(Clone, Copy, Debug)]
struct Unit {
    /// Place in output order.
    place: (usize, i64),
    tag: i64,
    wanted: bool,
    size: (u32, u32),
}

/// The pictures that one process writes.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    /// Each picture's index in output order, and its tag. The last one has none if it is there only to be counted.
    pictures: Vec<(usize, Option<i64>)>,
    /// Number of pictures of the input.
    total: usize,
    size: (usize, usize),
}

impl<'a> FfmpegDecoder<'a> {
    pub(super) const fn new(
        ffmpeg: &'a Ffmpeg,
        codec: Codec,
        turn: &'a Mutex<()>,
        canceled: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self { ffmpeg, turn, canceled, codec, input: Vec::new(), units: Vec::new(), continues: false, left: None }
    }

    fn run(&self, run: &Run, input: Bytes) -> Result<Vec<(i64, Picture)>, String> {
        let (width, height) = run.size;
        let bytes = picture_bytes(width, height).ok_or("the picture is too large")?;
        let bounds = Bounds { time: self.ffmpeg.time, output: bytes * run.pictures.len(), memory: FFMPEG_MEMORY };
        let arguments = arguments(self.codec, run);
        let turn = self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let written = process::run(&self.ffmpeg.program, &arguments, input, bounds, self.canceled);
        drop(turn);
        let written = written.map_err(|reason| format!("ffmpeg: {reason}"))?;
        // It also returns pictures that it had to guess, and says so.
        if let Some(complaint) = complaint(&written.errors) {
            return Err(format!("ffmpeg: {complaint}"));
        }
        if written.output.len() != bounds.output {
            return Err("ffmpeg returned another number of pictures than there are".to_owned());
        }
        let pictures = written.output.chunks_exact(bytes).zip(&run.pictures);
        Ok(pictures.filter_map(|(samples, (_, tag))| Some(((*tag)?, picture(samples, width, height)?))).collect())
    }
}

impl AccessUnitDecoder for FfmpegDecoder<'_> {
    fn decode(&mut self, unit: &AccessUnit<'_>) -> Result<Vec<(i64, Picture)>, String> {
        if self.units.last().is_some_and(|last| last.size != unit.size) {
            return Err("the size of the pictures changes within a group of pictures".to_owned());
        }
        if self.input.len().saturating_add(unit.data.len()) > FFMPEG_INPUT {
            return Err(format!("a group of pictures has more than {FFMPEG_INPUT} bytes"));
        }
        // Counts of different fragments do not compare, but pictures before a random access picture are displayed before it.
        let next = usize::from(unit.restarts || unit.starts_fragment);
        self.continues |= unit.starts_fragment && !unit.random_access && !self.units.is_empty();
        let sequence = self.units.last().map_or(0, |last| last.place.0 + next);
        self.input.extend_from_slice(unit.data);
        let (tag, wanted, size) = (unit.tag, unit.wanted, unit.size);
        self.units.push(Unit { place: (sequence, unit.order), tag, wanted, size });
        Ok(Vec::new())
    }

    fn finish(&mut self) -> Result<Vec<(i64, Picture)>, String> {
        let (input, mut runs) = match self.left.take() {
            Some(left) => left,
            None => {
                let (input, units) = (std::mem::take(&mut self.input), std::mem::take(&mut self.units));
                if std::mem::take(&mut self.continues) && !units.is_sorted_by_key(|unit| unit.place) {
                    return Err("ffmpeg cannot tell the order of pictures over fragments without key frames".to_owned());
                }
                (Bytes::from(input), runs(units)?)
            }
        };
        let Some(run) = runs.pop() else { return Ok(Vec::new()) };
        let pictures = self.run(&run, input.clone())?;
        self.left = Some((input, runs));
        Ok(pictures)
    }

    /// Whatever the stream has, the pictures are cropped and have the colors of JPEG.
    fn displayed(&self, display: DisplayInfo) -> DisplayInfo {
        let color = Color { matrix: Matrix::Bt601, range: Range::Full };
        DisplayInfo { color, left: 0, top: 0, shape: display.shape }
    }
}

/// Distributes the wanted pictures over runs, the first run last.
fn runs(mut units: Vec<Unit>) -> Result<Vec<Run>, String> {
    units.sort_by_key(|unit| unit.place);
    if units.iter().zip(units.iter().skip(1)).any(|(one, next)| one.place == next.place) {
        return Err("two pictures have the same place in output order".to_owned());
    }
    let Some(size) = units.first().map(|unit| unit.size) else { return Ok(Vec::new()) };
    let side = |pixels: u32| usize::try_from(pixels).map_err(|_| "the picture is too large");
    let size = (side(size.0)?, side(size.1)?);
    let bytes = picture_bytes(size.0, size.1).filter(|bytes| *bytes > 0).ok_or("the picture has no size")?;
    let total = units.len();
    let wanted: Vec<(usize, Option<i64>)> =
        units.iter().enumerate().filter(|(_, unit)| unit.wanted).map(|(at, unit)| (at, Some(unit.tag))).collect();
    let at_a_time = (FFMPEG_PICTURES / bytes).clamp(1, FFMPEG_RUN_PICTURES);
    let runs = wanted.chunks(at_a_time).rev().map(|pictures| {
        let mut pictures = pictures.to_vec();
        // A picture that ffmpeg leaves out would move all later ones. The last one shows that none is missing.
        if pictures.last().is_some_and(|(at, _)| at + 1 < total) {
            pictures.push((total - 1, None));
        }
        Run { pictures, total, size }
    });
    Ok(runs.collect())
}

fn arguments(codec: Codec, run: &Run) -> Vec<String> {
    let format = match codec {
        Codec::H264 => "h264",
        Codec::H265 => "hevc",
    };
    let mut select = String::new();
    for (at, _) in &run.pictures {
        // Writing to a string does not fail.
        let _ = write!(select, "eq(n,{at})+");
    }
    // One picture too many shows as too much output.
    let total = run.total;
    let filters = format!(
        "select='{select}gte(n,{total})',setpts=N/25/TB,\
         scale=out_range=full:out_color_matrix=bt601:flags=bicubic+accurate_rnd+full_chroma_int,format=yuv420p"
    );
    let allocation = FFMPEG_ALLOCATION.to_string();
    let options = [
        ["-v", "error", "-nostdin", "-hide_banner"].as_slice(),
        &["-max_alloc", &allocation, "-protocol_whitelist", "pipe", "-threads", "1", "-filter_threads", "1"],
        // Damaged pictures are errors. `strict` makes the H.264 decoder wait for all pictures that may come earlier.
        &["-err_detect", "+crccheck+bitstream+buffer+explode", "-xerror", "-strict", "1", "-flags", "unaligned"],
        &["-noautorotate", "-fpsprobesize", "0", "-f", format, "-c:v", format, "-i", "pipe:0"],
        // Times are made up so that no picture is left out or repeated to keep a rate.
        &["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", &filters, "-r", "25", "-f", "rawvideo", "pipe:1"],
    ];
    options.into_iter().flatten().map(|&option| option.to_owned()).collect()
}

/// Returns the first message of a decoder, if there is one. Other parts of ffmpeg warn about times, which are made up.
fn complaint(errors: &str) -> Option<String> {
    let of_decoder = |line: &&str| line.starts_with("[h264 @") || line.starts_with("[hevc @");
    errors.lines().find(of_decoder).map(process::first_line)
}

/// Returns the bytes of a picture with 4:2:0 and 8 bits.
fn picture_bytes(width: usize, height: usize) -> Option<usize> {
    let chroma = width.div_ceil(2).checked_mul(height.div_ceil(2))?.checked_mul(2)?;
    width.checked_mul(height)?.checked_add(chroma)
}

fn picture(samples: &[u8], width: usize, height: usize) -> Option<Picture> {
    let (luma, chroma) = samples.split_at_checked(width * height)?;
    let (cb, cr) = chroma.split_at_checked(width.div_ceil(2) * height.div_ceil(2))?;
    Some(Picture { width, height, planes: [luma, cb, cr].map(<[u8]>::to_vec) }).filter(Picture::is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(sequence: usize, order: i64, tag: i64, wanted: bool) -> Unit {
        Unit { place: (sequence, order), tag, wanted, size: (4096, 2304) }
    }

    #[test]
    fn pictures_are_asked_for_by_their_place_in_output_order() {
        // I P B B, then the next sequence.
        let units = vec![
            unit(0, 0, 1, true),
            unit(0, 6, 2, false),
            unit(0, 2, 3, false),
            unit(0, 4, 4, true),
            unit(1, 0, 5, false),
        ];
        let runs = runs(units).unwrap();
        let pictures = vec![(0, Some(1)), (2, Some(4)), (4, None)];
        assert_eq!(runs, [Run { pictures, total: 5, size: (4096, 2304) }]);
        let arguments = arguments(Codec::H265, &runs[0]).join(" ");
        assert!(arguments.contains("select='eq(n,0)+eq(n,2)+eq(n,4)+gte(n,5)',"), "{arguments}");
    }

    #[test]
    fn large_pictures_take_several_runs() {
        let units = (0..12).map(|at| unit(0, at, at, true)).collect();
        let mut runs = runs(units).unwrap();
        runs.reverse();
        assert!(runs.len() > 1);
        let most = runs.iter().map(|run| run.pictures.len()).max().unwrap();
        assert!(most * picture_bytes(4096, 2304).unwrap() <= FFMPEG_PICTURES + picture_bytes(4096, 2304).unwrap());
        let tags: Vec<i64> = runs.iter().flat_map(|run| &run.pictures).filter_map(|(_, tag)| *tag).collect();
        assert_eq!(tags, (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn an_order_that_does_not_tell_pictures_apart_is_refused() {
        assert!(runs(vec![unit(0, 1, 1, true), unit(0, 1, 2, false)]).is_err());
        assert_eq!(runs(Vec::new()), Ok(Vec::new()));
    }

    #[test]
    fn complaints_of_decoders_are_told_from_warnings() {
        assert_eq!(complaint("[rawvideo @ 0x1] non monotonous times\n"), None);
        let text = "[x @ 0x1] y\n[hevc @ 0x2] Could not find ref with POC 3\n";
        assert_eq!(complaint(text).unwrap(), "[hevc @ 0x2] Could not find ref with POC 3");
    }
}
