//! ffprobe's packets and ffmpeg's pictures beside those of the reader.

use std::path::Path;
use std::process::Command;

use kvs_media::Sample;
use kvs_mkv::TrackKind;
use kvs_tools::program::BoxError;

use crate::encode::Encode;
use crate::ours::{self, Ours};

/// A packet as ffprobe lists it.
pub(crate) struct Packet {
    seconds: Option<f64>,
    size: usize,
    keyframe: bool,
    /// CRC-32 of its bytes.
    checksum: Option<u32>,
    /// Whether ffmpeg decodes it without showing it.
    is_hidden: bool,
}

/// How exactly the reader and ffprobe agree on a kind of file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Whether packets have start codes or headers that the reader takes away.
    pub(crate) has_other_sizes: bool,
    /// Whether ffprobe lists times of frames, not those it makes up.
    pub(crate) has_times: bool,
    /// Whether it is MP4 or QuickTime.
    pub(crate) is_mp4: bool,
    /// Whether samples of sound are divided in another way.
    pub(crate) is_divided_otherwise: bool,
    /// Whether the file is edited: then what is needed to decode the first shown frame is returned, but not equally much of it.
    pub(crate) is_edited: bool,
    /// Whether ffprobe divides H.264 itself: then a field may be a packet, and each intra picture is a key frame.
    pub(crate) is_split_by_ffprobe: bool,
    /// Duration of a picture.
    pub(crate) picture_seconds: f64,
}

/// Compares everything and returns the number of packets.
pub(crate) fn compare(encode: &Encode, file: &Path, folder: &Path) -> Result<u64, BoxError> {
    let rules = encode.rules();
    let ours = match ours::of_file(file) {
        // A cut transport stream may have no key frame: nothing can be decoded.
        Err(_) if encode.from.is_some() && encode.has_video && decoded(file, 0)?.is_empty() => return Ok(0),
        ours => ours?,
    };
    let streams = usize::from(encode.has_video) + encode.sounds;
    let filled = (0..streams).filter(|index| packets(file, *index).is_ok_and(|packets| !packets.is_empty()));
    let filled: Vec<usize> = filled.collect();
    if ours.tracks.len() != filled.len() {
        return Err(format!("{} tracks, ffprobe has {}", ours.tracks.len(), filled.len()).into());
    }
    let (mut shifts, mut compared) = (Vec::new(), 0);
    for (track, stream) in filled.iter().enumerate() {
        let theirs = packets(file, *stream)?;
        compared += theirs.len() as u64;
        shifts.extend(
            compare_packets(&rules, &ours, track, &theirs).map_err(|error| format!("stream {stream}: {error}"))?,
        );
    }
    check_shifts(&rules, &shifts)?;
    let written = folder.join("ours.mkv");
    ours.write(&written)?;
    for (track, stream) in filled.iter().enumerate() {
        let is_sound = !encode.has_video || track > 0;
        compare_decoded(&rules, is_sound, (&written, track), (file, *stream))
            .map_err(|error| format!("stream {stream}: {error}"))?;
    }
    if encode.container.is_pipe() {
        compare_pipe(&ours, &ours::of_pipe(file)?)?;
    }
    if encode.container.is_byte_stream() {
        compare_split(&ours, &ours::split(encode.container, file, encode.piece)?)?;
    }
    Ok(compared)
}

