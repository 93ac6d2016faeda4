//! The data directory: the embedded store, the metadata store, and which source a command reads.

pub mod command;
mod late;
pub mod no_comments;
mod restore;
mod source;

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use lake::Lake;
use model::{Fault, FaultKind, Micros};
use store::{NativeStore, StoreOptions};

use crate::config::Settings;

pub use restore::refuse_unfinished;
pub use source::{RowLookups, SourceChoice};

/// Folder of the embedded store in a data directory.
pub fn lake_directory(data: &Path) -> PathBuf {
    data.join("lake")
}

/// Opens the embedded store of a data directory, which must exist.
pub fn open_lake(data: &Path) -> Result<Lake, Fault> {
    let directory = lake_directory(data);
    refuse_unfinished(data)?;
    if !directory.is_dir() {
        return Err(Fault::new(FaultKind::NotFound, format!("there is no store in {}", data.display()))
            .hint("import something first, or name the data directory with --data"));
    }
    Lake::open(&directory, &tables::stored())
}

/// Opens the embedded store of a data directory and makes what is missing of it.
pub fn create_lake(data: &Path, now: Micros) -> Result<Lake, Fault> {
    let directory = lake_directory(data);
    refuse_unfinished(data)?;
    create_directory(&directory)?;
    Lake::create_or_open(&directory, &tables::stored(), now)
}

/// Makes a directory and those above it where they are missing. The names of new ones are durable.
pub fn create_directory(directory: &Path) -> Result<(), Fault> {
    create_durable(directory).map_err(|error| {
        let message = format!("cannot create the data directory {}: {error}", directory.display());
        Fault::new(FaultKind::Configuration, message).hint("give a directory that can be written with --data")
    })
}

fn create_durable(directory: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        directory.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.is_dir()).collect();
    std::fs::create_dir_all(directory)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn cannot_write(folder: &Path, error: &io::Error) -> Fault {
    Fault::new(FaultKind::Configuration, format!("cannot write to {}: {error}", folder.display()))
        .hint("the folder must be writable and have room")
}

/// Where the metadata store lies.
pub fn metadata_place(settings: &Settings) -> Result<store::Place, Fault> {
    match &settings.database {
        Some(place) => store::Place::parse(place.reveal()),
        None => Ok(store::Place::Directory(settings.data.clone())),
    }
}

/// Opens the metadata store without the keys of secrets: for commands that need none.
pub async fn open_metadata(settings: &Settings) -> Result<NativeStore, Fault> {
    if settings.database.is_none() {
        refuse_unfinished(&settings.data)?;
        create_directory(&settings.data)?;
    }
    NativeStore::open_at(&metadata_place(settings)?, StoreOptions::default()).await
}

/// Fails where `path` lies in the data directory, whose files are the store's own: one more could be
/// taken for a part of it. `named` is what the user calls the path.
pub fn refuse_inside(named: &str, path: &Path, data: &Path) -> Result<(), Fault> {
    if let (Some(found), Some(data)) = (absolute(path), absolute(data))
        && found.starts_with(&data)
    {
        return Err(Fault::bad_request(format!("{named}: {} lies inside the data directory", path.display()))
            .hint("write somewhere else; the data directory belongs to the store"));
    }
    Ok(())
}

/// The path without `.` and `..`, links resolved as far as the path exists.
pub fn absolute(path: &Path) -> Option<PathBuf> {
    let mut found = std::env::current_dir().ok()?;
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                found.pop();
            }
            other => found.push(other),
        }
        if let Ok(resolved) = found.canonicalize() {
            found = resolved;
        }
    }
    Some(found)
}

#[cfg(test)]
pub mod told;
