//! The checks of the newest fragment.

use std::time::Duration;

use kvs_aws::{
    FragmentInfo, GetImages, GetMediaForFragmentList, ImageError, ImageFailure, ImageGenerationConfiguration,
    MediaBody, TimestampOrigin,
};
use kvs_mkv::fragment::{Fragment, FragmentReader};
use kvs_mkv::{CodecId, TrackKind};
use kvs_types::tag_names;

use super::Doctor;
use super::trouble::Trouble;
use crate::values::show_time;

/// How far the camera's clock may be ahead of the service's: nothing arrives before it was taken.
const CAMERA_AHEAD: Duration = Duration::from_secs(5);
/// How far it may be behind: media that waited for the network is some minutes late.
const CAMERA_BEHIND: Duration = Duration::from_secs(3600);
/// The longest fragment that is worth no word. The service takes 20 s.
const LONG_FRAGMENT: Duration = Duration::from_secs(10);

impl Doctor {
    /// Looks at the newest fragment: its tags, length and tracks, and an image of it.
    pub(super) async fn fragment(
        &mut self,
        last: &FragmentInfo,
        configuration: Option<&ImageGenerationConfiguration>,
    ) -> Result<(), Trouble> {
        self.times(last);
        self.interval(last, configuration);
        let Some(number) = last.fragment_number.clone() else { return Ok(()) };
        let ask = GetMediaForFragmentList::new(self.stream.clone(), [number]);
        let media = self
            .client
            .send(ask)
            .await
            .map_err(|error| Trouble::of_call(&error, "kinesisvideo:GetMediaForFragmentList"))?;
        match read_fragment(media).await? {
            Some(fragment) => {
                self.tag(&fragment, configuration);
                self.codec(&fragment);
            }
            None => self.findings.bad("media", "the last fragment has no frames", "send frames in every fragment"),
        }
        self.first_image(last).await
    }

    /// Compares the two clocks of a fragment, and looks at its length.
    fn times(&mut self, last: &FragmentInfo) {
        if let (Some(camera), Some(service)) = (last.producer_timestamp, last.server_timestamp) {
            let off = service.duration_since(camera).unwrap_or_else(|error| error.duration());
            if camera > service + CAMERA_AHEAD || off > CAMERA_BEHIND {
                self.findings.note(
                    "camera clock",
                    format_args!(
                        "the last fragment is of {}, and arrived at {}",
                        show_time(camera),
                        show_time(service)
                    ),
                    "set the clock of the camera, unless this is a recording: images are found by its times",
                );
            }
        }
        let length = last.length();
        if length > LONG_FRAGMENT {
            self.findings.note(
                "fragment length",
                format_args!("{} ms: live view is late, and so are images", length.as_millis()),
                "set the key frame interval of the camera to 2 s, and switch smart codecs off",
            );
        }
    }

    fn interval(&mut self, last: &FragmentInfo, configuration: Option<&ImageGenerationConfiguration>) {
        let Some(configuration) = configuration else { return };
        let (length, every) = (last.length().as_millis(), u128::from(configuration.sampling_interval));
        // The length ends with the beginning of the last frame: a fragment of 2 s is told as 1,960 ms.
        if length > 0 && every > length + length / 4 {
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
        self.reordering(fragment);
    }

    /// B-frames are stored and played, but each waits for a later frame.
    fn reordering(&mut self, fragment: &Fragment) {
        let Some(track) = fragment.tracks.first().map(|track| track.number) else { return };
        let times: Vec<_> =
            fragment.frames.iter().filter(|frame| frame.track == track).map(|frame| frame.pts).collect();
        if !times.is_sorted() {
            let fix = "for live video switch B-frames off (x264: -bf 0); a recording is fine";
            self.findings.note("B-frames", "frames are not in the order of their times", fix);
        }
    }

    async fn first_image(&mut self, last: &FragmentInfo) -> Result<(), Trouble> {
        const LINK: &str = "first image";
        let Some(at) = last.server_timestamp else { return Ok(()) };
        let ask = GetImages::new(self.stream.clone(), at..at + Duration::from_millis(100));
        let ask = ask.selector(TimestampOrigin::Server).every(Duration::from_secs(3));
        let page = self.client.send(ask).await.map_err(|error| Trouble::of_call(&error, "kinesisvideo:GetImages"))?;
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
async fn read_fragment(mut media: MediaBody) -> Result<Option<Fragment>, Trouble> {
    let mut reader = FragmentReader::new(kvs_mkv::Limits::default());
    while let Some(bytes) = media.next().await.map_err(Trouble::of_media)? {
        reader.push(bytes);
        if let Some(fragment) = reader.next_fragment().map_err(Trouble::of_media)? {
            return Ok(Some(fragment).filter(|fragment| !fragment.frames.is_empty()));
        }
    }
    let last = reader.finish().map_err(Trouble::of_media)?;
    Ok(last.filter(|fragment| !fragment.frames.is_empty()))
}
