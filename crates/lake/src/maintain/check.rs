//! Reads every data file and compares it with what was written.

use model::{ByteCount, Fault, FaultKind};
use serde::Serialize;

use crate::Lake;

/// What a check of the whole store found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Data files of the newest version of every table.
    pub files: usize,
    /// Their size.
    pub bytes: ByteCount,
    /// Files that only their size could be compared of: they were written before checksums were.
    pub without_checksum: usize,
    /// What is wrong, one sentence a file.
    pub damaged: Vec<String>,
}

impl Lake {
    /// Reads all data files. Damage is part of the answer; a fault means that there is none.
    pub fn check(&self) -> Result<Checked, Fault> {
        let mut checked = Checked::default();
        for table in self.tables() {
            let snapshot = self.read_snapshot(table.name, None)?;
            for file in &snapshot.files {
                checked.files += 1;
                checked.bytes += ByteCount(file.bytes);
                match snapshot.prove(file) {
                    Ok(true) => {}
                    Ok(false) => checked.without_checksum += 1,
                    Err(fault) if fault.kind() == FaultKind::Corrupt => {
                        checked.damaged.push(fault.public_message().to_owned());
                    }
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(checked)
    }
}
