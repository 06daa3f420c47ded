//! The geometry of a video track: coded size, cropping, display size, and how the camera was turned (RFC 9559 §5.1.4.1.28).

/// The picture size of a video track, and how a player shows the picture.
///
/// A player decodes `width` x `height` pixels, removes the [`cropping`](Self::cropping), scales the rest to the
/// [`display`](Self::display) size and turns it by the [`pose`](Self::pose).
///
/// ```
/// use kvs_mkv::{PixelAspect, Pose, VideoSettings};
///
/// // PAL video in widescreen, from a camera that hangs upside down.
/// let video = VideoSettings::new(720, 576).with_pixel_aspect(PixelAspect { width: 64, height: 45 }).with_pose(Pose::clockwise(180.0));
/// let display = video.display.expect("the pixels are not square");
/// assert_eq!((display.width, display.height), (1024, 576));
/// assert_eq!(video.pixel_aspect(), Some(PixelAspect { width: 64, height: 45 }));
/// assert_eq!(video.pose.quarter_turns(), Some(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct VideoSettings {
    /// Width of the decoded picture in pixels, after the cropping that the codec states.
    pub width: u64,
    /// Height of the decoded picture in pixels, after the cropping that the codec states.
    pub height: u64,
    /// Pixels that a player removes from the decoded picture. Default: none.
    pub cropping: Cropping,
    /// The size for display. `None` if the track states none: the pixels are square, or only the codec says what they are.
    pub display: Option<DisplaySize>,
    /// How a player turns the picture. Default: not at all.
    pub pose: Pose,
}

impl VideoSettings {
    /// Creates settings for a picture of this size in pixels, which is shown as it is decoded.
    #[must_use]
    pub const fn new(width: u64, height: u64) -> Self {
        Self { width, height, cropping: Cropping::NONE, display: None, pose: Pose::UPRIGHT }
    }

    /// Sets the cropping. Set it before the pixel aspect, which depends on it.
    #[must_use]
    pub const fn with_cropping(mut self, cropping: Cropping) -> Self {
        self.cropping = cropping;
        self
    }

    /// Sets the display size.
    #[must_use]
    pub const fn with_display(mut self, display: DisplaySize) -> Self {
        self.display = Some(display);
        self
    }

    /// Sets how a player turns the picture.
    #[must_use]
    pub const fn with_pose(mut self, pose: Pose) -> Self {
        self.pose = pose;
        self
    }

    /// Sets the display size from the shape of a pixel (`pasp` of MP4, `sample_aspect_ratio` of a codec).
    ///
    /// The height stays and the width is scaled. If that gives no whole number, the display size is an aspect ratio. Square
    /// pixels and a shape with a side of 0 (unknown) remove the display size.
    #[must_use]
    pub fn with_pixel_aspect(mut self, aspect: PixelAspect) -> Self {
        let (width, height) = self.cropped();
        let (across, down) = (u128::from(width) * u128::from(aspect.width), u128::from(aspect.height));
        self.display = if aspect.width == aspect.height || down == 0 || across == 0 || height == 0 {
            None
        } else if across % down == 0 {
            u64::try_from(across / down).ok().map(|width| DisplaySize::pixels(width, height))
        } else {
            ratio(across, down * u128::from(height)).map(|(width, height)| DisplaySize {
                unit: DisplayUnit::AspectRatio,
                ..DisplaySize::pixels(width, height)
            })
        };
        self
    }

    /// Returns the shape of a pixel as the display size states it, in lowest terms.
    ///
    /// `None` if the track states none, and if a size is zero or in an unknown unit.
    #[must_use]
    pub fn pixel_aspect(&self) -> Option<PixelAspect> {
        let display = self.display.filter(|display| !matches!(display.unit, DisplayUnit::Other(_)))?;
        let (width, height) = self.cropped();
        let across = u128::from(display.width) * u128::from(height);
        let down = u128::from(display.height) * u128::from(width);
        ratio(across, down).map(|(width, height)| PixelAspect { width, height })
    }

    /// Returns width and height in pixels after the cropping; 0 if it leaves no pixel.
    #[must_use]
    pub const fn cropped(&self) -> (u64, u64) {
        let Cropping { left, right, top, bottom } = self.cropping;
        (self.width.saturating_sub(left.saturating_add(right)), self.height.saturating_sub(top.saturating_add(bottom)))
    }

    /// Completes settings that were read from a codec with what a container states.
    ///
    /// The pose is that of the container. Its cropping and display size apply if the container describes a picture of the same
    /// size, or states no size; they take precedence over the codec.
    #[must_use]
    pub fn completed_by(mut self, container: &Self) -> Self {
        self.pose = container.pose;
        let states_size = container.width != 0 || container.height != 0;
        if !states_size || (container.width, container.height) == (self.width, self.height) {
            self.cropping = container.cropping;
            self.display = container.display.or(self.display);
        }
        self
    }
}

