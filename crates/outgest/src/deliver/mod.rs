//! `outgest deliver`: one window of a project's rows as events of an analytics product.
//!
//! Reading order: [`ask`] checks what was asked, [`spec`] says it to the pipeline, [`letters`] keeps events that the
//! receiver refuses and [`replay`] sends them again, [`run`] wires the families and settles, [`receipt`] says what was done. Each table is a
//! run of its own, with its own checkpoint. Integrations deliver windows by the same [`spec`]: [`looks`] are the
//! options that they have for it, [`scheduled`] reads what they deliver of a table.

mod ask;
mod letters;
mod looks;
mod receipt;
mod replay;
mod run;
mod scheduled;
mod spec;

pub use looks::Looks;
pub use run::deliver;
pub use scheduled::Scheduled;
