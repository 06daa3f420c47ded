//! Color conversion: from the Y'CbCr of the stream to the full-range BT.601 of JPEG and the RGB of PNG.

/// The color encoding of a stream.
///
/// A stream without this information is read as limited-range BT.601, as ffmpeg does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(in crate::images) struct Color {
    /// Weights of red, green and blue in luma.
    pub(in crate::images) matrix: Matrix,
    /// Sample values of black and white.
    pub(in crate::images) range: Range,
}

/// Weights of red, green and blue in luma (ITU-T H.264 table E-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(in crate::images) enum Matrix {
    /// Standard definition, and the default.
    #[default]
    Bt601,
    /// High definition.
    Bt709,
    /// FCC, 1953.
    Fcc,
    /// SMPTE 240M.
    Smpte240,
    /// Ultra-high definition, non-constant luminance.
    Bt2020,
}

/// The sample values of black and white.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(in crate::images) enum Range {
    /// 16 to 235, chroma 16 to 240.
    #[default]
    Limited,
    /// 0 to 255.
    Full,
}

impl Color {
    /// Converts `matrix_coefficients` and `video_full_range_flag` of the VUI (H.264 §E.2.1, H.265 §E.3.1). Matrices that
    /// 4:2:0 video does not use are read as BT.601.
    pub(in crate::images) const fn new(matrix: u32, full: bool) -> Self {
        let matrix = match matrix {
            1 => Matrix::Bt709,
            4 => Matrix::Fcc,
            7 => Matrix::Smpte240,
            9 | 10 => Matrix::Bt2020,
            _ => Matrix::Bt601,
        };
        Self { matrix, range: if full { Range::Full } else { Range::Limited } }
    }

    /// Returns the fixed-point coefficients for full-range RGB.
    pub(in crate::images) fn to_rgb(self) -> RgbCoefficients {
        let (red, blue) = self.matrix.weights();
        let green = 1.0 - red - blue;
        let (black, luma, chroma) = self.range.scale();
        RgbCoefficients {
            black,
            luma: fixed(luma),
            red_cr: fixed(2.0 * (1.0 - red) * chroma),
            green_cb: fixed(-2.0 * blue * (1.0 - blue) / green * chroma),
            green_cr: fixed(-2.0 * red * (1.0 - red) / green * chroma),
            blue_cb: fixed(2.0 * (1.0 - blue) * chroma),
        }
    }

    /// Returns the fixed-point coefficients for JFIF, which is full-range BT.601.
    pub(in crate::images) fn to_jfif(self) -> JfifCoefficients {
        let (red, blue) = self.matrix.weights();
        let (to_red, to_blue) = Matrix::Bt601.weights();
        let green = 1.0 - red - blue;
        let to_green = 1.0 - to_red - to_blue;
        let (black, luma, chroma) = self.range.scale();
        // R = Y + a Cr, G = Y + b Cb + c Cr, B = Y + d Cb with the matrix of the stream.
        let (a, d) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
        let (b, c) = (-blue * d / green, -red * a / green);
        // Y' = Y + p Cb + q Cr with the weights of BT.601.
        let (p, q) = (to_green * b + to_blue * d, to_red * a + to_green * c);
        let (blue_unit, red_unit) = (2.0 * (1.0 - to_blue), 2.0 * (1.0 - to_red));
        JfifCoefficients {
            black,
            luma: fixed(luma),
            luma_cb: fixed(p * chroma),
            luma_cr: fixed(q * chroma),
            cb_cb: fixed((d - p) / blue_unit * chroma),
            cb_cr: fixed(-q / blue_unit * chroma),
            cr_cb: fixed(-p / red_unit * chroma),
            cr_cr: fixed((a - q) / red_unit * chroma),
        }
    }
}

impl Matrix {
    /// Returns `Kr` and `Kb` (H.264 table E-5).
    const fn weights(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Fcc => (0.30, 0.11),
            Self::Smpte240 => (0.212, 0.087),
            Self::Bt2020 => (0.2627, 0.0593),
        }
    }
}

impl Range {
    /// Returns the value of black, and the factors that scale luma and chroma to 0..=255.
    fn scale(self) -> (i32, f64, f64) {
        match self {
            Self::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            Self::Full => (0, 1.0, 1.0),
        }
    }
}

/// Integers with 16 fractional bits. Sums of three products fit in 32 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::images) struct RgbCoefficients {
    black: i32,
    luma: i32,
    red_cr: i32,
    green_cb: i32,
    green_cr: i32,
    blue_cb: i32,
}