/// Pixels that a player removes at the sides of the decoded picture (`PixelCropLeft` and the like).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a picture has four sides")]
pub struct Cropping {
    /// Pixels on the left.
    pub left: u64,
    /// Pixels on the right.
    pub right: u64,
    /// Pixels at the top.
    pub top: u64,
    /// Pixels at the bottom.
    pub bottom: u64,
}

impl Cropping {
    /// Nothing is removed.
    pub const NONE: Self = Self { left: 0, right: 0, top: 0, bottom: 0 };
}

/// The size in which a picture is shown (`DisplayWidth`, `DisplayHeight`, `DisplayUnit`), before it is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DisplaySize {
    /// Width in units; not 0.
    pub width: u64,
    /// Height in units; not 0.
    pub height: u64,
    /// The unit of both.
    pub unit: DisplayUnit,
}

impl DisplaySize {
    /// Creates a size in pixels.
    #[must_use]
    pub const fn pixels(width: u64, height: u64) -> Self {
        Self { width, height, unit: DisplayUnit::Pixels }
    }

    /// Creates a size of which only the ratio counts.
    #[must_use]
    pub const fn ratio(width: u64, height: u64) -> Self {
        Self { width, height, unit: DisplayUnit::AspectRatio }
    }
}

/// The unit of a display size (RFC 9559 §5.1.4.1.28.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisplayUnit {
    /// Pixels.
    Pixels,
    /// Centimeters.
    Centimeters,
    /// Inches.
    Inches,
    /// Width and height are a ratio.
    AspectRatio,
    /// Unknown (4) or not defined, by its number: the display size means nothing.
    Other(u64),
}

impl DisplayUnit {
    /// Returns the unit for a value of `DisplayUnit`.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Pixels,
            1 => Self::Centimeters,
            2 => Self::Inches,
            3 => Self::AspectRatio,
            other => Self::Other(other),
        }
    }

    /// Returns the value of `DisplayUnit` for this unit.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Pixels => 0,
            Self::Centimeters => 1,
            Self::Inches => 2,
            Self::AspectRatio => 3,
            Self::Other(number) => number,
        }
    }
}

/// The shape of a pixel, as width to height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a fraction has two parts")]
pub struct PixelAspect {
    /// Width ...
    pub width: u64,
    /// ... to height.
    pub height: u64,
}

/// How a player turns a flat picture (`ProjectionPoseYaw`, `ProjectionPosePitch` and `ProjectionPoseRoll`), in degrees.
///
/// Portrait video of a phone has a roll of -90 or 90, a camera on the ceiling 180. A yaw of 180 mirrors the picture. Poses of
/// spherical video (`ProjectionType` other than rectangular) are neither read nor written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Pose {
    /// Rotation about the vertical axis, -180 to 180. 180 mirrors the picture left to right.
    pub yaw: f64,
    /// Rotation about the horizontal axis, -90 to 90.
    pub pitch: f64,
    /// Rotation in the plane of the picture, counter-clockwise, -180 to 180.
    pub roll: f64,
}

impl Pose {
    /// The picture is shown as it is decoded.
    pub const UPRIGHT: Self = Self { yaw: 0.0, pitch: 0.0, roll: 0.0 };

    /// Turns the picture clockwise by this angle in degrees. An angle that is not a number turns it not at all.
    #[must_use]
    pub fn clockwise(degrees: f64) -> Self {
        Self { roll: if degrees.is_finite() { between_half_turns(-degrees) } else { 0.0 }, ..Self::UPRIGHT }
    }

    /// Mirrors the picture left to right before it is turned.
    #[must_use]
    pub const fn mirrored(mut self) -> Self {
        self.yaw = 180.0;
        self
    }

    /// Creates the pose of a display matrix `[a, b, c, d]`, the upper left numbers of the matrix in `tkhd` of MP4
    /// (ISO/IEC 14496-12 §8.3.2), in any common unit: a pixel at `(x, y)`, with `y` downward, is shown at
    /// `(ax + cy, bx + dy)`.
    ///
    /// Scale and shear are ignored. `None` if the matrix maps the picture to a line or a point.
    #[must_use]
    pub fn from_matrix([a, b, c, d]: [f64; 4]) -> Option<Self> {
        let determinant = a * d - b * c;
        if !determinant.is_finite() || determinant == 0.0 {
            return None;
        }
        let is_mirrored = determinant < 0.0;
        // The first column is where the right side of the picture goes; mirrored before, it is the left side.
        let (x, y) = if is_mirrored { (-a, -b) } else { (a, b) };
        let pose = Self::clockwise(y.atan2(x).to_degrees());
        Some(if is_mirrored { pose.mirrored() } else { pose })
    }

    /// Returns whether the picture is shown as it is decoded.
    #[must_use]
    pub fn is_upright(&self) -> bool {
        *self == Self::UPRIGHT
    }

    /// Returns by how many quarters of a turn, 0 to 3, the picture is turned clockwise; see [`is_mirrored`](Self::is_mirrored).
    ///
    /// `None` if it is turned by another angle, or about another axis.
    #[must_use]
    pub fn quarter_turns(&self) -> Option<u8> {
        let flat = self.pitch == 0.0 && (self.yaw == 0.0 || self.is_mirrored());
        (0..4).find(|&quarters| flat && between_half_turns(-self.roll - f64::from(quarters) * 90.0).abs() < EXACT)
    }

