//! DASH manifests: of stored media as captured from the service, of live media in a form that players take.

use std::fmt::Write;
use std::time::SystemTime;

use kvs_media::__internal::{Codec, TrackSetup};
use kvs_types::__internal::epoch_millis;

use super::hls::{date_time, decimal};
use super::listing::{Listed, Listing};
use super::session::{DashOptions, Display, PlaybackMode, Session};

/// Returns the manifest. `now` is the server's time, which players of live media take as theirs.
pub(super) fn manifest(
    session: &Session,
    options: DashOptions,
    listing: &Listing,
    token: &str,
    now: SystemTime,
) -> String {
    let (first, entries) = listing.window(session.rules.most);
    let is_static = session.rules.mode == PlaybackMode::OnDemand || listing.is_complete;
    let now_ms = epoch_millis(now);
    // Players ask for a segment once it has ended on the clock of the manifest, so it is listed no earlier.
    let elapsed = now_ms.saturating_sub(session.availability_start_ms);
    let is_available = move |entry: &&Listed| is_static || entry.offset_ms.saturating_add(entry.length_ms) <= elapsed;
    let entries = entries.take_while(is_available);
    let mut out = String::with_capacity(ENTRY_BYTES.saturating_mul(entries.clone().count().saturating_add(8)));
    out.push_str("<?xml version='1.0' encoding='UTF-8'?>\n");
    write_head(&mut out, session, listing, is_static, now_ms);
    for setup in session.sample.tracks.all() {
        write_set(&mut out, session, options, setup, (first, entries.clone()), token);
    }
    out.push_str("  </Period>\n");
    if !is_static {
        let _ = writeln!(
            out,
            "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"{}\"/>",
            date_time(now_ms)
        );
    }
    out.push_str("</MPD>\n");
    out
}

/// Bytes of one fragment in a manifest.
const ENTRY_BYTES: usize = 160;

fn write_head(out: &mut String, session: &Session, listing: &Listing, is_static: bool, now_ms: u64) {
    let start = date_time(session.availability_start_ms);
    out.push_str("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" xmlns:kvs=\"urn:aws:kinesisvideo:mpd:2019\" ");
    let longest = session.target_seconds.saturating_mul(1000);
    let _ = if is_static {
        let length = seconds(listing.end_ms());
        write!(
            out,
            "profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011\" type=\"static\" availabilityStartTime=\"{start}\" \
             mediaPresentationDuration=\"{length}\" minBufferTime=\"PT1S\">\n  \
             <Period id=\"0\" start=\"PT0S\" duration=\"{length}\">\n"
        )
    } else {
        let window = seconds(longest.saturating_mul(session.rules.most as u64));
        write!(
            out,
            "profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"dynamic\" availabilityStartTime=\"{start}\" \
             publishTime=\"{}\" minimumUpdatePeriod=\"PT1S\" minBufferTime=\"PT1S\" suggestedPresentationDelay=\"{}\" \
             timeShiftBufferDepth=\"{window}\">\n  <Period id=\"0\" start=\"PT0S\">\n",
            date_time(now_ms),
            seconds(longest.saturating_mul(2)),
        )
    };
}

fn write_set<'a>(
    out: &mut String,
    session: &Session,
    options: DashOptions,
    setup: &TrackSetup,
    (first, entries): (u64, impl Iterator<Item = &'a Listed>),
    token: &str,
) {
    let (kind, track) = (if setup.is_video() { "video" } else { "audio" }, setup.number);
    let _ = write!(
        out,
        "    <AdaptationSet segmentAlignment=\"true\" mimeType=\"{kind}/mp4\" startWithSAP=\"1\">\n      \
         <SegmentTemplate media=\"getMP4MediaFragment.mp4?SessionToken={token}&amp;SequenceNumber=$Number$&amp;TrackNumber={track}\" \
         initialization=\"getMP4InitFragment.mp4?SessionToken={token}&amp;TrackNumber={track}\" timescale=\"1000\" startNumber=\"{}\">\n        \
         <SegmentTimeline>\n",
        first.saturating_add(1)
    );
    let mut end_ms = None;
    for entry in entries {
        out.push_str("          <S");
        if end_ms != Some(entry.offset_ms) {
            let _ = write!(out, " t=\"{}\"", entry.offset_ms);
        }
        end_ms = Some(entry.offset_ms.saturating_add(entry.length_ms));
        let _ = write!(out, " d=\"{}\"", entry.length_ms);
        if options.timestamps == Display::Always {
            let _ = write!(out, " kvs:ts=\"{}\"", date_time(entry.start_ms));
        }
        if options.numbers == Display::Always {
            let _ = write!(out, " kvs:fn=\"{}\"", entry.number.number());
        }
        out.push_str("/>\n");
    }
    out.push_str("        </SegmentTimeline>\n      </SegmentTemplate>\n");
    let bandwidth = session.sample.bits_per_second;
    let shape = match &setup.codec {
        Codec::Video { width, height, .. } => {
            let frame_rate = session.sample.centi_frames;
            format!("width=\"{width}\" height=\"{height}\" frameRate=\"{}\"", frame_rate_text(frame_rate))
        }
        Codec::Aac(config) => format!("audioSamplingRate=\"{}\"", config.sampling_frequency()),
        Codec::G711 { sampling_frequency, .. } => format!("audioSamplingRate=\"{sampling_frequency}\""),
    };
    let _ = write!(
        out,
        "      <Representation id=\"{track}\" bandwidth=\"{bandwidth}\" codecs=\"{}\" {shape}/>\n    </AdaptationSet>\n",
        setup.codecs()
    );
}

/// Writes a frame rate as the fraction that the schema demands.
fn frame_rate_text(centi: u64) -> String {
    if centi.is_multiple_of(100) { format!("{}", centi / 100) } else { format!("{centi}/100") }
}

/// Writes a length, `PT11.994S`.
fn seconds(ms: u64) -> String {
    let text = decimal(ms, 1000);
    format!("PT{}S", text.strip_suffix(".0").unwrap_or(&text))
}
