//! Sends frame by frame, at the speed of the recording or as fast as possible.

use std::sync::Mutex;
use std::time::Duration;

use kvs_media::__internal::FragmentCounter;
use kvs_mkv::Tag;
use kvs_producer::{FragmentTag, ImageGeneration, Notification, Producer};
use kvs_types::tag_names;

use super::lock;
use super::options::{Event, Options};
use super::pace::Pace;
use super::refused::Refused;
use super::reporter::Reporter;
use super::source::{Next, Source, Timed};
use crate::failure::Failure;

/// The source and where it is. Goes on with another producer after a change of its tracks.
pub(super) struct Player<'a> {
    pub(super) options: &'a Options,
    pub(super) source: Source,
    pace: Pace,
    refused: Refused,
    /// The time of the first frame.
    first: Option<Duration>,
}

/// Why nothing more was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Played {
    /// The source has ended, or `--duration` has.
    All,
    /// What follows has other tracks.
    OtherTracks,
}

impl<'a> Player<'a> {
    pub(super) fn new(options: &'a Options, source: Source) -> Self {
        Self { options, pace: Pace::new(), refused: Refused::new(&source), source, first: None }
    }

    /// The number of frames that came too late to be ordered with those of other tracks.
    pub(super) const fn late(&self) -> u64 {
        self.refused.late()
    }

    /// Puts frames into a producer until the end, or until it does not fit.
    pub(super) async fn play(&mut self, stream: &Producer, reporter: &Mutex<Reporter>) -> Result<Played, Failure> {
        let (options, lead, mut fragments) = (self.options, self.source.lead(), FragmentCounter::default());
        while let Some(next) = self.source.next().await? {
            let Timed { frame, due } = match next {
                Next::Frame(timed) => timed,
                Next::Tags(tags) => {
                    keep(&tags, stream)?;
                    continue;
                }
                Next::OtherTracks => return Ok(Played::OtherTracks),
            };
            let position = frame.pts.saturating_sub(*self.first.get_or_insert(frame.pts));
            if options.duration.is_some_and(|most| position >= most) {
                break;
            }
            if let (Some(due), false) = (due, options.offline) {
                self.pace.until(due).await;
            }
            let begins = frame.keyframe && Some(frame.track) == lead && fragments.starts_at(frame.pts);
            if let Err(error) = stream.put_frame(frame).await {
                self.refused.handle(error)?;
                continue;
            }
            lock(reporter).put(position);
            if begins && fragments.is_due(options.every) {
                tag(options, stream)?;
            }
            lock(reporter).update(|| stream.stats());
        }
        Ok(Played::All)
    }
}

/// Puts the tags that a fragment has in the input on the fragment that is open.
fn keep(tags: &[Tag], stream: &Producer) -> Result<(), Failure> {
    let prefix = tags.iter().find(|tag| tag.name == tag_names::IMAGE_PREFIX).map(|tag| tag.value.as_str());
    for tag in tags {
        match tag.name.as_str() {
            tag_names::NOTIFICATION => stream.put_event(Notification::new()),
            tag_names::IMAGE_GENERATION => {
                let images = ImageGeneration::new();
                stream.put_event(prefix.into_iter().fold(images, |images, prefix| images.with_prefix(prefix)))
            }
            tag_names::IMAGE_PREFIX => Ok(()),
            name => stream.put_tag(FragmentTag::once(name, &tag.value)),
        }
        .map_err(|error| Failure::of_input(error).about(format_args!("tag {} of the input", tag.name)))?;
    }
    Ok(())
}

/// Tags the fragment that is open.
fn tag(options: &Options, stream: &Producer) -> Result<(), Failure> {
    if matches!(options.event, Event::Notification | Event::Both) {
        stream.put_event(Notification::new()).map_err(Failure::of_run)?;
    }
    if matches!(options.event, Event::Image | Event::Both) {
        let images = ImageGeneration::new();
        let images = options.prefix.iter().fold(images, |images, prefix| images.with_prefix(prefix));
        stream.put_event(images).map_err(Failure::of_input)?;
    }
    Ok(())
}
