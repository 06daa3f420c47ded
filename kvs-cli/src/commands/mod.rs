//! The commands, one module each.

#[cfg(any(feature = "gateway", feature = "listen"))]
mod accept;
#[cfg(feature = "shell")]
mod completions;
#[cfg(feature = "manage")]
mod config;
#[cfg(feature = "doctor")]
mod doctor;
#[cfg(feature = "gateway")]
mod gateway;
#[cfg(feature = "read")]
mod get;
#[cfg(feature = "https")]
mod https;
#[cfg(feature = "read")]
mod images;
#[cfg(feature = "listen")]
mod listen;
#[cfg(feature = "shell")]
mod man;
mod media;
#[cfg(feature = "files")]
mod mkv;
#[cfg(feature = "read")]
mod play;
#[cfg(feature = "manage")]
mod policy;
mod put;
#[cfg(feature = "files")]
mod remux;
#[cfg(feature = "manage")]
mod streams;
#[cfg(feature = "timelapse")]
mod timelapse;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::runtime;

// In a program with few commands, one may be much larger than the others. There is one value for the whole run.
#[allow(clippy::large_enum_variant, reason = "only some features make it one")]
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Put(put::Options),
    #[cfg(feature = "gateway")]
    Gateway(gateway::Options),
    #[cfg(feature = "read")]
    Images(images::Options),
    #[cfg(feature = "timelapse")]
    Timelapse(timelapse::Options),
    #[cfg(feature = "read")]
    Get(get::Options),
    #[cfg(feature = "read")]
    Play(play::Options),
    #[cfg(feature = "manage")]
    Streams(streams::Options),
    #[cfg(feature = "manage")]
    Config(config::Options),
    #[cfg(feature = "doctor")]
    Doctor(doctor::Options),
    #[cfg(feature = "listen")]
    Listen(listen::Options),
    #[cfg(feature = "manage")]
    Policy(policy::Options),
    #[cfg(feature = "files")]
    Mkv(mkv::Options),
    #[cfg(feature = "files")]
    Remux(remux::Options),
    #[cfg(feature = "shell")]
    Completions(completions::Options),
    #[cfg(feature = "shell")]
    Man(man::Options),
}

/// Runs one command to its end.
pub(crate) fn run(command: Command, global: &GlobalOptions) -> Result<(), Failure> {
    match command {
        Command::Put(options) => runtime::run_to_the_end(put::run(options, global.clone())),
        #[cfg(feature = "gateway")]
        Command::Gateway(options) => gateway::run(options, global),
        #[cfg(feature = "read")]
        Command::Images(options) => runtime::run(images::run(options, global)),
        #[cfg(feature = "timelapse")]
        Command::Timelapse(options) => runtime::run(timelapse::run(options, global)),
        #[cfg(feature = "read")]
        Command::Get(options) => runtime::run(get::run(options, global)),
        #[cfg(feature = "read")]
        Command::Play(options) => runtime::run(play::run(options, global)),
        #[cfg(feature = "manage")]
        Command::Streams(options) => runtime::run(streams::run(options, global)),
        #[cfg(feature = "manage")]
        Command::Config(options) => runtime::run(config::run(options, global)),
        #[cfg(feature = "doctor")]
        Command::Doctor(options) => runtime::run(doctor::run(options, global)),
        #[cfg(feature = "listen")]
        Command::Listen(options) => runtime::run(listen::run(options, global.output())),
        #[cfg(feature = "manage")]
        Command::Policy(options) => policy::run(&options, global),
        #[cfg(feature = "files")]
        Command::Mkv(options) => mkv::run(&options, global.output()),
        #[cfg(feature = "files")]
        Command::Remux(options) => remux::run(&options, global.output()),
        #[cfg(feature = "shell")]
        Command::Completions(options) => {
            completions::run(&options);
            Ok(())
        }
        #[cfg(feature = "shell")]
        Command::Man(options) => man::run(&options),
    }
}
