//! `outgest config`: is what was written right, and what holds?

use model::{Fault, FieldProblem};

use super::load::Loaded;
use super::{Settings, connect, reference, show};
use crate::cli::{ConfigArgs, ConfigCommand, exit_code};
use crate::report;

/// Carries out `outgest config` with the settings, or with what is wrong with them.
pub async fn config(loaded: Result<Loaded, Vec<FieldProblem>>, args: &ConfigArgs) -> Result<u8, Fault> {
    match (&args.command, loaded) {
        (ConfigCommand::Reference, _) => report::print(&reference::markdown())?,
        (_, Err(problems)) => {
            report::print_problems(&problems);
            return Ok(exit_code::BAD_REQUEST);
        }
        (ConfigCommand::Check { connect }, Ok(loaded)) => {
            report::print(&format!(
                "{}
",
                verdict(&loaded)
            ))?;
            if *connect && !connects(&loaded.settings).await? {
                return Ok(exit_code::FAILED);
            }
        }
        (ConfigCommand::Show { json: true }, Ok(loaded)) => report::print(&format!(
            "{}
",
            show::as_json(&loaded)
        ))?,
        (ConfigCommand::Show { json: false }, Ok(loaded)) => report::print(&show::as_text(&loaded))?,
    }
    Ok(exit_code::OK)
}

/// Tells how everything that the settings point at answered; whether all of it did.
async fn connects(settings: &Settings) -> Result<bool, Fault> {
    let mut all = true;
    for tried in connect::try_all(settings).await {
        match tried.outcome {
            Ok(found) => report::print(&format!("ok      {}: {found}\n", tried.what))?,
            Err(fault) => {
                all = false;
                report::print(&format!("failed  {}: {fault}\n", tried.what))?;
                if let Some(hint) = fault.public_hint() {
                    report::print(&format!("        {hint}\n"))?;
                }
                report::log_causes(&fault);
            }
        }
    }
    Ok(all)
}

fn verdict(loaded: &Loaded) -> String {
    let set = loaded.values.iter().filter(|value| !value.is_default()).count();
    let settings = if set == 1 { "1 setting is".to_owned() } else { format!("{set} settings are") };
    match &loaded.file {
        Some(file) => format!("{} is right; {settings} set in all", file.display()),
        None => format!("there is no configuration file; {settings} set"),
    }
}
