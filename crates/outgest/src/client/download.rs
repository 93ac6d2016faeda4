//! Fetching the files of an export.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{ByteCount, Fault, FaultKind};
use reqwest::header::RANGE;
use reqwest::{Method, StatusCode};
use sha2::{Digest, Sha256};

use super::export::{ShownExport, ShownFile};
use super::server::{Server, broken, send};

/// A file that breaks off so often without a further byte is given up.
const BREAKS_MAX: u32 = 5;

/// Before what is missing of a file is asked for.
const PAUSE: Duration = Duration::from_secs(1);

/// Fetches every file of a completed export and checks its sum. Names are returned in row order.
///
/// A file appears under its name only once it is whole.
pub async fn fetch(
    server: &Server,
    export: &ShownExport,
    output: Option<&Path>,
    overwrite: bool,
) -> Result<Vec<PathBuf>, Fault> {
    if let Some(fault) = export.fault() {
        return Err(fault);
    }
    if output == Some(Path::new("-")) {
        let [file] = export.files.as_slice() else {
            return Err(Fault::bad_request(format!("--output: the export has {} files", export.files.len()))
                .hint("name a folder for several files"));
        };
        fetch_to(server, export, file, &mut std::io::stdout()).await?;
        return Ok(Vec::new());
    }
    let mut paths = Vec::with_capacity(export.files.len());
    for file in &export.files {
        paths.push(target(file, output, export.files.len() == 1)?);
    }
    if let Some(path) = paths.iter().find(|path| path.exists() && !overwrite) {
        return Err(Fault::new(FaultKind::Conflict, format!("{} exists already", path.display()))
            .hint("give another --output, or replace it with --overwrite"));
    }
    for (file, path) in export.files.iter().zip(&paths) {
        let partial = PathBuf::from(format!("{}.partial", path.display()));
        let fetched = fetch_partial(server, export, file, &partial).await;
        let placed = fetched.and_then(|()| std::fs::rename(&partial, path).map_err(|error| cannot_write(path, &error)));
        if let Err(fault) = placed {
            // What could not be removed is named like something unfinished.
            std::fs::remove_file(&partial).ok();
            return Err(fault);
        }
    }
    Ok(paths)
}

/// Where a file goes. The server's name for it may not lead anywhere else.
fn target(file: &ShownFile, output: Option<&Path>, single: bool) -> Result<PathBuf, Fault> {
    let name = Path::new(&file.name).file_name().filter(|name| *name == file.name.as_str());
    let Some(name) = name else {
        return Err(Fault::corrupt(format!("the server calls a file {:?}, which is no name", file.name)));
    };
    let folder = match output {
        None => PathBuf::new(),
        Some(path) if path.is_dir() || path.to_string_lossy().ends_with('/') => path.to_owned(),
        Some(path) if single => return Ok(path.to_owned()),
        Some(path) => {
            return Err(Fault::bad_request(format!(
                "--output: {} is one file, the export has several",
                path.display()
            ))
            .hint("name a folder, with / at its end"));
        }
    };
    if !folder.as_os_str().is_empty() {
        std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    }
    Ok(folder.join(name))
}

async fn fetch_partial(server: &Server, export: &ShownExport, file: &ShownFile, partial: &Path) -> Result<(), Fault> {
    let mut target = std::fs::File::create(partial).map_err(|error| cannot_write(partial, &error))?;
    fetch_to(server, export, file, &mut target).await?;
    target.sync_all().map_err(|error| cannot_write(partial, &error))
}

async fn fetch_to(
    server: &Server,
    export: &ShownExport,
    file: &ShownFile,
    target: &mut (dyn Write + Send),
) -> Result<(), Fault> {
    let index = file.index.to_string();
    let mut sum = Sha256::new();
    let mut bytes = ByteCount::ZERO;
    let mut breaks = 0;
    loop {
        let mut request = server.request(Method::GET, &["exports", &export.id, "files", &index]);
        if bytes > ByteCount::ZERO {
            request = request.header(RANGE, format!("bytes={bytes}-"));
        }
        let mut answer = send(request).await?;
        if bytes > ByteCount::ZERO && answer.status() != StatusCode::PARTIAL_CONTENT {
            return Err(Fault::new(FaultKind::Unavailable, format!("{} broke off after {bytes} bytes", file.name))
                .hint("the server cannot send the rest alone: fetch it again"));
        }
        let fault = loop {
            match answer.chunk().await {
                Ok(Some(piece)) => {
                    sum.update(&piece);
                    bytes += ByteCount::from(piece.len());
                    breaks = 0;
                    target.write_all(&piece).map_err(|error| cannot_write(Path::new(&file.name), &error))?;
                }
                Ok(None) => break None,
                Err(error) => break Some(broken(error)),
            }
        };
        match fault {
            None => break,
            Some(fault) if breaks == BREAKS_MAX => return Err(fault),
            Some(_) => breaks += 1,
        }
        tokio::time::sleep(PAUSE).await;
    }
    target.flush().map_err(|error| cannot_write(Path::new(&file.name), &error))?;
    let sum: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if (bytes, sum.as_str()) != (file.bytes, file.sha256.as_str()) {
        return Err(Fault::corrupt(format!(
            "{} arrived with {bytes} bytes and SHA-256 {sum}, the server has {} bytes and {}",
            file.name, file.bytes, file.sha256
        ))
        .hint("fetch it again"));
    }
    Ok(())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(FaultKind::Configuration, format!("cannot write {}: {error}", path.display()))
        .hint("the folder must be writable and have room")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> ShownFile {
        ShownFile { index: 0, name: name.to_owned(), bytes: ByteCount(1), sha256: String::new() }
    }

    #[test]
    fn a_name_of_the_server_cannot_leave_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        for bad in ["../x", "/etc/x", "a/b", "..", "", "."] {
            assert!(target(&file(bad), Some(folder.path()), true).is_err(), "{bad}");
        }
        assert_eq!(target(&file("a.csv"), Some(folder.path()), false).unwrap(), folder.path().join("a.csv"));
    }

    #[test]
    fn several_files_need_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        assert_eq!(target(&file("a.csv"), Some(&path), true).unwrap(), path);
        assert!(target(&file("a.csv"), Some(&path), false).is_err());
        let new = PathBuf::from(format!("{}/new/", folder.path().display()));
        assert_eq!(target(&file("a.csv"), Some(&new), false).unwrap(), new.join("a.csv"));
    }
}
