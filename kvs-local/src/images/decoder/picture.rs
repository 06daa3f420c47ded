//! A decoded picture.

use crate::images::render::color::Color;
use crate::images::render::shape::Shape;

/// A decoded picture: three planes, 8 bits per sample, 4:2:0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::images) struct Picture {
    pub(in crate::images) width: usize,
    pub(in crate::images) height: usize,
    pub(in crate::images) planes: [Vec<u8>; 3],
}

/// How to display a decoded picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(in crate::images) struct DisplayInfo {
    pub(in crate::images) color: Color,
    /// Luma columns to crop at the left. The decoder for H.264 crops at the right and the bottom only.
    pub(in crate::images) left: u32,
    /// Luma rows to crop at the top.
    pub(in crate::images) top: u32,
    /// What the container adds to the codec.
    pub(in crate::images) shape: Shape,
}

impl Picture {
    /// Returns the width and height of the chroma planes.
    pub(in crate::images) const fn chroma_size(&self) -> (usize, usize) {
        (self.width.div_ceil(2), self.height.div_ceil(2))
    }

    /// Returns row `y` of luma and its row of each chroma plane, or empty slices past the end.
    pub(in crate::images) fn row(&self, y: usize) -> [&[u8]; 3] {
        let [luma, cb, cr] = &self.planes;
        let (chroma, _) = self.chroma_size();
        [row(luma, self.width, y), row(cb, chroma, y / 2), row(cr, chroma, y / 2)]
    }

    /// Removes the cropped columns at the left and the cropped rows at the top.
    pub(in crate::images) fn cropped(self, display: DisplayInfo) -> Option<Self> {
        let (left, top) = (usize::try_from(display.left).ok()?, usize::try_from(display.top).ok()?);
        if left == 0 && top == 0 {
            return Some(self);
        }
        let (width, height) = (self.width.checked_sub(left)?, self.height.checked_sub(top)?);
        if width == 0 || height == 0 {
            return None;
        }
        let (stride, (chroma_stride, _)) = (self.width, self.chroma_size());
        let [luma, cb, cr] = self.planes;
        let cut = |plane: Vec<u8>| cut_plane(&plane, chroma_stride, left / 2, top / 2);
        let planes = [cut_plane(&luma, stride, left, top), cut(cb), cut(cr)];
        Some(Self { width, height, planes })
    }

    /// Returns whether the planes have as many samples as the size requires.
    pub(in crate::images) fn is_whole(&self) -> bool {
        let (chroma_width, chroma_height) = self.chroma_size();
        let chroma = chroma_width * chroma_height;
        let [luma, cb, cr] = &self.planes;
        self.width > 0 && luma.len() == self.width * self.height && cb.len() == chroma && cr.len() == chroma
    }
}

fn row(plane: &[u8], width: usize, y: usize) -> &[u8] {
    plane.get(y * width..(y + 1) * width).unwrap_or_default()
}

fn cut_plane(plane: &[u8], stride: usize, left: usize, top: usize) -> Vec<u8> {
    plane.chunks_exact(stride).skip(top).flat_map(|row| row.get(left..).unwrap_or_default()).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_left_and_top_of_all_planes() {
        let planes = [(0..24).collect(), (0..6).collect(), (10..16).collect()];
        let picture = Picture { width: 6, height: 4, planes };
        let cropped = picture.clone().cropped(DisplayInfo { left: 2, top: 2, ..DisplayInfo::default() }).unwrap();
        assert_eq!((cropped.width, cropped.height), (4, 2));
        assert_eq!(cropped.planes, [vec![14, 15, 16, 17, 20, 21, 22, 23], vec![4, 5], vec![14, 15]]);
        assert_eq!(picture.clone().cropped(DisplayInfo { left: 6, ..DisplayInfo::default() }), None);
        assert_eq!(picture.clone().cropped(DisplayInfo::default()), Some(picture));
    }
}
