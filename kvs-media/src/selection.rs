//! Chooses the tracks that are returned.

use kvs_mkv::TrackKind;
use kvs_types::limits::TRACKS;

use super::error::Fault;
use super::notice::{Notice, NoticeKind};
use super::options::{ReaderOptions, TrackChoice};

/// A track of the input that could be returned.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) kind: TrackKind,
    /// Whether the container says that players use it without being asked.
    pub(crate) enabled: bool,
    pub(crate) has_frames: bool,
    /// Whether the service takes its codec. One that it does not take is chosen only by its number.
    pub(crate) is_taken: bool,
    /// Its codec in words.
    pub(crate) codec: String,
}

/// Returns the indexes of the chosen tracks, video first, and a notice about the others.
pub(crate) fn choose(candidates: &[Candidate], options: &ReaderOptions) -> Result<(Vec<usize>, Option<Notice>), Fault> {
    let mut chosen = chosen_of(candidates, TrackKind::Video, options.video)?;
    chosen.extend(chosen_of(candidates, TrackKind::Audio, options.audio)?);
    if chosen.is_empty() && options.audio != TrackChoice::None {
        // Its codec is the reason that there is nothing.
        chosen.extend((0..candidates.len()).find(|&index| is(candidates, index, |one| !one.is_taken)));
    }
    if chosen.len() > TRACKS {
        return Err(Fault::Refused(format!(
            "{} tracks are chosen and the service accepts {TRACKS}; choose one audio track by its number",
            chosen.len()
        )));
    }
    let left: Vec<_> = (0..candidates.len()).filter(|index| !chosen.contains(index)).collect();
    if left.is_empty() {
        return Ok((chosen, None));
    }
    let names: Vec<_> = left.into_iter().map(|index| name(candidates, index)).collect();
    Ok((chosen, Some(Notice::new(NoticeKind::LeftOut, format!("left out: {}", names.join(", "))))))
}

fn chosen_of(candidates: &[Candidate], kind: TrackKind, choice: TrackChoice) -> Result<Vec<usize>, Fault> {
    let of_kind: Vec<_> =
        (0..candidates.len()).filter(|&index| is(candidates, index, |one| one.kind == kind)).collect();
    let filled =
        || of_kind.iter().copied().filter(|&index| is(candidates, index, |one| one.has_frames && one.is_taken));
    Ok(match choice {
        TrackChoice::None => Vec::new(),
        TrackChoice::All => filled().collect(),
        TrackChoice::First => {
            let enabled = filled().find(|&index| is(candidates, index, |one| one.enabled));
            enabled.or_else(|| filled().next()).into_iter().collect()
        }
        TrackChoice::Number(number) => {
            let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let wanted = index.and_then(|index| of_kind.get(index).copied());
            let Some(wanted) = wanted else {
                let (kind, count) = (kind_name(kind), of_kind.len());
                return Err(Fault::Refused(format!(
                    "there is no {kind} track {number}, the {kind} tracks are 1 to {count}"
                )));
            };
            if !is(candidates, wanted, |one| one.has_frames || !one.is_taken) {
                return Err(Fault::Refused(format!("{} has no frames", name(candidates, wanted))));
            }
            vec![wanted]
        }
    })
}

fn is(candidates: &[Candidate], index: usize, test: impl Fn(&Candidate) -> bool) -> bool {
    candidates.get(index).is_some_and(test)
}

/// `audio track 2 (AAC, no frames)`: numbered among the tracks of its kind.
fn name(candidates: &[Candidate], index: usize) -> String {
    let Some(this) = candidates.get(index) else { return String::new() };
    let number = candidates.iter().take(index.saturating_add(1)).filter(|one| one.kind == this.kind).count();
    let (kind, codec) = (kind_name(this.kind), &this.codec);
    if !this.is_taken {
        return format!("{kind} track {number} ({codec}, which the service does not take)");
    }
    match (this.has_frames, this.enabled) {
        (false, _) => format!("{kind} track {number} ({codec}, no frames)"),
        (true, false) => format!("{kind} track {number} ({codec}, not enabled)"),
        (true, true) => format!("{kind} track {number} ({codec})"),
    }
}

pub(crate) const fn kind_name(kind: TrackKind) -> &'static str {
    match kind {
        TrackKind::Video => "video",
        TrackKind::Audio => "audio",
        TrackKind::Subtitle => "subtitle",
        _ => "data",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: TrackKind, enabled: bool, has_frames: bool) -> Candidate {
        Candidate { kind, enabled, has_frames, is_taken: true, codec: "X".to_owned() }
    }

    #[test]
    fn first_enabled_track_with_frames_is_chosen_and_the_others_are_named() {
        let (video, audio) = (TrackKind::Video, TrackKind::Audio);
        let candidates = [
            candidate(video, true, false),
            candidate(audio, false, true),
            candidate(video, true, true),
            candidate(audio, true, true),
            candidate(TrackKind::Subtitle, true, true),
        ];
        let (chosen, notice) = choose(&candidates, &ReaderOptions::new()).unwrap();
        assert_eq!(chosen, [2, 3]);
        let text = "left out: video track 1 (X, no frames), audio track 1 (X, not enabled), subtitle track 1 (X)";
        assert_eq!(notice.unwrap().to_string(), text);
        let (chosen, _) = choose(&candidates, &ReaderOptions::new().audio(TrackChoice::All)).unwrap();
        assert_eq!(chosen, [2, 1, 3]);
        let (chosen, _) = choose(&candidates, &ReaderOptions::new().audio(TrackChoice::Number(1))).unwrap();
        assert_eq!(chosen, [2, 1]);
        assert!(choose(&candidates, &ReaderOptions::new().audio(TrackChoice::Number(3))).is_err());
        assert!(choose(&candidates, &ReaderOptions::new().video(TrackChoice::Number(1))).is_err());
    }

    #[test]
    fn track_that_the_service_does_not_take_is_named_or_refused() {
        let (video, audio) = (TrackKind::Video, TrackKind::Audio);
        let pcm = Candidate { is_taken: false, ..candidate(audio, true, true) };
        let with_video = [candidate(video, true, true), pcm.clone(), candidate(audio, true, true)];
        let (chosen, notice) = choose(&with_video, &ReaderOptions::new()).unwrap();
        assert_eq!(chosen, [0, 2]);
        assert_eq!(notice.unwrap().to_string(), "left out: audio track 1 (X, which the service does not take)");
        let (chosen, _) = choose(&with_video, &ReaderOptions::new().audio(TrackChoice::Number(1))).unwrap();
        assert_eq!(chosen, [0, 1], "its format says why it cannot be used");
        assert_eq!(choose(&[pcm], &ReaderOptions::new()).unwrap(), (vec![0], None));
    }

    #[test]
    fn disabled_track_is_better_than_none() {
        let only = [candidate(TrackKind::Audio, false, true)];
        assert_eq!(choose(&only, &ReaderOptions::new()).unwrap(), (vec![0], None));
    }
}
