//! ffmpeg judges the videos that are made of images.

use kvs_media::timelapse::write_mp4;

#[test]
fn ffmpeg_decodes_the_colors_of_the_images() {
    if !test_judges::available("ffmpeg_decodes_the_colors_of_the_images", &["ffmpeg"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("video.mp4");
    write_mp4(&path, 10.0, (0..12).map(|_| jpeg(64, 48, [200, 80, 30]))).unwrap();
    let raw = dir.path().join("raw");
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(&path).args(["-f", "rawvideo", "-pix_fmt", "rgb24"]).arg(&raw);
    assert!(ffmpeg.status().unwrap().success());
    let pixels = std::fs::read(&raw).unwrap();
    assert_eq!(pixels.len(), 12 * 64 * 48 * 3);
    for pixel in pixels.chunks_exact(3) {
        for (got, wanted) in pixel.iter().zip([200_u8, 80, 30]) {
            assert!(got.abs_diff(wanted) <= 6, "{pixel:?}");
        }
    }
}

fn jpeg(width: u16, height: u16, color: [u8; 3]) -> Vec<u8> {
    let pixels: Vec<u8> = color.repeat(usize::from(width) * usize::from(height));
    let mut out = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut out, 90);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    out
}
