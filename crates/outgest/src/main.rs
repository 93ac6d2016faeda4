//! Outgest: gets LLM-observability data out, provably complete.
//!
//! The binary wires the families together and is the only place that installs a logger or ends the
//! process. `cli` is what can be typed; each command has a module of its own.

mod allocator;
mod browse;
mod cli;
mod client;
mod config;
mod data;
mod deliver;
mod demo;
mod doctor;
mod export;
mod generate;
mod import;
mod integrations;
mod notify;
mod observe;
mod people;
mod process;
mod report;
mod rows;
mod serve;
mod signals;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use model::{Fault, FieldProblem};
use tokio::runtime::Handle;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use cli::{Cli, Command, exit_code};
use config::{Inputs, Loaded, Settings};
use observe::traces::Traces;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator::new();

fn main() -> ExitCode {
    allocator::bound();
    let cli = Cli::parse();
    let loaded = load_settings(&cli);
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return ended(Err(Fault::bug("a TLS provider was installed already")));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ended(Err(Fault::bug("cannot start the asynchronous runtime").because(error))),
    };
    // Where the settings cannot be read, nothing is started that a log would tell about.
    let settings = loaded.as_ref().map(|loaded| loaded.settings.clone()).unwrap_or_default();
    let traces = match install_subscriber(&settings, runtime.handle()) {
        Ok(traces) => traces,
        Err(fault) => return ended(Err(fault)),
    };
    let code = ended(runtime.block_on(carry_out(&cli.command, loaded)));
    if let Some(traces) = traces {
        traces.finish();
    }
    // A thread that still waits for input, or for a reader, must not keep a process that is done.
    runtime.shutdown_background();
    code
}

fn ended(result: Result<u8, Fault>) -> ExitCode {
    let code = result.unwrap_or_else(|fault| {
        report::print_fault(&fault);
        report::exit_code_of(&fault)
    });
    ExitCode::from(code)
}

fn load_settings(cli: &Cli) -> Result<Loaded, Vec<FieldProblem>> {
    let flags = cli.flags().map_err(|problem| vec![problem])?;
    config::load(&Inputs { file: cli.global.config.clone(), variables: config::variables(), flags })
}

async fn carry_out(command: &Command, loaded: Result<Loaded, Vec<FieldProblem>>) -> Result<u8, Fault> {
    signals::survive_file_size_limit();
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
        Command::Deliver(args) => return deliver::deliver(settings, args).await,
        Command::Verify(args) => return verify::verify(settings, args).await,
        Command::Doctor(args) => return doctor::doctor(settings, args).await,
        Command::Data(args) => data::command::data(settings, args).await?,
        Command::Serve(_) => serve::serve(settings).await?,
        Command::User(args) => people::user(settings, args).await?,
        Command::Project(args) => people::project(settings, args).await?,
        Command::Key(args) => people::key(settings, args).await?,
        Command::Exports(args) => return client::command::exports(settings, args).await,
        Command::Integrations(args) => return client::integrations::integrations(settings, args).await,
        Command::Config(_) => return Err(Fault::bug("the settings are needed before they are read")),
    }
    Ok(exit_code::OK)
}

/// Ends the process for a user who insists.
pub(crate) fn leave_interrupted() -> ! {
    std::process::exit(i32::from(exit_code::INTERRUPTED))
}

fn install_subscriber(settings: &Settings, runtime: &Handle) -> Result<Option<Traces>, Fault> {
    let traces = Traces::start(&settings.otlp, runtime)?;
    let log = observe::log::layer(&settings.log, std::io::stderr);
    tracing_subscriber::registry().with(log).with(traces.as_ref().map(Traces::layer)).init();
    Ok(traces)
}
