//! The commands, one module each.

#[cfg(any(feature = "gateway", feature = "listen"))]
mod accept;
#[cfg(feature = "shell")]
mod completions;
mod config;
mod doctor;
#[cfg(feature = "gateway")]
mod gateway;
mod get;
mod https;
mod images;
#[cfg(feature = "listen")]
mod listen;
#[cfg(feature = "shell")]
mod man;
mod media;
mod mkv;
mod play;
mod policy;
mod put;
mod remux;
mod streams;
#[cfg(feature = "timelapse")]
mod timelapse;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::runtime::{run as block_on, run_to_the_end};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Put(put::Options),
    #[cfg(feature = "gateway")]
    Gateway(gateway::Options),
    Images(images::Options),
    #[cfg(feature = "timelapse")]
    Timelapse(timelapse::Options),
    Get(get::Options),
    Play(play::Options),
    Streams(streams::Options),
    Config(config::Options),
    Doctor(doctor::Options),
    #[cfg(feature = "listen")]
    Listen(listen::Options),
    Policy(policy::Options),
    Mkv(mkv::Options),
    Remux(remux::Options),
    #[cfg(feature = "shell")]
    Completions(completions::Options),
    #[cfg(feature = "shell")]
    Man(man::Options),
}

/// Runs one command to its end.
pub(crate) fn run(command: Command, global: &GlobalOptions) -> Result<(), Failure> {
    let output = global.output();
    match command {
        Command::Put(options) => run_to_the_end(put::run(options, global.clone())),
        #[cfg(feature = "gateway")]
        Command::Gateway(options) => gateway::run(options, global),
        Command::Images(options) => block_on(images::run(options, global)),
        #[cfg(feature = "timelapse")]
        Command::Timelapse(options) => block_on(timelapse::run(options, global)),
        Command::Get(options) => block_on(get::run(options, global)),
        Command::Play(options) => block_on(play::run(options, global)),
        Command::Streams(options) => block_on(streams::run(options, global)),
        Command::Config(options) => block_on(config::run(options, global)),
        Command::Doctor(options) => block_on(doctor::run(options, global)),
        #[cfg(feature = "listen")]
        Command::Listen(options) => block_on(listen::run(options, output)),
        Command::Policy(options) => policy::run(&options, global),
        Command::Mkv(options) => mkv::run(&options, output),
        Command::Remux(options) => remux::run(&options, output),
        #[cfg(feature = "shell")]
        Command::Completions(options) => {
            completions::run(&options);
            Ok(())
        }
        #[cfg(feature = "shell")]
        Command::Man(options) => man::run(&options),
    }
}