    /// Returns whether the picture is mirrored left to right before it is turned.
    #[must_use]
    pub fn is_mirrored(&self) -> bool {
        self.yaw.abs() == 180.0
    }

    /// Returns whether all angles are in the ranges of Matroska.
    pub(crate) fn is_valid(&self) -> bool {
        self.yaw.abs() <= 180.0 && self.pitch.abs() <= 90.0 && self.roll.abs() <= 180.0
    }
}

/// Degrees by which an angle may differ from a quarter of a turn: a matrix in 16.16 fixed point is about this exact.
const EXACT: f64 = 0.01;

/// Returns the same angle above -180 and up to 180 degrees.
fn between_half_turns(degrees: f64) -> f64 {
    let turned = degrees.rem_euclid(360.0);
    // Adding zero makes a negative zero positive.
    (if turned > 180.0 { turned - 360.0 } else { turned }) + 0.0
}

/// Returns a fraction in lowest terms; `None` if a part is zero or does not fit.
fn ratio(width: u128, height: u128) -> Option<(u64, u64)> {
    let (mut divisor, mut rest) = (width, height);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let part = |value: u128| u64::try_from(value.checked_div(divisor)?).ok().filter(|&part| part != 0);
    Some((part(width)?, part(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_aspect_becomes_whole_pixels_or_a_ratio() {
        let aspect = |width, height| PixelAspect { width, height };
        let shown = |width, height, shape| VideoSettings::new(width, height).with_pixel_aspect(shape).display;
        assert_eq!(shown(720, 576, aspect(16, 15)), Some(DisplaySize::pixels(768, 576)));
        assert_eq!(shown(720, 480, aspect(8, 9)), Some(DisplaySize::pixels(640, 480)));
        assert_eq!(shown(160, 96, aspect(4, 3)), Some(DisplaySize::ratio(20, 9)));
        for square_or_unknown in [aspect(1, 1), aspect(7, 7), aspect(0, 1), aspect(1, 0)] {
            assert_eq!(shown(720, 576, square_or_unknown), None);
        }
        let cropped = VideoSettings::new(1920, 1088).with_cropping(Cropping { bottom: 8, ..Cropping::NONE });
        let shown = cropped.with_pixel_aspect(aspect(4, 3));
        assert_eq!((shown.display, shown.pixel_aspect()), (Some(DisplaySize::pixels(2560, 1080)), Some(aspect(4, 3))));
        let unknown = cropped.with_display(DisplaySize { unit: DisplayUnit::Other(4), ..DisplaySize::pixels(4, 3) });
        assert_eq!((unknown.pixel_aspect(), cropped.pixel_aspect()), (None, None));
        assert_eq!(cropped.with_display(DisplaySize::pixels(u64::MAX, 1)).pixel_aspect(), None);
    }

    #[test]
    fn matrices_of_phones_are_quarter_turns() {
        for (matrix, quarters, mirrored) in [
            ([1.0, 0.0, 0.0, 1.0], 0, false),
            ([0.0, 1.0, -1.0, 0.0], 1, false),
            ([-1.0, 0.0, 0.0, -1.0], 2, false),
            ([0.0, -65_536.0, 65_536.0, 0.0], 3, false),
            ([-1.0, 0.0, 0.0, 1.0], 0, true),
            ([1.0, 0.0, 0.0, -1.0], 2, true),
            ([0.0, 1.0, 1.0, 0.0], 3, true),
        ] {
            let pose = Pose::from_matrix(matrix).unwrap();
            assert_eq!((pose.quarter_turns(), pose.is_mirrored()), (Some(quarters), mirrored), "{matrix:?} {pose:?}");
        }
        let tilted = Pose::from_matrix([1.0, 1.0, -1.0, 1.0]).unwrap();
        assert_eq!((tilted.quarter_turns(), tilted.roll.round()), (None, -45.0));
        for flat in [[0.0; 4], [1.0, 1.0, 1.0, 1.0], [f64::NAN, 0.0, 0.0, 1.0]] {
            assert_eq!(Pose::from_matrix(flat), None);
        }
        assert_eq!(Pose::clockwise(f64::INFINITY), Pose::UPRIGHT);
    }

    #[test]
    fn container_completes_what_codec_states() {
        let codec = VideoSettings::new(720, 576).with_display(DisplaySize::ratio(16, 9));
        let container = VideoSettings::new(720, 576).with_pose(Pose::clockwise(90.0));
        assert_eq!(codec.completed_by(&container), codec.with_pose(Pose::clockwise(90.0)));
        let other = container.with_display(DisplaySize::ratio(4, 3));
        assert_eq!(codec.completed_by(&other).display, other.display);
        let larger = VideoSettings { width: 1280, ..other };
        assert_eq!(codec.completed_by(&larger), codec.with_pose(larger.pose));
    }
}
