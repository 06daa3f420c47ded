//! The checks of the newest fragment.

use std::time::Duration;

use kvs_aws::{
    FragmentInfo, GetImages, GetMediaForFragmentList, ImageError, ImageFailure, ImageGenerationConfiguration,
    MediaBody, TimestampOrigin,
};
use kvs_mkv::fragment::{Fragment, FragmentReader};
use kvs_mkv::{CodecId, TrackKind};
use kvs_types::tag_names;

use super::{Doctor, explain};
use crate::failure::Failure;

impl Doctor {
    /// Looks at the newest fragment: its tags, length and tracks, and an image of it.
    pub(super) async fn fragment(
        &mut self,
        last: &FragmentInfo,
        configuration: Option<&ImageGenerationConfiguration>,
    ) -> Result<(), Failure> {
        self.interval(last, configuration);
        let Some(number) = last.fragment_number.clone() else { return Ok(()) };
        let ask = GetMediaForFragmentList::new(self.stream.clone(), [number]);
        let media =
            self.client.send(ask).await.map_err(|error| explain(error, "kinesisvideo:GetMediaForFragmentList"))?;
        match read_fragment(media).await? {
            Some(fragment) => {
                self.tag(&fragment, configuration);
                self.codec(&fragment);
            }
            None => self.findings.bad("media", "the last fragment has no frames", "send frames in every fragment"),
        }
        self.first_image(last).await
    }

    fn interval(&mut self, last: &FragmentInfo, configuration: Option<&ImageGenerationConfiguration>) {
        let Some(configuration) = configuration else { return };
        let (length, every) = (last.length().as_millis(), u128::from(configuration.sampling_interval));
        if length > 0 && every > length {
            self.findings.note(
                "sampling interval",
                format_args!("{every} ms, longer than the last fragment of {length} ms"),
                "each tagged fragment gives one image, at its start",
            );
        } else {
            self.findings.good("sampling interval", format_args!("{every} ms in fragments of {length} ms"));
        }
    }

    fn tag(&mut self, fragment: &Fragment, configuration: Option<&ImageGenerationConfiguration>) {
        const LINK: &str = "image tag";
        let tagged = fragment.tags.iter().any(|tag| tag.name == tag_names::IMAGE_GENERATION);
        match (tagged, configuration) {
            (true, _) => self.findings.good(LINK, "the last fragment asks for images"),
            (false, None) => self.findings.good(LINK, "the last fragment asks for none, as image generation is not configured"),
            (false, Some(_)) => self.findings.note(
                LINK,
                "the last fragment does not ask for images",
                "images come only of fragments with the tag AWS_KINESISVIDEO_IMAGE_GENERATION: kvs put --event image, or put_event(ImageGeneration::new())",
            ),
        }
    }

    fn codec(&mut self, fragment: &Fragment) {
        const LINK: &str = "codec";
        match fragment.tracks.first() {
            Some(track) if track.kind != TrackKind::Video => {
                self.findings.bad(LINK, "track 1 is not video", "make video the first track: images come of track 1");
            }
            Some(track) if ![CodecId::H264, CodecId::H265].contains(&track.codec) => {
                let what = format_args!("{} gives no images", track.codec);
                self.findings.bad(LINK, what, "send H.264 or H.265");
            }
            Some(track) if track.codec_private.is_empty() => {
                let fix = "send the codec private data (avcC) of the stream in its track header";
                self.findings.bad(LINK, "the track has no codec private data", fix);
            }
            Some(track) => self.findings.good(LINK, &track.codec),
            None => self.findings.bad(LINK, "the fragment has no track", "send a track header"),
        }
        let first =
            fragment.frames.iter().find(|frame| fragment.tracks.first().is_some_and(|t| t.number == frame.track));
        match first {
            Some(frame) if !frame.keyframe => self.findings.bad(
                "key frame",
                "the fragment does not start with one",
                "start fragments at key frames: the service decodes from there",
            ),
            _ => self.findings.good("key frame", "the fragment starts with one"),
        }
    }

    async fn first_image(&mut self, last: &FragmentInfo) -> Result<(), Failure> {
        const LINK: &str = "first image";
        let Some(at) = last.server_timestamp else { return Ok(()) };
        let ask = GetImages::new(self.stream.clone(), at..at + Duration::from_millis(100));
        let ask = ask.selector(TimestampOrigin::Server).every(Duration::from_secs(3));
        let page = self.client.send(ask).await.map_err(|error| explain(error, "kinesisvideo:GetImages"))?;
        match page.images.into_iter().next().map(|image| image.content) {
            Some(Ok(image)) => self.findings.good(LINK, format_args!("{} bytes", image.len())),
            Some(Err(ImageFailure::Service(ImageError::MediaError))) => {
                let fix = "check the codec private data, and that the video is progressive 4:2:0: the service cannot decode the media";
                self.findings.bad(LINK, "MEDIA_ERROR", fix);
            }
            Some(Err(why)) => {
                self.findings.bad(LINK, why, "try again in some seconds: new media is readable with a delay")
            }
            None => self.findings.bad(LINK, "the response has no image", "try again in some seconds"),
        }
        Ok(())
    }
}

/// The first fragment of a body.
async fn read_fragment(mut media: MediaBody) -> Result<Option<Fragment>, Failure> {
    let mut reader = FragmentReader::new(kvs_mkv::Limits::default());
    while let Some(bytes) = media.next().await.map_err(Failure::of_run)? {
        reader.push(bytes);
        if let Some(fragment) = reader.next_fragment().map_err(Failure::of_run)? {
            return Ok(Some(fragment).filter(|fragment| !fragment.frames.is_empty()));
        }
    }
    let last = reader.finish().map_err(Failure::of_run)?;
    Ok(last.filter(|fragment| !fragment.frames.is_empty()))
}
