//! What operators set, and the only code that reads the environment and the clock.
//!
//! [`settings`] is the tree of every setting and the single truth about names, types, defaults and
//! documentation; [`keys`] is the same as a flat list. [`load`] fills it from `outgest.toml` ([`file`]), the
//! environment and flags. [`show`] and [`reference`] print it; [`connect`] tries what it points at.

pub mod command;
pub mod connect;
pub mod load;
pub mod settings;
pub mod value;

mod file;
mod keys;
mod reference;
mod show;
#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use model::{ByteCount, FieldProblem, Micros};

pub use load::{Flag, Inputs, Loaded, load};
pub use settings::Settings;

/// A variable of the environment; `None` where it is unset, empty or not UTF-8.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every variable of the environment that is UTF-8.
pub fn variables() -> Vec<(String, String)> {
    let texts = std::env::vars_os().map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.flatten().collect()
}

/// The current time.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Reads a size of the field.
pub fn parse_size(field: &str, text: &str) -> Result<ByteCount, FieldProblem> {
    ByteCount::parse(text).ok_or_else(|| {
        FieldProblem::new(field, format!("{text:?} is not a size")).hint("write a size such as 500MB or 1GiB")
    })
}
