//! How a picture is shown: cropping, shape of the pixels, mirroring and turning, as the container states them.

use kvs_mkv::{Cropping, VideoSettings};

use super::encode::{ImageSize, scale};
use crate::images::decoder::picture::Picture;
use crate::images::error::DecodeError;

/// Whether images are cropped, stretched and turned as the container states.
///
/// The documentation of GetImages and of image generation mentions neither rotation nor the shape of pixels, so images show the
/// picture as it is decoded. What the service does is not confirmed: if it follows the container, set this to `true`.
pub(crate) const IMAGES_FOLLOW_CONTAINER: bool = false;

/// What is done to a decoded picture before it becomes an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    cropping: Cropping,
    /// Shape of the pixels: width and height.
    aspect: Option<(u64, u64)>,
    is_mirrored: bool,
    /// Quarters of a turn, clockwise.
    turns: u8,
}

impl Shape {
    /// Returns the shape for a track with these settings; pictures as they are decoded if the container is not followed.
    pub(crate) fn of(video: Option<VideoSettings>, follows_container: bool) -> Self {
        let Some(video) = video.filter(|_| follows_container) else { return Self::default() };
        let aspect = video.pixel_aspect().filter(|aspect| aspect.width != aspect.height);
        // An image has no corners to show another angle.
        let turns = video.pose.quarter_turns();
        Self {
            cropping: video.cropping,
            aspect: aspect.map(|aspect| (aspect.width, aspect.height)),
            is_mirrored: turns.is_some() && video.pose.is_mirrored(),
            turns: turns.unwrap_or(0),
        }
    }

    /// Returns width and height of the image of a picture of this size.
    #[cfg(feature = "server")]
    pub(crate) fn size(&self, (width, height): (u64, u64)) -> (u64, u64) {
        let Cropping { left, right, top, bottom } = self.cropping;
        let width = width.saturating_sub(left.saturating_add(right));
        let height = height.saturating_sub(top.saturating_add(bottom));
        let width = self.stretched(width);
        if self.turns.is_multiple_of(2) { (width, height) } else { (height, width) }
    }

    fn stretched(&self, width: u64) -> u64 {
        let Some((across, down)) = self.aspect else { return width };
        let stretched = width.saturating_mul(across).saturating_add(down / 2).checked_div(down);
        stretched.unwrap_or(width).max(1)
    }

    /// Returns the picture as it is shown. Cropping that leaves nothing, and a width above the limit of images, are ignored.
    pub(in crate::images) fn apply(&self, picture: Picture) -> Result<Picture, DecodeError> {
        if *self == Self::default() {
            return Ok(picture);
        }
        let picture = self.crop(picture);
        let size = u32::try_from(self.stretched(picture.width as u64)).ok().zip(u32::try_from(picture.height).ok());
        let picture = match size.and_then(|(width, height)| ImageSize::new(width, height)) {
            Some(size) => scale(picture, size)?,
            None => picture,
        };
        Ok(self.turn(&picture))
    }

    fn crop(&self, picture: Picture) -> Picture {
        let Cropping { left, right, top, bottom } = self.cropping;
        let [left, right, top, bottom] =
            [left, right, top, bottom].map(|side| usize::try_from(side).unwrap_or(usize::MAX));
        let width = picture.width.saturating_sub(left.saturating_add(right));
        let height = picture.height.saturating_sub(top.saturating_add(bottom));
        if width == 0 || height == 0 {
            return picture;
        }
        moved(&picture, (width, height), |x, y, half| (x + left / half, y + top / half))
    }

    fn turn(&self, picture: &Picture) -> Picture {
        let size = if self.turns.is_multiple_of(2) {
            (picture.width, picture.height)
        } else {
            (picture.height, picture.width)
        };
        moved(picture, size, |x, y, half| {
            let (width, height) = (picture.width.div_ceil(half), picture.height.div_ceil(half));
            let (x, y) = match self.turns {
                1 => (y, height.saturating_sub(x + 1)),
                2 => (width.saturating_sub(x + 1), height.saturating_sub(y + 1)),
                3 => (width.saturating_sub(y + 1), x),
                _ => (x, y),
            };
            if self.is_mirrored { (width.saturating_sub(x + 1), y) } else { (x, y) }
        })
    }
}

