//! The Video element: picture size and geometry (RFC 9559 §5.1.4.1.28).

use crate::ebml::Children;
use crate::{DisplaySize, DisplayUnit, ElementId, ParseError, Pose, VideoSettings};

/// Reads a Video element. A display size with a side of 0 and a pose out of range are not valid and are ignored.
pub(super) fn video(mut children: Children<'_>) -> Result<VideoSettings, ParseError> {
    let mut video = VideoSettings::new(0, 0);
    let (mut width, mut height, mut unit) = (None, None, DisplayUnit::Pixels);
    while let Some(child) = children.next()? {
        match child.id {
            ElementId::PIXEL_WIDTH => video.width = child.uint()?,
            ElementId::PIXEL_HEIGHT => video.height = child.uint()?,
            ElementId::PIXEL_CROP_LEFT => video.cropping.left = child.uint()?,
            ElementId::PIXEL_CROP_RIGHT => video.cropping.right = child.uint()?,
            ElementId::PIXEL_CROP_TOP => video.cropping.top = child.uint()?,
            ElementId::PIXEL_CROP_BOTTOM => video.cropping.bottom = child.uint()?,
            ElementId::DISPLAY_WIDTH => width = Some(child.uint()?),
            ElementId::DISPLAY_HEIGHT => height = Some(child.uint()?),
            ElementId::DISPLAY_UNIT => unit = DisplayUnit::from_number(child.uint()?),
            ElementId::PROJECTION => video.pose = pose(child.children())?,
            _ => {}
        }
    }
    let stated = width.is_some() || height.is_some();
    // In pixels, a side that is not stated is that of the cropped picture (§5.1.4.1.28.12, §5.1.4.1.28.13).
    if unit == DisplayUnit::Pixels {
        let cropped = video.cropped();
        (width, height) = (width.or(Some(cropped.0)), height.or(Some(cropped.1)));
    }
    video.display = width
        .zip(height)
        .filter(|&(width, height)| stated && width > 0 && height > 0)
        .map(|(width, height)| DisplaySize { unit, ..DisplaySize::pixels(width, height) });
    Ok(video)
}

/// Reads a Projection element.
fn pose(mut children: Children<'_>) -> Result<Pose, ParseError> {
    let (mut pose, mut is_flat) = (Pose::UPRIGHT, true);
    while let Some(child) = children.next()? {
        match child.id {
            ElementId::PROJECTION_TYPE => is_flat = child.uint()? == RECTANGULAR,
            ElementId::PROJECTION_POSE_YAW => pose.yaw = child.float()?,
            ElementId::PROJECTION_POSE_PITCH => pose.pitch = child.float()?,
            ElementId::PROJECTION_POSE_ROLL => pose.roll = child.float()?,
            _ => {}
        }
    }
    Ok(if is_flat && pose.is_valid() { pose } else { Pose::UPRIGHT })
}

/// `ProjectionType` of a flat picture, the default (§5.1.4.1.28.42).
const RECTANGULAR: u64 = 0;
