//! The Video element: picture size and geometry (RFC 9559 §5.1.4.1.28).

use super::WriterError;
use super::header::{put_bytes, put_wide_size};
use crate::ebml::put_id;
use crate::{ElementId, Pose, Track, VideoSettings};

/// Appends a Video element. What has its default is left out, as the producer SDK for C does, which writes the size only.
pub(super) fn put_video(out: &mut Vec<u8>, track: &Track, video: VideoSettings) -> Result<(), WriterError> {
    let mut body = Vec::new();
    put_bytes(&mut body, ElementId::PIXEL_WIDTH, &side(track, "width", video.width)?);
    put_bytes(&mut body, ElementId::PIXEL_HEIGHT, &side(track, "height", video.height)?);
    put_cropping(&mut body, track, video)?;
    put_display(&mut body, video);
    put_pose(&mut body, track, video.pose)?;
    put_id(out, ElementId::VIDEO);
    put_wide_size(out, body.len())?;
    out.extend_from_slice(&body);
    Ok(())
}

fn put_cropping(out: &mut Vec<u8>, track: &Track, video: VideoSettings) -> Result<(), WriterError> {
    let sides = [
        (ElementId::PIXEL_CROP_BOTTOM, video.cropping.bottom),
        (ElementId::PIXEL_CROP_TOP, video.cropping.top),
        (ElementId::PIXEL_CROP_LEFT, video.cropping.left),
        (ElementId::PIXEL_CROP_RIGHT, video.cropping.right),
    ];
    let (width, height) = video.cropped();
    if sides.iter().any(|&(_, pixels)| pixels != 0) && (width == 0 || height == 0) {
        let (width, height) = (video.width, video.height);
        return Err(WriterError::CroppedAway { number: track.number, width, height });
    }
    sides.into_iter().filter(|&(_, pixels)| pixels != 0).for_each(|(id, pixels)| put_uint(out, id, pixels));
    Ok(())
}

/// Appends the display size. 0 is not a valid side (§5.1.4.1.28.12), so a size with it is left out.
fn put_display(out: &mut Vec<u8>, video: VideoSettings) {
    let Some(display) = video.display.filter(|display| display.width != 0 && display.height != 0) else { return };
    put_uint(out, ElementId::DISPLAY_WIDTH, display.width);
    put_uint(out, ElementId::DISPLAY_HEIGHT, display.height);
    if display.unit.number() != 0 {
        put_uint(out, ElementId::DISPLAY_UNIT, display.unit.number());
    }
}

fn put_pose(out: &mut Vec<u8>, track: &Track, pose: Pose) -> Result<(), WriterError> {
    if !pose.is_valid() {
        return Err(WriterError::Pose { number: track.number });
    }
    if pose.is_upright() {
        return Ok(());
    }
    let mut body = Vec::new();
    put_uint(&mut body, ElementId::PROJECTION_TYPE, 0); // rectangular
    put_bytes(&mut body, ElementId::PROJECTION_POSE_YAW, &pose.yaw.to_be_bytes());
    put_bytes(&mut body, ElementId::PROJECTION_POSE_PITCH, &pose.pitch.to_be_bytes());
    put_bytes(&mut body, ElementId::PROJECTION_POSE_ROLL, &pose.roll.to_be_bytes());
    put_id(out, ElementId::PROJECTION);
    put_wide_size(out, body.len())?;
    out.extend_from_slice(&body);
    Ok(())
}

/// Appends an unsigned integer in as few bytes as it needs, at least one.
fn put_uint(out: &mut Vec<u8>, id: ElementId, value: u64) {
    let bytes = value.to_be_bytes();
    let zeros = (value.leading_zeros() as usize / 8).min(7);
    put_bytes(out, id, bytes.get(zeros..).unwrap_or_default());
}

fn side(track: &Track, field: &'static str, value: u64) -> Result<[u8; 2], WriterError> {
    let error = WriterError::TrackSetting { number: track.number, field, value, limit: u16::MAX.into() };
    u16::try_from(value).map(u16::to_be_bytes).map_err(|_| error)
}
