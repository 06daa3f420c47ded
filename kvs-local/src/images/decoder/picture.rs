//! Decoded pictures.

use crate::images::sequence::Look;

/// A decoded picture: three planes, 8 bits a sample, chroma halved both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::images) struct Picture {
    pub(in crate::images) width: usize,
    pub(in crate::images) height: usize,
    pub(in crate::images) planes: [Vec<u8>; 3],
}

impl Picture {
    /// Width and height of chroma planes.
    pub(in crate::images) const fn chroma_size(&self) -> (usize, usize) {
        (self.width.div_ceil(2), self.height.div_ceil(2))
    }

    /// Row `y` of luma and the chroma row that belongs to it; empty past the end.
    pub(in crate::images) fn row(&self, y: usize) -> [&[u8]; 3] {
        let [luma, cb, cr] = &self.planes;
        let (chroma, _) = self.chroma_size();
        [row(luma, self.width, y), row(cb, chroma, y / 2), row(cr, chroma, y / 2)]
    }

    /// Cuts off what the stream says is not to be seen at the left and the top.
    pub(in crate::images) fn cropped(self, look: Look) -> Option<Self> {
        let (left, top) = (usize::try_from(look.left).ok()?, usize::try_from(look.top).ok()?);
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

    /// Whether the planes have the samples that the size promises.
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
    fn left_and_top_are_cut_off_all_planes() {
        let planes = [(0..24).collect(), (0..6).collect(), (10..16).collect()];
        let picture = Picture { width: 6, height: 4, planes };
        let cropped = picture.clone().cropped(Look { left: 2, top: 2, ..Look::default() }).unwrap();
        assert_eq!((cropped.width, cropped.height), (4, 2));
        assert_eq!(cropped.planes, [vec![14, 15, 16, 17, 20, 21, 22, 23], vec![4, 5], vec![14, 15]]);
        assert_eq!(picture.clone().cropped(Look { left: 6, ..Look::default() }), None);
        assert_eq!(picture.clone().cropped(Look::default()), Some(picture));
    }
}
