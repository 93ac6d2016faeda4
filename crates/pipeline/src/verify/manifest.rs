//! Whether a manifest contradicts itself: no file and no source is needed to see it.

use std::collections::HashSet;

use model::{Manifest, RowCount, Window};

use super::Difference;

/// Every contradiction inside `manifest`.
pub(super) fn contradictions(manifest: &Manifest) -> Vec<Difference> {
    let mut found = Vec::new();
    let rows: RowCount = manifest.files.iter().map(|file| file.rows).sum();
    let bytes: model::ByteCount = manifest.files.iter().map(|file| file.head.bytes).sum();
    for (of, stated, summed) in
        [("rows", manifest.rows.get(), rows.get()), ("bytes", manifest.bytes.get(), bytes.get())]
    {
        if stated != summed {
            found.push(Difference::Total { of, stated, summed });
        }
    }
    let window = Window { from: manifest.window.from, to: manifest.window.to };
    let mut names = HashSet::new();
    for file in &manifest.files {
        if !names.insert(&file.key) {
            found.push(Difference::ListedTwice(file.key.clone()));
        }
        let digested = RowCount(file.key_digest.rows());
        if digested != file.rows {
            found.push(Difference::DigestRows { file: file.key.clone(), stated: file.rows, digested });
        }
        let bounds_hold = match (file.cursor_min, file.cursor_max) {
            (Some(min), Some(max)) => min <= max && window.contains(min) && window.contains(max),
            (None, None) => file.rows == RowCount::ZERO,
            _ => false,
        };
        if !bounds_hold {
            let (cursor_min, cursor_max) = (file.cursor_min, file.cursor_max);
            found.push(Difference::OutsideWindow { file: file.key.clone(), cursor_min, cursor_max });
        }
    }
    found
}
