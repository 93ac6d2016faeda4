//! Text predicates and values: contains, starts with, ends with, null if empty.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use datafusion::common::DataFusionError;
use memchr::memmem::Finder;
use model::{CaseRule, TextOp};

use super::function::{Kernel, predicate, unexpected};

/// Whether a text contains, starts or ends with a needle.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TextTest {
    pub op: TextOp,
    pub needle: Box<str>,
    pub case: CaseRule,
}

impl Kernel for TextTest {
    const NAME: &'static str = "outgest_text_test";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let Some(texts) = arguments[0].as_string_opt::<i32>() else {
            return unexpected(Self::NAME, arguments[0].data_type());
        };
        let mut needle = String::new();
        match self.case {
            CaseRule::Exact => needle.push_str(&self.needle),
            CaseRule::Folded => fold(&self.needle, &mut needle),
        }
        let needle = needle.as_bytes();
        let finder = Finder::new(needle);
        let passes = |text: &[u8]| match self.op {
            TextOp::Contains => finder.find(text).is_some(),
            TextOp::StartsWith => text.starts_with(needle),
            TextOp::EndsWith => text.ends_with(needle),
        };
        let mut folded = String::new();
        Ok(predicate(texts.len(), texts.nulls(), |row| match self.case {
            CaseRule::Exact => passes(texts.value(row).as_bytes()),
            CaseRule::Folded => {
                fold(texts.value(row), &mut folded);
                passes(folded.as_bytes())
            }
        }))
    }
}

/// Replaces `into` by `text` with every code point in lower case, where that is one code point.
pub(super) fn fold(text: &str, into: &mut String) {
    into.clear();
    into.push_str(text);
    into.make_ascii_lowercase();
    if !text.is_ascii() {
        into.clear();
        into.extend(text.chars().map(|character| {
            let mut lower = character.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(single), None) => single,
                _ => character,
            }
        }));
    }
}

/// Null where the text is empty.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct NullIfEmpty;

impl Kernel for NullIfEmpty {
    const NAME: &'static str = "outgest_null_if_empty";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Utf8)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let Some(texts) = arguments[0].as_string_opt::<i32>() else {
            return unexpected(Self::NAME, arguments[0].data_type());
        };
        let offsets = texts.value_offsets();
        let filled = NullBuffer::new(BooleanBuffer::collect_bool(texts.len(), |row| offsets[row] < offsets[row + 1]));
        let nulls = NullBuffer::union(texts.nulls(), Some(&filled)).filter(|nulls| nulls.null_count() > 0);
        Ok(Arc::new(StringArray::new(texts.offsets().clone(), texts.values().clone(), nulls)))
    }
}
