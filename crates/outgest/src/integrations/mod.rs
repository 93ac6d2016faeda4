//! Integrations, carried out: from a planned window to its files and its manifest, or to its events and their
//! dead letters, and what is found out later.
//!
//! Reading order: [`desk`] answers the API before anything is stored, with [`ask`] for single fields; [`first_row`] tells the scheduler where a
//! whole history begins; [`window`] carries a window out, table by table, with one checkpoint for all of them
//! ([`tables_log`], which says what it was [`begun`] with), and [`events`] does where the destination takes events ([`events_log`], [`letters`], [`sent`]);
//! [`reads`] says what is read in either case, from the server's [`source`], and [`revision`] which rows of it a revision has; [`counts`] counts what came late or was deleted, and [`schema`] tells columns and score names that are new; [`later`] compares a window with its source
//! a day afterwards. [`places`] connects destinations with the secrets of an integration.

mod ask;
mod begun;
mod counts;
mod desk;
mod events;
mod events_log;
mod first_row;
mod kinds;
mod later;
mod letters;
mod places;
mod reads;
mod revision;
mod schema;
mod sent;
mod source;
mod tables_log;
mod window;

#[cfg(test)]
mod tests;

pub use desk::IntegrationsDesk;
pub use first_row::SourceRows;
pub use later::Reconciler;
pub use places::{GuardedPlaces, Places};
pub use source::PatientSource;
pub use window::WindowRunner;
