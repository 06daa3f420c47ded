//! HLS playlists, attribute by attribute as captured from the service.

use std::fmt::Write;

use kvs_types::__internal::from_epoch_millis;

use super::listing::Listing;
use super::session::{ContainerFormat, Display, HlsOptions, PlaybackMode, SampleInfo, Session};

/// Returns the playlist that names those of the tracks. A transport stream has both tracks in one.
pub(super) fn master(sample: &SampleInfo, options: HlsOptions, token: &str) -> String {
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:1\n");
    let has_audio_list = sample.tracks.all().len() > 1 && options.container == ContainerFormat::FragmentedMp4;
    if has_audio_list {
        line(
            &mut out,
            format_args!(
                "#EXT-X-MEDIA:AUTOSELECT=YES,FORCED=NO,TYPE=AUDIO,URI=\"getHLSMediaPlaylist.m3u8?SessionToken={token}&TrackNumber=2\",\
                 GROUP-ID=\"audio\",DEFAULT=NO,NAME=\"audio\""
            ),
        );
    }
    let codecs = sample.tracks.codecs();
    let video = sample.tracks.size().map_or_else(String::new, |(width, height)| {
        format!("RESOLUTION={width}x{height},FRAME-RATE={},", decimal(sample.centi_frames, 100))
    });
    let group = if has_audio_list { ",AUDIO=\"audio\"" } else { "" };
    let bandwidth = sample.bits_per_second;
    line(&mut out, format_args!("#EXT-X-STREAM-INF:CODECS=\"{codecs}\",{video}BANDWIDTH={bandwidth}{group}"));
    line(&mut out, format_args!("getHLSMediaPlaylist.m3u8?SessionToken={token}&TrackNumber=1"));
    out
}

/// Returns the playlist of one track.
pub(super) fn media(session: &Session, options: HlsOptions, listing: &Listing, token: &str, track: u64) -> String {
    let (first, entries) = listing.window(session.rules.most);
    let mut out = String::with_capacity(LINE_BYTES.saturating_mul(entries.clone().count().saturating_add(2)));
    out.push_str("#EXTM3U\n#EXT-X-VERSION:7\n");
    if session.rules.mode == PlaybackMode::OnDemand {
        out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
    }
    line(&mut out, format_args!("#EXT-X-TARGETDURATION:{}", session.target_seconds));
    line(&mut out, format_args!("#EXT-X-MEDIA-SEQUENCE:{first}"));
    out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    let mut generation = None;
    for entry in entries {
        if entry.is_discontinuous {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if options.container == ContainerFormat::FragmentedMp4 && generation != Some(entry.generation) {
            generation = Some(entry.generation);
            line(
                &mut out,
                format_args!(
                    "#EXT-X-MAP:URI=\"getMP4InitFragment.mp4?SessionToken={token}&TrackNumber={track}&SequenceNumber={}\"",
                    entry.generation
                ),
            );
        }
        if options.timestamps == Display::Always {
            line(&mut out, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", date_time(entry.start_ms)));
        }
        line(&mut out, format_args!("#EXTINF:{},", decimal(entry.length_ms, 1000)));
        let number = entry.number.number();
        match options.container {
            ContainerFormat::FragmentedMp4 => line(
                &mut out,
                format_args!(
                    "getMP4MediaFragment.mp4?FragmentNumber={number}&SessionToken={token}&TrackNumber={track}"
                ),
            ),
            ContainerFormat::MpegTs => {
                line(&mut out, format_args!("getTSFragment.ts?FragmentNumber={number}&SessionToken={token}"));
            }
        }
    }
    if listing.is_complete {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

/// Bytes of the lines of one fragment.
const LINE_BYTES: usize = 400;

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}

/// Writes a fraction as Java writes a double: `5.0`, `2.68`.
pub(super) fn decimal(value: u64, unit: u64) -> String {
    let digits = unit.checked_ilog10().unwrap_or(0) as usize;
    let (whole, part) = (value / unit.max(1), value % unit.max(1));
    let part = format!("{part:0digits$}");
    let part = part.trim_end_matches('0');
    format!("{whole}.{}", if part.is_empty() { "0" } else { part })
}

/// Writes a time with milliseconds.
pub(super) fn date_time(ms: u64) -> String {
    jiff::Timestamp::try_from(from_epoch_millis(ms)).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_as_captured() {
        for (ms, text) in [(1010, "1.01"), (998, "0.998"), (2680, "2.68"), (5000, "5.0"), (2663, "2.663"), (0, "0.0")] {
            assert_eq!(decimal(ms, 1000), text);
        }
        assert_eq!((decimal(1501, 100), decimal(1500, 100)), ("15.01".to_owned(), "15.0".to_owned()));
        assert_eq!(date_time(1_684_331_315_994), "2023-05-17T13:48:35.994Z");
        assert_eq!(date_time(1_684_331_315_000), "2023-05-17T13:48:35.000Z");
    }
}
