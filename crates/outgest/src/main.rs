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
use model::{Fault, FieldProblem};
use tracing_subscriber::filter::LevelFilter;

use cli::{Cli, Command, exit_code};
use config::settings::{LogForm, LogLevel, LogSettings};
use config::{Inputs, Loaded, Settings};

/// Large short-lived buffers: glibc's allocator keeps more of them resident.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let loaded = load_settings(&cli);
    // Where the settings cannot be read, nothing is started that a log would tell about.
    let log = loaded.as_ref().map(|loaded| loaded.settings.log.clone()).unwrap_or_default();
    install_logger(&log);
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
    match runtime.block_on(carry_out(&cli.command, loaded)) {
        Ok(code) => ExitCode::from(code),
        Err(fault) => {
            report::print_fault(&fault);
            ExitCode::from(report::exit_code_of(&fault))
        }
    }
}

fn load_settings(cli: &Cli) -> Result<Loaded, Vec<FieldProblem>> {
    let flags = cli.global.flags().map_err(|problem| vec![problem])?;
    config::load(&Inputs { file: cli.global.config.clone(), variables: config::variables(), flags })
}

async fn carry_out(command: &Command, loaded: Result<Loaded, Vec<FieldProblem>>) -> Result<u8, Fault> {
    if let Command::Config(args) = command {
        return config::command::config(loaded, args).await;
    }
    match loaded {
        Ok(loaded) => carry_out_with(command, &loaded.settings).await,
        Err(problems) => {
            report::print_problems(&problems);
            Ok(exit_code::BAD_REQUEST)
        }
    }
}

async fn carry_out_with(command: &Command, settings: &Settings) -> Result<u8, Fault> {
    match command {
        Command::Demo(args) => demo::demo(args).await?,
        Command::Import(args) => import::command::import(settings, args).await?,
        Command::Generate(args) => generate::command::generate(settings, args).await?,
        Command::Export(args) => export::export(settings, args).await?,
        Command::Verify(args) => return verify::verify(settings, args).await,
        Command::Data(args) => data::command::data(settings, args).await?,
        Command::Config(_) => return Err(Fault::bug("the settings are needed before they are read")),
    }
    Ok(exit_code::OK)
}

/// Ends the process for a user who insists.
pub(crate) fn leave_interrupted() -> ! {
    std::process::exit(i32::from(exit_code::INTERRUPTED))
}

fn install_logger(log: &LogSettings) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    match log.format {
        LogForm::Text => subscriber.init(),
        LogForm::Json => subscriber.json().init(),
    }
}
