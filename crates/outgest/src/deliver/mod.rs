//! `outgest deliver`: one window of a project's rows as events of an analytics product.
//!
//! Reading order: [`ask`] checks what was asked, [`spec`] says it to the pipeline, [`letters`] keeps events that the
//! receiver refuses and [`replay`] sends them again, [`run`] wires the families and settles, [`receipt`] says what was done. Each table is a
//! run of its own, with its own checkpoint.

mod ask;
mod letters;
mod receipt;
mod replay;
mod run;
mod spec;

pub use run::deliver;
