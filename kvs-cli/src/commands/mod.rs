//! The commands, one module each.

mod accept;
mod completions;
mod config;
mod doctor;
mod gateway;
mod get;
mod https;
mod images;
mod listen;
mod man;
mod media;
mod mkv;
mod play;
mod policy;
mod put;
mod remux;
mod streams;
mod timelapse;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::runtime::{run as block_on, run_to_the_end};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Put(put::Options),
    Gateway(gateway::Options),
    Images(images::Options),
    Timelapse(timelapse::Options),
    Get(get::Options),
    Play(play::Options),
    Streams(streams::Options),
    Config(config::Options),
    Doctor(doctor::Options),
    Listen(listen::Options),
    Policy(policy::Options),
    Mkv(mkv::Options),
    Remux(remux::Options),
    Completions(completions::Options),
    Man(man::Options),
}

/// Runs one command to its end.
pub(crate) fn run(command: Command, global: &GlobalOptions) -> Result<(), Failure> {
    let output = global.output();
    match command {
        Command::Put(options) => run_to_the_end(put::run(options, global.clone())),
        Command::Gateway(options) => gateway::run(options, global),
        Command::Images(options) => block_on(images::run(options, global)),
        Command::Timelapse(options) => block_on(timelapse::run(options, global)),
        Command::Get(options) => block_on(get::run(options, global)),
        Command::Play(options) => block_on(play::run(options, global)),
        Command::Streams(options) => block_on(streams::run(options, global)),
        Command::Config(options) => block_on(config::run(options, global)),
        Command::Doctor(options) => block_on(doctor::run(options, global)),
        Command::Listen(options) => block_on(listen::run(options, output)),
        Command::Policy(options) => policy::run(&options, global),
        Command::Mkv(options) => mkv::run(&options, output),
        Command::Remux(options) => remux::run(&options, output),
        Command::Completions(options) => {
            completions::run(&options);
            Ok(())
        }
        Command::Man(options) => man::run(&options),
    }
}