/// Sizes and key frames are the same; returns by how much the times differ.
pub(crate) fn compare_packets(
    rules: &Rules,
    ours: &Ours,
    track: usize,
    theirs: &[Packet],
) -> Result<Vec<f64>, BoxError> {
    let is_sound = ours.tracks.get(track).is_some_and(|track| track.kind == TrackKind::Audio);
    let ours = ours.of(track);
    if rules.is_divided_otherwise {
        let ours: usize = ours.iter().map(|our| our.data.len()).sum();
        let bytes = |is_hidden: bool| -> usize {
            theirs.iter().filter(|their| is_hidden || !their.is_hidden).map(|their| their.size).sum()
        };
        // An edit may hide a part of ffprobe's first packet, which is longer than a frame of the reader.
        let first = theirs.iter().find(|their| !their.is_hidden).map_or(0, |their| their.size);
        let (least, most) = (bytes(false).saturating_sub(first), bytes(true));
        let is_same = ours == most || rules.is_edited && (least..=most).contains(&ours);
        return if is_same {
            Ok(Vec::new())
        } else {
            Err(format!("{ours} bytes of samples, ffprobe has {most}").into())
        };
    }
    if rules.is_split_by_ffprobe && is_whole(&ours, theirs) {
        return Ok(Vec::new());
    }
    // ffmpeg and the reader return what is needed to decode the first shown frame, but not equally much of it.
    let Some(ahead) = aligned(rules, &ours, theirs, is_sound) else {
        let size = |size: usize| if rules.has_other_sizes { 0 } else { size };
        let same = |(our, their): &(&&Sample, &Packet)| {
            size(our.data.len()) == size(their.size) && (is_sound || our.keyframe == their.keyframe)
        };
        let same = ours.iter().zip(theirs).take_while(same).count();
        let (our, their) = (ours.len(), theirs.len());
        return Err(format!("{our} packets differ from the {their} of ffprobe, the first {same} are equal").into());
    };
    let theirs = theirs.iter().skip(usize::try_from(-ahead).unwrap_or(0));
    let pairs = ours.iter().skip(usize::try_from(ahead).unwrap_or(0)).zip(theirs);
    let apart = pairs.filter_map(|(our, their)| Some(our.pts.as_secs_f64() - their.seconds?));
    let apart: Vec<f64> = if rules.has_times { apart.collect() } else { Vec::new() };
    // Times of Matroska are in milliseconds, those of edits in ticks of the movie.
    check_spread(&apart, if rules.is_edited { 0.0011 } else { 0.00012 })?;
    Ok(apart)
}

/// How many packets the reader has before the first one of ffprobe, so that all others are equal and none that is shown is
/// missing.
fn aligned(rules: &Rules, ours: &[&Sample], theirs: &[Packet], is_sound: bool) -> Option<isize> {
    let size = |size: usize| if rules.has_other_sizes { 0 } else { size };
    let most = if rules.is_edited { 60 } else { 2 };
    (-most..=most).find(|ahead| {
        let (skip, behind) = (usize::try_from(*ahead).unwrap_or(0), usize::try_from(-ahead).unwrap_or(0));
        let (ours, rest) = (ours.get(skip..).unwrap_or_default(), theirs.get(behind..).unwrap_or_default());
        let mut hidden = theirs.iter().take(behind).chain(rest.iter().skip(ours.len()));
        let extra = ours.len().saturating_sub(rest.len());
        let is_equal = ours.iter().zip(rest).all(|(our, their)| {
            let same = if is_sound { is_same_sound(rules, our, their) } else { our.keyframe == their.keyframe };
            size(our.data.len()) == size(their.size) && same
        });
        is_equal && extra == 0 && !ours.is_empty() && hidden.all(|packet| packet.is_hidden)
    })
}

/// Frames are one or two of ffprobe's packets, and nothing is missing. Which fields are a frame is left to the decoder.
fn is_whole(ours: &[&Sample], theirs: &[Packet]) -> bool {
    let sum = |sizes: &mut dyn Iterator<Item = usize>| sizes.sum::<usize>();
    let bytes = sum(&mut ours.iter().map(|our| our.data.len()));
    let apart = bytes.abs_diff(sum(&mut theirs.iter().map(|their| their.size)));
    let keys = |packets: &mut dyn Iterator<Item = bool>| packets.filter(|keyframe| *keyframe).count();
    let has_keys =
        keys(&mut ours.iter().map(|our| our.keyframe)) <= keys(&mut theirs.iter().map(|their| their.keyframe));
    (ours.len()..=2 * ours.len()).contains(&theirs.len()) && apart <= START_CODES * theirs.len() && has_keys
}

/// By how much the start codes of a frame may be shorter or longer than its lengths: a byte for each of its NAL units.
const START_CODES: usize = 32;

/// Sound that is stored as it is sent has the same bytes.
fn is_same_sound(rules: &Rules, our: &Sample, their: &Packet) -> bool {
    let checksum = || {
        our.data.iter().fold(crc32fast::Hasher::new(), |mut crc, piece| {
            crc.update(piece);
            crc
        })
    };
    rules.has_other_sizes || their.checksum.is_some_and(|their| checksum().finalize() == their)
}

/// All tracks are moved by the same time.
pub(crate) fn check_shifts(rules: &Rules, shifts: &[f64]) -> Result<(), BoxError> {
    // Where an edit starts between two pictures, ffmpeg shows the later one at its start, the standard at its own time.
    check_spread(shifts, if rules.is_edited { rules.picture_seconds + 0.0011 } else { 0.00012 })
}

fn check_spread(shifts: &[f64], most: f64) -> Result<(), BoxError> {
    let low = shifts.iter().copied().fold(f64::MAX, f64::min);
    let high = shifts.iter().copied().fold(f64::MIN, f64::max);
    if shifts.is_empty() || high - low < most {
        Ok(())
    } else {
        Err(format!("times differ by {low} to {high} s").into())
    }
}

