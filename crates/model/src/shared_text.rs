//! Texts that many hold and nobody copies.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use arrow_array::StringArray;

/// A text whose clones share it. Equality, order and hash are those of the text.
#[derive(Clone)]
pub struct SharedText(Place);

#[derive(Clone)]
enum Place {
    Own(Arc<str>),
    InColumn(Arc<StringArray>, usize),
}

impl SharedText {
    /// The text of a row, left where it is: it keeps the whole column alive. Of a null the text is empty, or whatever
    /// lies under it.
    pub fn in_column(column: &Arc<StringArray>, row: usize) -> Self {
        Self(Place::InColumn(Arc::clone(column), row))
    }
}

impl Deref for SharedText {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Place::Own(text) => text,
            Place::InColumn(column, row) => column.value(*row),
        }
    }
}

impl From<&str> for SharedText {
    fn from(text: &str) -> Self {
        Self(Place::Own(text.into()))
    }
}

impl Borrow<str> for SharedText {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for SharedText {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SharedText {}

impl PartialOrd for SharedText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SharedText {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for SharedText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;

    #[test]
    fn a_text_is_the_same_wherever_it_lies() {
        let column = Arc::new(StringArray::from(vec!["b", "a"]));
        let [b, a] = [0, 1].map(|row| SharedText::in_column(&column, row));
        assert_eq!(a, SharedText::from("a"));
        assert_eq!(BTreeSet::from([b.clone(), "c".into(), a.clone()]).first(), Some(&"a".into()));
        let places = HashMap::from([(a, 1), ("b".into(), 2)]);
        assert_eq!((places.get("a"), places.get(&b), places.get("c")), (Some(&1), Some(&2), None));
        drop(column);
        assert_eq!((&*b, format!("{b:?}").as_str()), ("b", "\"b\""));
    }
}
