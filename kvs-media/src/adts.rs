//! ADTS files: AAC frames, each with its header.

use kvs_mkv::codec::aac::{AdtsEvent, AdtsHeader, AdtsSkipped, AdtsSplitter, AdtsUnit};
use kvs_mkv::{TrackKind, TrackNumber};

use super::MAX_SAMPLES;
use super::error::Fault;
use super::input::Input;
use super::notice::{Notice, NoticeKind};
use super::payload::PayloadFormat;
use super::timeline::{Stream, Unit, nanoseconds};

/// Reads a file once for the places of its frames.
pub(super) fn read(input: &Input, notices: &mut Vec<Notice>) -> Result<Vec<Stream>, Fault> {
    let (mut splitter, mut frames) = (AdtsSplitter::new(TrackNumber::TWO), Frames::default());
    input.windows(0, |window, is_end| {
        splitter.push(window);
        while let Some(event) =
            if is_end { splitter.finish() } else { splitter.next_event() }.map_err(Fault::damaged_by)?
        {
            match event {
                AdtsEvent::Track(track) => frames.change(PayloadFormat::Plain(track))?,
                AdtsEvent::Frame(frame) => frames.add(&frame)?,
                AdtsEvent::Skipped(skipped) => notices.push(notice(skipped, input)?),
                _ => {}
            }
        }
        Ok(())
    })?;
    if frames.units.is_empty() {
        return Err(Fault::NoFrames);
    }
    Ok(vec![Stream { kind: TrackKind::Audio, formats: frames.formats, units: frames.units }])
}

/// A frame that the end of the file cuts is what an interrupted recorder leaves. Other bytes at the end are a trailer.
fn notice(skipped: AdtsSkipped, input: &Input) -> Result<Notice, Fault> {
    let AdtsSkipped { at, bytes, .. } = skipped;
    if at.saturating_add(bytes) < input.len {
        return Ok(Notice::new(NoticeKind::Skipped, skipped.to_string()));
    }
    let start = input.read_up_to(at, HEADER)?;
    // Fewer bytes than a header has may be the start of one.
    if start.starts_with(&[0xff]) && (bytes < HEADER || AdtsHeader::parse(&start).is_ok()) {
        return Ok(Notice::new(NoticeKind::Interrupted, format!("the recording was interrupted: {skipped}")));
    }
    let text = format!("the last {bytes} bytes, from byte {at} on, are no ADTS frames and are ignored");
    Ok(Notice::new(NoticeKind::Ignored, text))
}

/// Bytes of an ADTS header without checksum.
const HEADER: u64 = 7;

/// The frames so far. Each format goes on where the one before ends.
#[derive(Default)]
struct Frames {
    formats: Vec<PayloadFormat>,
    units: Vec<Unit>,
    /// When the current format starts, in nanoseconds, and its frames.
    begin: i64,
    samples: i64,
    frequency: u32,
}

impl Frames {
    fn change(&mut self, format: PayloadFormat) -> Result<(), Fault> {
        if self.formats.len() > usize::from(u16::MAX) {
            return Err(Fault::damaged(format!("its settings change more than {} times", u16::MAX)));
        }
        self.begin = self.begin.saturating_add(nanoseconds(self.samples, self.frequency));
        self.samples = 0;
        self.formats.push(format);
        Ok(())
    }

    fn add(&mut self, frame: &AdtsUnit) -> Result<(), Fault> {
        if self.units.len() >= MAX_SAMPLES {
            return Err(Fault::damaged(format!("it has more than {MAX_SAMPLES} frames")));
        }
        self.frequency = frame.sampling_frequency;
        let pts = self.begin.saturating_add(nanoseconds(self.samples, self.frequency));
        self.samples = self.samples.saturating_add(frame.samples.into());
        let format = u16::try_from(self.formats.len().saturating_sub(1)).unwrap_or(u16::MAX);
        let len = frame.data.len() as u64;
        self.units.push(Unit { pts, dts: pts, keyframe: true, at: frame.data_at, len, format });
        Ok(())
    }
}