/// What is decoded is the same; more is decoded only around edits.
pub(crate) fn compare_decoded(
    rules: &Rules,
    is_sound: bool,
    ours: (&Path, usize),
    theirs: (&Path, usize),
) -> Result<(), BoxError> {
    if rules.is_divided_otherwise {
        return Ok(());
    }
    let (ours, theirs) = (decoded(ours.0, ours.1)?, decoded(theirs.0, theirs.1)?);
    let is_part = |theirs: &[String]| theirs.is_empty() || ours.windows(theirs.len()).any(|window| window == theirs);
    // ffmpeg decodes some frames of sound before an edit, and shortens the first one. The same packets sound otherwise then,
    // because the noise that AAC leaves to the decoder depends on all frames before. Their bytes were compared.
    if is_sound && rules.is_edited && !rules.has_other_sizes && !is_part(&theirs) {
        return match ours.len().abs_diff(theirs.len()) {
            0..=2 => Ok(()),
            _ => Err(format!("{} frames of sound are decoded, {} by ffmpeg", ours.len(), theirs.len()).into()),
        };
    }
    let is_part = is_part(&theirs);
    // Sound has its priming, and an edit its first pictures.
    let most = if rules.is_edited { 60 } else { 2 };
    if is_part && ours.len() - theirs.len() <= most {
        return Ok(());
    }
    let same = ours.iter().zip(&theirs).take_while(|(our, their)| our == their).count();
    Err(format!("{} frames are decoded, {} by ffmpeg, the first {same} equal", ours.len(), theirs.len()).into())
}

/// A pipe gives the same frames track by track.
pub(crate) fn compare_pipe(file: &Ours, pipe: &Ours) -> Result<(), BoxError> {
    for track in 0..file.tracks.len() {
        let (file, pipe) = (file.of(track), pipe.of(track));
        let same = file.len() == pipe.len()
            && file.iter().zip(&pipe).all(|(file, pipe)| file.data == pipe.data && file.keyframe == pipe.keyframe);
        if !same {
            return Err(
                format!("track {track}: {} frames from the file, {} through a pipe", file.len(), pipe.len()).into()
            );
        }
    }
    Ok(())
}

/// The splitters give the frames of the file, however it is divided.
fn compare_split(file: &Ours, split: &[(Vec<u8>, bool)]) -> Result<(), BoxError> {
    let file = file.of(0);
    let same = file
        .iter()
        .zip(split)
        .take_while(|(file, split)| file.data.iter().flatten().eq(&split.0) && file.keyframe == split.1);
    match same.count() {
        same if same == file.len() && same == split.len() => Ok(()),
        same => Err(format!("{} frames, {} by the splitter, the first {same} equal", file.len(), split.len()).into()),
    }
}

/// The packets of a stream.
pub(crate) fn packets(file: &Path, stream: usize) -> Result<Vec<Packet>, BoxError> {
    let run = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", &stream.to_string()])
        .args(["-show_data_hash", "CRC32", "-show_entries", "packet=pts_time,size,flags,data_hash", "-of", "csv=p=0"])
        .arg(file)
        .output()?;
    // Behind data that belongs to a packet, its checksum is on a line of its own.
    let text = String::from_utf8(run.stdout)?.replace("\n,CRC32:", "CRC32:");
    let packet = |line: &str| {
        let mut fields = line.trim_end_matches(',').split(',');
        let seconds = fields.next().and_then(|field| field.parse().ok());
        let size = fields.next().and_then(|field| field.parse().ok()).unwrap_or(0);
        let flags = fields.next().unwrap_or_default();
        let checksum = fields.next().and_then(|hash| u32::from_str_radix(hash.strip_prefix("CRC32:")?, 16).ok());
        Packet { seconds, size, keyframe: flags.starts_with('K'), checksum, is_hidden: flags.contains('D') }
    };
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(packet).collect())
}

/// MD5 of each decoded frame.
fn decoded(file: &Path, stream: usize) -> Result<Vec<String>, BoxError> {
    let run = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1", "-noautorotate", "-i"])
        .arg(file)
        .args(["-map", &format!("0:{stream}"), "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()?;
    let text = String::from_utf8(run.stdout)?;
    let hash = |line: &str| line.rsplit(',').next().unwrap_or_default().trim().to_owned();
    Ok(text.lines().filter(|line| !line.starts_with('#')).map(hash).collect())
}
