//! ADTS files: AAC frames, each with its header.

use kvs_mkv::codec::aac::{AdtsEvent, AdtsSkipped, AdtsSplitter, AdtsUnit};
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
                AdtsEvent::Skipped(skipped) => notices.push(notice(skipped, input.len)),
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

/// A frame that the end of the file cuts is what an interrupted recorder leaves; anything else is damage.
fn notice(skipped: AdtsSkipped, len: u64) -> Notice {
    match skipped.at.saturating_add(skipped.bytes) == len {
        true => Notice::new(NoticeKind::Interrupted, format!("the recording was interrupted: {skipped}")),
        false => Notice::new(NoticeKind::Skipped, skipped.to_string()),
    }
}

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
