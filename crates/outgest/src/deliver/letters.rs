//! Dead letters in a file: one JSON object per line, in the order of their numbers.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use model::{DeadLetter, DeadLetters, Fault, FaultKind, RunId, TableName};

/// The file of one run. It is made with its first letter.
#[derive(Clone)]
pub struct LetterFile {
    path: PathBuf,
}

impl LetterFile {
    /// The file of a run in a folder.
    pub fn new(folder: &Path, table: &TableName, run: &RunId) -> Self {
        Self { path: folder.join(format!("{table}-{run}.jsonl")) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what an attempt left that is not continued.
    pub fn remove(&self) -> Result<(), Fault> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed("remove", error)),
            _ => Ok(()),
        }
    }

    fn write(&self, number: u64, letters: &[DeadLetter]) -> Result<(), Fault> {
        let failed = |error| self.failed("write", error);
        if letters.is_empty() && !self.path.exists() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&self.path).map_err(failed)?;
        let end = end_of_line(&file, number).map_err(failed)?;
        file.set_len(end).map_err(failed)?;
        file.seek(SeekFrom::Start(end)).map_err(failed)?;
        let mut text = Vec::new();
        for letter in letters {
            serde_json::to_writer(&mut text, letter)
                .map_err(|error| Fault::bug("cannot write a dead letter as JSON").because(error))?;
            text.push(b'\n');
        }
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)
    }

    fn failed(&self, doing: &str, error: std::io::Error) -> Fault {
        let message = format!("cannot {doing} dead letters in {}: {error}", self.path.display());
        Fault::new(FaultKind::Configuration, message).hint("name a folder that can be written with --dead-letters")
    }
}

#[async_trait]
impl DeadLetters for LetterFile {
    async fn keep(&self, number: u64, letters: &[DeadLetter]) -> Result<(), Fault> {
        let (file, letters) = (self.clone(), letters.to_vec());
        let writing = tokio::task::spawn_blocking(move || file.write(number, &letters));
        writing.await.map_err(|failure| Fault::bug("writing dead letters ended unexpectedly").because(failure))?
    }
}

/// Where so many lines end, or the last whole one where there are fewer.
fn end_of_line(file: &File, lines: u64) -> std::io::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut end, mut line) = (0, Vec::new());
    for _ in 0..lines {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        end += length as u64;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use model::{Micros, OrderKey};
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;

    fn letter(id: &str) -> DeadLetter {
        DeadLetter {
            table: TableName::new("events"),
            row: OrderKey { time: Micros(0), trace_id: "t".into(), id: id.into() },
            event_id: Uuid::nil(),
            reason: "no".to_owned(),
            event: RawValue::from_string("{\"event\":\"e\"}".to_owned()).unwrap(),
        }
    }

    #[tokio::test]
    async fn letters_of_a_killed_attempt_are_replaced_and_never_doubled() {
        let folder = tempfile::tempdir().unwrap();
        let file = LetterFile::new(&folder.path().join("new"), &TableName::new("events"), &RunId::new("r"));
        file.remove().unwrap();
        file.keep(0, &[letter("a"), letter("b")]).await.unwrap();
        file.keep(2, &[letter("c")]).await.unwrap();
        // Killed in the middle of a line, before its checkpoint.
        OpenOptions::new().append(true).open(file.path()).unwrap().write_all(b"{\"table\":").unwrap();

        file.keep(1, &[letter("d"), letter("e")]).await.unwrap();

        let text = std::fs::read_to_string(file.path()).unwrap();
        let ids: Vec<String> =
            text.lines().map(|line| serde_json::from_str::<DeadLetter>(line).unwrap().row.id.to_string()).collect();
        assert_eq!(ids, ["a", "d", "e"]);
        file.remove().unwrap();
        assert!(!file.path().exists());
    }
}
