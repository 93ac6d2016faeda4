//! Integrations, carried out: from a planned window to its files and its manifest, and what is found out later.
//!
//! Reading order: [`desk`] answers the API before anything is stored; [`first_row`] tells the scheduler where a
//! whole history begins; [`window`] carries a window out, table by table, with one checkpoint for all of them
//! ([`tables_log`]); [`counts`] counts what came late or was deleted; [`later`] compares a window with its source
//! a day afterwards. [`places`] connects destinations with the secrets of an integration.

mod counts;
mod desk;
mod first_row;
mod kinds;
mod later;
mod places;
mod tables_log;
mod window;

#[cfg(test)]
mod tests;

pub use desk::IntegrationsDesk;
pub use first_row::SourceRows;
pub use later::Reconciler;
pub use places::{GuardedPlaces, Places};
pub use window::WindowRunner;
