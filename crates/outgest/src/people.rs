//! `outgest user`, `outgest project` and `outgest key`: the first people of a server, and its first keys.
//! Everything else about people is done through the API.

use std::fs;
use std::io::{BufRead, IsTerminal};
use std::path::Path;

use model::{Fault, FaultKind, NewApiKey, NewUser, Page, PageRequest, PeopleStore, Project, ProjectId, Secret, User};
use serde_json::json;
use store::NativeStore;

use crate::cli::{KeyArgs, KeyCommand, ProjectArgs, ProjectCommand, UserArgs, UserCommand};
use crate::config::Settings;
use crate::data;
use crate::report::print;

/// Items asked for at once when everything is listed.
const PER_PAGE: u32 = 200;

/// Carries out `outgest user`.
pub async fn user(settings: &Settings, args: &UserArgs) -> Result<(), Fault> {
    let store = data::open_metadata(settings).await?;
    match &args.command {
        UserCommand::Add { email, name, admin, project, role, password_file } => {
            let project = project.as_deref().map(ProjectId::new);
            if let Some(project) = &project {
                known(&store, project).await?;
            }
            let password = password(password_file.as_deref())?;
            let new = NewUser { email: email.clone(), name: name.clone(), password, admin: *admin };
            let user = store.create_user(new).await?;
            if let Some(project) = &project {
                store.set_member(project, &user.id, role.to_model()).await?;
            }
            print(&format!("{} can sign in\n", user.email))?;
        }
        UserCommand::List => {
            let mut page = PageRequest::first(PER_PAGE);
            loop {
                let Page { items, next } = store.users(&page).await?;
                for User { email, name, admin, .. } in items {
                    print(&format!("{email}  {name}{}\n", if admin { "  admin" } else { "" }))?;
                }
                page.after = next;
                if page.after.is_none() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Carries out `outgest project`.
pub async fn project(settings: &Settings, args: &ProjectArgs) -> Result<(), Fault> {
    let store = data::open_metadata(settings).await?;
    match &args.command {
        ProjectCommand::Add { id, name } => {
            let project = store.create_project(&ProjectId::new(id.as_str()), name.as_ref().unwrap_or(id)).await?;
            print(&format!("project {} is known\n", project.id))?;
        }
        ProjectCommand::List => {
            let mut page = PageRequest::first(PER_PAGE);
            loop {
                let Page { items, next } = store.projects(None, &page).await?;
                for Project { id, name, .. } in items {
                    print(&format!("{id}  {name}\n"))?;
                }
                page.after = next;
                if page.after.is_none() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Carries out `outgest key`.
pub async fn key(settings: &Settings, args: &KeyArgs) -> Result<(), Fault> {
    let store = data::open_metadata(settings).await?;
    let KeyCommand::Add { project, role, note } = &args.command;
    let project = ProjectId::new(project.as_str());
    known(&store, &project).await?;
    let new = NewApiKey { project, role: role.to_model(), note: note.clone(), expires_at: None };
    let (key, secret) = store.create_api_key(new).await?;
    print(&format!("{}\n", json!({"publicKey": key.public, "secretKey": secret.reveal()})))
}

async fn known(store: &NativeStore, project: &ProjectId) -> Result<(), Fault> {
    match store.project(project).await? {
        Some(_) => Ok(()),
        None => Err(Fault::new(FaultKind::NotFound, format!("--project: there is no project {:?}", project.as_str()))
            .hint(format!("make it known first: outgest project add {project}"))),
    }
}

/// The first line of the file, or of stdin. A password on the command line would be seen by others.
fn password(file: Option<&Path>) -> Result<Secret, Fault> {
    let cannot = |error: std::io::Error| Fault::bad_request(format!("cannot read the password: {error}"));
    let line = match file {
        Some(file) => fs::read_to_string(file).map_err(cannot)?.lines().next().unwrap_or_default().to_owned(),
        None => {
            if std::io::stdin().is_terminal() {
                eprintln!("password:");
            }
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map_err(cannot)?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    Ok(Secret::new(line))
}
