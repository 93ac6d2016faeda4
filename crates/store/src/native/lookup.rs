//! Ids that rows are looked up by, in one statement.

use model::Fault;

/// Ids that one look-up may name; callers split longer lists.
const IDS_PER_LOOKUP: usize = 1_000;

/// The ids as parameters of a statement: the last one is repeated up to the next power of two.
///
/// Statements are kept prepared, one for every number of parameters. SQLite holds 300 kB of a large one, and an
/// export looks up as many ids as a batch happens to have rows: exact numbers took 28 MB after 700,000 rows.
pub(super) fn lookup_ids<'a>(what: &str, ids: &[&'a str]) -> Result<Vec<&'a str>, Fault> {
    if ids.len() > IDS_PER_LOOKUP {
        return Err(Fault::bug(format!("a {what} look-up named {} ids, the limit is {IDS_PER_LOOKUP}", ids.len())));
    }
    let mut padded = ids.to_vec();
    if let Some(last) = ids.last() {
        padded.resize(ids.len().next_power_of_two().min(IDS_PER_LOOKUP), last);
    }
    Ok(padded)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn look_ups_of_any_size_share_few_statements() {
        let ids: Vec<String> = (0..=IDS_PER_LOOKUP).map(|id| id.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut sizes = BTreeSet::new();
        for count in 0..=IDS_PER_LOOKUP {
            let padded = lookup_ids("comment", &ids[..count]).unwrap();
            assert!(padded.starts_with(&ids[..count]) && padded[count..].iter().all(|id| *id == ids[count - 1]));
            sizes.insert(padded.len());
        }
        assert_eq!(sizes.len(), 12);
        assert!(lookup_ids("comment", &ids).is_err());
    }
}
