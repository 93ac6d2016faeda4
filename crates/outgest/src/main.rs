//! Outgest: gets LLM-observability data out, provably complete.
//!
//! The binary wires the families together and is the only place that installs a logger or ends the
//! process. `cli` is what can be typed; each command has a module of its own.

mod cli;
mod config;
mod data;
mod demo;
mod export;
mod generate;
mod import;
mod process;
mod report;
mod rows;
mod signals;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use model::Fault;
use tracing_subscriber::filter::LevelFilter;

use cli::{Cli, Command, GlobalArgs, LogFormat, LogLevel, exit_code};

/// Large short-lived buffers: glibc's allocator keeps more of them resident.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    install_logger(&cli.global);
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report::print_fault(&Fault::bug("cannot start the asynchronous runtime").because(error));
            return ExitCode::from(exit_code::FAILED);
        }
    };
    match runtime.block_on(carry_out(&cli)) {
        Ok(code) => ExitCode::from(code),
        Err(fault) => {
            report::print_fault(&fault);
            ExitCode::from(report::exit_code_of(&fault))
        }
    }
}

async fn carry_out(cli: &Cli) -> Result<u8, Fault> {
    match &cli.command {
        Command::Demo(args) => demo::demo(args).await?,
        Command::Import(args) => import::command::import(&cli.global, args).await?,
        Command::Generate(args) => generate::command::generate(&cli.global, args).await?,
        Command::Export(args) => export::export(&cli.global, args).await?,
        Command::Verify(args) => return verify::verify(&cli.global, args).await,
        Command::Data(args) => data::command::data(&cli.global, args).await?,
    }
    Ok(exit_code::OK)
}

/// Ends the process for a user who insists.
pub(crate) fn leave_interrupted() -> ! {
    std::process::exit(i32::from(exit_code::INTERRUPTED))
}

fn install_logger(global: &GlobalArgs) {
    let level = match global.log {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    match global.log_format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}
