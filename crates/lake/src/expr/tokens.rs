//! Whole-token search: every token stands somewhere in the text between other characters.

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use datafusion::common::DataFusionError;
use memchr::memmem::Finder;

use super::function::{Kernel, predicate, unexpected};

/// Whether every token is a whole token of the ASCII-lower-cased text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct HasAllTokens {
    pub tokens: Vec<String>,
}

impl Kernel for HasAllTokens {
    const NAME: &'static str = "outgest_has_all_tokens";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let Some(texts) = arguments[0].as_string_opt::<i32>() else {
            return unexpected(Self::NAME, arguments[0].data_type());
        };
        let finders: Vec<Finder> = self.tokens.iter().map(|token| Finder::new(token.as_bytes())).collect();
        let mut lower = Vec::new();
        Ok(predicate(texts.len(), texts.nulls(), |row| {
            lower.clear();
            lower.extend_from_slice(texts.value(row).as_bytes());
            lower.make_ascii_lowercase();
            finders.iter().all(|finder| has_token(&lower, finder))
        }))
    }
}

/// Whether an occurrence of the token touches no other token byte.
fn has_token(text: &[u8], finder: &Finder) -> bool {
    let length = finder.needle().len();
    length > 0
        && finder.find_iter(text).any(|start| {
            let before = start.checked_sub(1).map(|at| text[at]);
            let after = text.get(start + length).copied();
            !before.is_some_and(in_token) && !after.is_some_and(in_token)
        })
}

/// Letters, digits and every byte of a code point from U+0080 on.
fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}