impl RgbCoefficients {
    /// Converts one row: `[luma, cb, cr]` with one chroma sample per two pixels, to three samples per pixel.
    pub(in crate::images) fn convert_row(&self, row: [&[u8]; 3], rgb: &mut [u8]) {
        let [luma, cb, cr] = row;
        for (((pixels, luma), cb), cr) in rgb.chunks_mut(6).zip(luma.chunks(2)).zip(cb).zip(cr) {
            let (cb, cr) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
            let red = self.red_cr * cr + HALF;
            let green = self.green_cb * cb + self.green_cr * cr + HALF;
            let blue = self.blue_cb * cb + HALF;
            for (pixel, y) in pixels.chunks_exact_mut(3).zip(luma) {
                let y = (i32::from(*y) - self.black) * self.luma;
                pixel.copy_from_slice(&[sample(y + red), sample(y + green), sample(y + blue)]);
            }
        }
    }
}

/// Integers with 16 fractional bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::images) struct JfifCoefficients {
    black: i32,
    luma: i32,
    luma_cb: i32,
    luma_cr: i32,
    cb_cb: i32,
    cb_cr: i32,
    cr_cb: i32,
    cr_cr: i32,
}

impl JfifCoefficients {
    /// Converts one row: `[luma, cb, cr]` with one chroma sample per two pixels, to one sample of each per pixel.
    pub(in crate::images) fn convert_row(&self, row: [&[u8]; 3], out: [&mut [u8]; 3]) {
        let [luma, cb, cr] = row;
        let [to_luma, to_cb, to_cr] = out;
        let to = to_luma.chunks_mut(2).zip(to_cb.chunks_mut(2)).zip(to_cr.chunks_mut(2));
        for (((to, luma), cb), cr) in to.zip(luma.chunks(2)).zip(cb).zip(cr) {
            let ((to_luma, to_cb), to_cr) = to;
            let (cb, cr) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
            let shift = self.luma_cb * cb + self.luma_cr * cr + HALF;
            for (to, y) in to_luma.iter_mut().zip(luma) {
                *to = sample((i32::from(*y) - self.black) * self.luma + shift);
            }
            to_cb.fill(sample(self.cb_cb * cb + self.cb_cr * cr + CENTRE));
            to_cr.fill(sample(self.cr_cb * cb + self.cr_cr * cr + CENTRE));
        }
    }
}

fn sample(fixed: i32) -> u8 {
    u8::try_from((fixed >> 16).clamp(0, 255)).unwrap_or(u8::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "coefficients are between -3 and 3")]
fn fixed(coefficient: f64) -> i32 {
    (coefficient * 65_536.0).round() as i32
}

/// One half with 16 fractional bits, for rounding.
const HALF: i32 = 1 << 15;
/// Neutral chroma, 128, with rounding.
const CENTRE: i32 = (128 << 16) + HALF;

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(color: Color, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let mut pixel = [0; 3];
        color.to_rgb().convert_row([&[y], &[cb], &[cr]], &mut pixel);
        pixel
    }

    fn jfif(color: Color, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let (mut a, mut b, mut c) = ([0], [0], [0]);
        color.to_jfif().convert_row([&[y], &[cb], &[cr]], [&mut a, &mut b, &mut c]);
        [a[0], b[0], c[0]]
    }

    #[test]
    fn black_white_and_red_match_the_standards() {
        let (sd, hd) = (Color::default(), Color::new(1, false));
        assert_eq!([rgb(sd, 16, 128, 128), rgb(sd, 235, 128, 128)], [[0; 3], [255; 3]]);
        assert_eq!(rgb(Color::new(5, true), 255, 128, 128), [255; 3]);
        // The red of 75 % color bars: (65, 100, 212) in BT.601, (51, 109, 212) in BT.709.
        for [r, g, b] in [rgb(sd, 65, 100, 212), rgb(hd, 51, 109, 212)] {
            assert!(r.abs_diff(191) <= 2 && g <= 2 && b <= 2, "{r} {g} {b}");
        }
    }

    #[test]
    fn full_range_bt601_equals_jfif() {
        let color = Color::new(6, true);
        for triple in [[0, 128, 128], [255, 1, 254], [76, 85, 255]] {
            assert_eq!(jfif(color, triple[0], triple[1], triple[2]), triple);
        }
    }

    #[test]
    fn direct_rgb_equals_rgb_by_way_of_jfif() {
        let from_jfif = Color::new(6, true);
        for matrix in [1, 5, 7, 9] {
            let color = Color::new(matrix, false);
            for (y, cb, cr) in [(81, 90, 200), (145, 54, 80), (41, 200, 110), (120, 128, 140)] {
                let [jy, jcb, jcr] = jfif(color, y, cb, cr);
                let (direct, through) = (rgb(color, y, cb, cr), rgb(from_jfif, jy, jcb, jcr));
                assert!(direct.iter().zip(through).all(|(a, b)| a.abs_diff(b) <= 3), "{direct:?} {through:?}");
            }
        }
    }
}
