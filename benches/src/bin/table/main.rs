//! Prints the table "Beside other implementations" of BENCHMARKS.md: each row is the processor time of our work divided by that
//! of its peer, both from one run.
//!
//! `cargo run --profile dist -p kvs-benches --bin table` takes a minute and a half. After `--`:
//!
//! - `--quick`: ten seconds in all, to see that the command works. Its ratios vary more.
//! - `--only TEXT`: only the comparisons whose name contains the text.

mod comparison;
mod container;
mod producer;

use std::time::Duration;

use comparison::Comparison;

/// What every comparison is built with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How long the passes of one comparison take together.
    time: Duration,
    /// Frames of the parsed streams: of the 1080p mix, and of audio.
    mix_frames: usize,
    audio_frames: usize,
}

/// 200 MB of the 1080p mix and 60 MB of audio.
const FULL: Effort = Effort { time: Duration::from_secs(10), mix_frames: 22_200, audio_frames: 277_386 };
const QUICK: Effort = Effort { time: Duration::from_millis(800), mix_frames: 2_000, audio_frames: 20_000 };

/// Builds one comparison. Each is built when the one before is finished, so that their media are not in memory together.
type Build = fn(&Effort) -> Comparison;

const COMPARISONS: [(&str, Build); 8] = [
    ("write audio", container::write_audio),
    ("write mix", container::write_mix),
    ("parse mix cold", container::parse_mix_cold),
    ("parse mix cached", container::parse_mix_cached),
    ("parse audio", container::parse_audio),
    ("push", container::push),
    ("start codes", producer::start_codes),
    ("put audio", producer::audio),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let effort = if arguments.iter().any(|argument| argument == "--quick") { QUICK } else { FULL };
    let only = arguments.iter().skip_while(|argument| *argument != "--only").nth(1);
    println!("| Work | ns per frame | Beside | ns per frame | Ratio | Aim | Met |");
    println!("|---|---|---|---|---|---|---|");
    for (name, build) in COMPARISONS {
        if only.is_none_or(|text| name.contains(text.as_str())) {
            build(&effort).run(effort.time).iter().for_each(|row| println!("{row}"));
        }
    }
}
