//! Motion JPEG: each frame is a JPEG picture and a key frame.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{CodecId, Track, TrackKind, TrackNumber};

/// Builds a video track with the Matroska id `V_MJPEG`, which needs no codec private data.
///
/// ```
/// use kvs_mkv::TrackNumber;
/// use kvs_mkv::codec::mjpeg;
///
/// let picture = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x78\0\xa0\x01\x01\x11\0";
/// let (width, height) = mjpeg::size(picture).expect("a frame header");
/// let track = mjpeg::track(TrackNumber::ONE, width, height);
/// assert_eq!(track.video.map(|video| (video.width, video.height)), Some((160, 120)));
/// ```
#[must_use]
pub fn track(number: TrackNumber, width: u16, height: u16) -> Track {
    Track::new(number, TrackKind::Video, CodecId::MJPEG).with_video(width.into(), height.into())
}

/// Builds a video track with `V_MS/VFW/FOURCC` and a BITMAPINFOHEADER, as the producer SDK for C writes it.
#[must_use]
pub fn vfw_track(number: TrackNumber, width: u16, height: u16) -> Track {
    Track::new(number, TrackKind::Video, CodecId::VFW)
        .with_codec_private(bitmap_info(width, height))
        .with_video(width.into(), height.into())
}

/// Builds a BITMAPINFOHEADER: 40 bytes, little endian.
fn bitmap_info(width: u16, height: u16) -> Bytes {
    let mut header = BytesMut::with_capacity(40);
    header.put_u32_le(40);
    header.put_u32_le(width.into());
    header.put_u32_le(height.into());
    header.put_u16_le(1); // planes
    header.put_u16_le(24); // bits per pixel
    header.put_slice(b"MJPG");
    header.put_u32_le(u32::from(width).saturating_mul(height.into()).saturating_mul(3));
    header.put_bytes(0, 16); // resolution and palette: none
    header.freeze()
}

/// Reads width and height of a JPEG picture; `None` if it has no frame header.
#[must_use]
pub fn size(picture: &[u8]) -> Option<(u16, u16)> {
    let mut rest = picture.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let [0xff, marker, behind @ ..] = rest else { return None };
        if *marker == 0xff {
            rest = rest.get(1..)?; // fill byte (T.81 B.1.1.2)
            continue;
        }
        let length = usize::from(u16::from_be_bytes(*behind.first_chunk()?));
        // SOF0 to SOF15, without the DHT, JPG and DAC markers in the same range (ITU-T T.81 table B.1).
        if matches!(*marker, 0xc0..=0xcf) && !matches!(*marker, 0xc4 | 0xc8 | 0xcc) {
            let [_, _, _, h0, h1, w0, w1] = *behind.first_chunk()?;
            return Some((u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1])));
        }
        rest = behind.get(length.max(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn finds_size_after_other_segments() {
        let picture = hex!("ffd8 ffe0 0004 4a46 ffff c2 000b 08 0090 0100 01 011100");
        assert_eq!(size(&picture), Some((256, 144)));
        for cut in 0..14 {
            assert_eq!(size(&picture[..cut]), None, "cut at {cut}");
        }
        assert_eq!(size(b"GIF8"), None);
    }

    #[test]
    fn bitmap_info_header_states_motion_jpeg() {
        let track = vfw_track(TrackNumber::ONE, 320, 240);
        let header = hex!("28000000 40010000 f0000000 0100 1800 4d4a5047 00840300");
        assert_eq!((&track.codec_private[..24], track.codec_private.len()), (&header[..], 40));
    }
}
