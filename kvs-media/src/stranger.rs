//! Names what cannot be read, so that its owner knows what to convert.

/// Names program streams and older codecs, whose packets have start codes like those of H.264 and H.265. The first bit of a NAL unit is
/// zero, that of these codes is one.
pub(super) fn with_start_codes(data: &[u8]) -> Option<&'static str> {
    let (&code, _) = data.strip_prefix(&[0, 0, 1])?.split_first()?;
    Some(match code {
        0xba => "an MPEG program stream (.mpg, .vob, recorders that call it .mp4)",
        0xbb..=0xef => "an MPEG program stream without its head",
        0xb3 => "MPEG-2 video",
        0xb0 | 0xb5 => "MPEG-4 Visual",
        _ => return None,
    })
}

/// Returns what an input of an unknown format looks like.
pub(super) fn name(data: &[u8]) -> &'static str {
    if let Some((_, name)) = MAGIC.iter().find(|(magic, _)| data.starts_with(magic)) {
        return name;
    }
    if let Some((_, name)) = FORMS.iter().find(|(form, _)| data.get(8..12) == Some(*form)) {
        return name;
    }
    if is_loas(data) {
        return "AAC in LATM (LOAS)";
    }
    if is_mpeg_audio(data) {
        return "an MP3 file or other MPEG audio";
    }
    if is_text(data.get(..512).unwrap_or(data)) { "text" } else { "unknown binary data" }
}

/// UTF-8 without control characters. The head may end within a character.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => head.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return false,
    };
    let text = head.get(..valid).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    text.chars().all(|character| !character.is_control() || character.is_ascii_whitespace())
}

/// The form of a RIFF file.
const FORMS: [(&[u8], &str); 2] = [(b"AVI ", "an AVI file"), (b"WEBP", "a WebP image")];

/// First bytes, the longer ones first.
const MAGIC: [(&[u8], &str); 36] = [
    (b"RIFX", "a WAV file in big-endian byte order (RIFX)"),
    (b"FORM", "an AIFF file"),
    (b"caff", "a CAF file"),
    (b"riff\x2e\x91\xcf\x11", "a Wave64 file"),
    (b"OggS", "an Ogg file"),
    (b"FLV", "an FLV file"),
    (b"ID3", "an MP3 file"),
    (b"fLaC", "a FLAC file"),
    (b"#!AMR", "an AMR file"),
    (b"\x0b\x77", "AC-3 sound"),
    (b"DHAV", "a Dahua recording (DHAV)"),
    (b"DAHUA", "a Dahua recording (DHAV)"),
    (b"IMKH", "a Hikvision recording, an MPEG program stream behind a head of its own"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file (ASF)"),
    (b"\x06\x0e\x2b\x34", "an MXF file"),
    (b".RMF", "a RealMedia file"),
    (b"DKIF", "an IVF file (VP8, VP9 or AV1)"),
    (b"\x12\0\x0a", "AV1 without a container"),
    (b"YUV4MPEG2", "uncompressed video (Y4M)"),
    (b"\x0a\x0d\x0d\x0a", "captured network packets (pcapng)"),
    (b"\xd4\xc3\xb2\xa1", "captured network packets (pcap)"),
    (b"\xa1\xb2\xc3\xd4", "captured network packets (pcap)"),
    (b"#!rtpplay", "captured RTP packets (rtpdump)"),
    (b"#EXTM3U", "an HLS playlist; give its segments"),
    (b"<?xml", "XML, for example a DASH manifest"),
    (b"v=0", "a session description (SDP)"),
    (b"{", "JSON"),
    (b"\xff\xd8\xff", "a JPEG image or Motion JPEG without a container"),
    (b"\x89PNG", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
];

/// A frame of LOAS is followed by another one (ISO/IEC 14496-3 1.7.2): eleven bits of synchronization, thirteen of length.
fn is_loas(data: &[u8]) -> bool {
    let frame = |data: &[u8]| match data {
        [0x56, high, low, ..] if high & 0xe0 == 0xe0 => Some(3 + (usize::from(high & 0x1f) << 8 | usize::from(*low))),
        _ => None,
    };
    frame(data).and_then(|len| frame(data.get(len..)?)).is_some()
}

/// The header of an MPEG audio frame: eleven bits of synchronization, a version, a layer, a bit rate and a sampling rate (ISO/IEC
/// 11172-3 2.4.1.3), none of them reserved.
fn is_mpeg_audio(data: &[u8]) -> bool {
    let [0xff, version, rates, _, ..] = *data else { return false };
    version & 0xe0 == 0xe0
        && version & 0x18 != 0x08
        && version & 0x06 != 0
        && rates & 0xf0 != 0xf0
        && rates & 0x0c != 0x0c
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::sniff::sniff;

    #[test]
    fn files_that_are_not_read_are_named() {
        for (data, expected) in [
            (&b"RIFF\0\0\0\0AVI LIST"[..], "an AVI file"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "a WebP image"),
            (b"FORM\0\0\0\0AIFF", "an AIFF file"),
            (b"\xff\xf3\x84\xc4", "an MP3 file or other MPEG audio"),
            (b"\xff\xff\xff\xff", "unknown binary data"),
            (b"\x56\xe0\x01\0\x56\xe0\x05\0", "AAC in LATM (LOAS)"),
            (b"\x56\xe0\x01\0Va\x05\0", "unknown binary data"),
            (b"\0\0\x01\xb3\x0a\0\x06\x13", "MPEG-2 video"),
            (b"dear diary", "text"),
            // Cut within a character.
            ("cam\u{e9}ra \u{e9}".as_bytes().split_last().map_or(&[][..], |(_, head)| head), "text"),
            (b"dear diary\0", "unknown binary data"),
        ] {
            assert_eq!(sniff(Path::new("-"), data), Err(expected));
        }
    }

    /// The packets of a program stream with H.264 would else become NAL units.
    #[test]
    fn program_stream_is_no_byte_stream_whatever_its_name_is() {
        let pack = b"\0\0\x01\xba\x44\0\x04\0\x04\x01\x01\x89\xc3\xf8\0\0\x01\xe0\0\x0f\x80\0\0\0\0\x01\x67\x64";
        for name in ["camera.mpg", "camera.h264", "camera.mp4", "camera.h265"] {
            let looks_like = sniff(Path::new(name), pack).unwrap_err();
            assert!(looks_like.starts_with("an MPEG program stream"), "{looks_like}");
            let looks_like = sniff(Path::new(name), &pack[14..]).unwrap_err();
            assert_eq!(looks_like, "an MPEG program stream without its head");
        }
        assert!(sniff(Path::new("camera.h264"), b"\0\0\x01\x67\x64\0\0\x01\xba").is_ok());
    }
}
