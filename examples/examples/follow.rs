//! Follows live media and decodes its frames, as a viewer or a detector does.
//!
//! Works on H.264. The decoder here is a crate in Rust; any decoder that takes Annex B takes its place.
//!
//! ```text
//! cargo run -p kvs-examples --example follow -- front-door 100
//! ```

use kvs_aws::{Client, ClientConfig, MediaTail, StartSelector, TailEvent};
use kvs_mkv::codec::h264::ParameterSets;
use kvs_mkv::codec::nal::{LengthSize, length_prefixed_to_annex_b};
use kvs_mkv::fragment::{Fragment, FragmentReader};
use kvs_mkv::{CodecId, Limits};
use rusty_h264_decoder::Decoder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stream, frames] = &arguments[..] else { return Err("usage: follow STREAM FRAMES".into()) };
    let (client, mut frames) = (Client::new(ClientConfig::from_env()?)?, frames.parse::<u64>()?);

    // GetMedia ends from time to time; MediaTail opens the next one where the last complete fragment ended.
    let mut media = MediaTail::new(client, stream.parse()?, StartSelector::Earliest);
    let mut reader = FragmentReader::new(Limits::default());
    while frames > 0 {
        match media.next().await? {
            TailEvent::Opened => reader = FragmentReader::new(Limits::default()),
            TailEvent::Data(bytes) => {
                reader.push(bytes);
                while let Some(fragment) = reader.next_fragment()? {
                    frames = frames.saturating_sub(decode(&fragment)?);
                    if let Some(number) = &fragment.metadata.number {
                        media.fragment_complete(number.clone());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Decodes the video of one fragment, which starts with a key frame, and returns the number of its frames.
fn decode(fragment: &Fragment) -> Result<u64, Box<dyn std::error::Error>> {
    let Some(track) = fragment.tracks.iter().find(|track| track.codec == CodecId::H264) else { return Ok(0) };
    // The parameter sets are in the track, not in the frames.
    let (sets, _) = ParameterSets::from_avcc(&track.codec_private)?;
    let mut access_unit = Vec::new();
    for unit in sets.sequence().iter().chain(sets.picture()) {
        access_unit.extend_from_slice(&[0, 0, 0, 1]);
        access_unit.extend_from_slice(unit);
    }
    let (mut decoder, mut decoded) = (Decoder::new(), 0);
    for frame in fragment.frames.iter().filter(|frame| frame.track == track.number) {
        let data = length_prefixed_to_annex_b(&frame.data.clone().into_bytes(), LengthSize::FOUR)?;
        access_unit.extend_from_slice(&data.into_bytes());
        let picture = decoder.decode(&access_unit).map_err(|error| format!("{error:?}"))?;
        if let Some(picture) = picture {
            let brightness = picture.y.iter().map(|&luma| u64::from(luma)).sum::<u64>() / picture.y.len().max(1) as u64;
            println!("{:?}: {}x{}, mean luma {brightness}", frame.pts, picture.width, picture.height);
            decoded += 1;
        }
        access_unit.clear();
    }
    Ok(decoded)
}