/// A picture of another size whose samples are taken from places of this one. `half` is 2 in the chroma planes.
fn moved(
    picture: &Picture,
    (width, height): (usize, usize),
    place: impl Fn(usize, usize, usize) -> (usize, usize),
) -> Picture {
    let plane = |samples: &[u8], half: usize| {
        let stride = picture.width.div_ceil(half);
        let (width, height) = (width.div_ceil(half), height.div_ceil(half));
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let sample = |(x, y)| {
            let (x, y) = place(x, y, half);
            samples.get(y * stride + x.min(stride.saturating_sub(1))).or(samples.last()).copied().unwrap_or_default()
        };
        places.map(sample).collect::<Vec<u8>>()
    };
    let [luma, cb, cr] = &picture.planes;
    Picture { width, height, planes: [plane(luma, 1), plane(cb, 2), plane(cr, 2)] }
}

#[cfg(test)]
mod tests {
    use kvs_mkv::{PixelAspect, Pose};

    use super::*;

    /// 4x2 samples: 0 1 2 3 above 4 5 6 7.
    fn picture() -> Picture {
        Picture { width: 4, height: 2, planes: [(0..8).collect(), vec![10, 11], vec![20, 21]] }
    }

    fn video() -> VideoSettings {
        VideoSettings::new(4, 2)
    }

    fn shown(video: VideoSettings) -> (usize, usize, [Vec<u8>; 3]) {
        let shape = Shape::of(Some(video), true);
        let picture = shape.apply(picture()).unwrap();
        assert!(picture.is_whole());
        assert_eq!(shape.size((4, 2)), (picture.width as u64, picture.height as u64));
        (picture.width, picture.height, picture.planes)
    }

    #[test]
    fn container_is_not_followed_by_default() {
        let turned = video().with_pose(Pose::clockwise(90.0)).with_pixel_aspect(PixelAspect { width: 4, height: 3 });
        let shape = Shape::of(Some(turned), IMAGES_FOLLOW_CONTAINER);
        assert_eq!((shape.apply(picture()).unwrap(), shape.size((4, 2))), (picture(), (4, 2)));
        assert_ne!(shape, Shape::of(Some(turned), true));
    }

    #[test]
    fn picture_is_turned_clockwise() {
        let turned = |degrees| shown(video().with_pose(Pose::clockwise(degrees)));
        assert_eq!(turned(0.0), (4, 2, picture().planes));
        assert_eq!(turned(90.0), (2, 4, [vec![4, 0, 5, 1, 6, 2, 7, 3], vec![10, 11], vec![20, 21]]));
        assert_eq!(turned(180.0), (4, 2, [vec![7, 6, 5, 4, 3, 2, 1, 0], vec![11, 10], vec![21, 20]]));
        assert_eq!(turned(270.0), (2, 4, [vec![3, 7, 2, 6, 1, 5, 0, 4], vec![11, 10], vec![21, 20]]));
        assert_eq!(turned(45.0), (4, 2, picture().planes));
    }

    #[test]
    fn picture_is_mirrored_before_it_is_turned() {
        let mirrored = |degrees| shown(video().with_pose(Pose::clockwise(degrees).mirrored())).2[0].clone();
        assert_eq!(mirrored(0.0), [3, 2, 1, 0, 7, 6, 5, 4]);
        assert_eq!(mirrored(90.0), [7, 3, 6, 2, 5, 1, 4, 0]);
    }

    #[test]
    fn picture_is_cropped_and_stretched() {
        let cropped = shown(video().with_cropping(Cropping { left: 2, ..Cropping::NONE }));
        assert_eq!(cropped, (2, 2, [vec![2, 3, 6, 7], vec![11], vec![21]]));
        let (width, height, planes) = shown(video().with_pixel_aspect(PixelAspect { width: 2, height: 1 }));
        assert_eq!((width, height, planes[0].len()), (8, 2, 16));
        // What leaves nothing, or more than an image may have, is ignored.
        let nothing = Shape::of(Some(video().with_cropping(Cropping { left: 4, ..Cropping::NONE })), true);
        assert_eq!(nothing.apply(picture()).unwrap(), picture());
        let wide = Shape::of(Some(video().with_pixel_aspect(PixelAspect { width: 5000, height: 1 })), true);
        assert_eq!(wide.apply(picture()).unwrap(), picture());
    }
}
