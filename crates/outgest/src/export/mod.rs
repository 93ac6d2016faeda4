//! `outgest export`: from the command line to a receipt.
//!
//! Reading order: [`request`] checks what was asked, [`output`] where it goes, [`run`] wires the
//! families into the pipeline, [`bar`] shows progress, [`receipt`] says what was done.

mod bar;
mod output;
mod receipt;
mod request;
mod run;

pub use bar::watcher;
pub use request::Request;
pub use run::{export, read_request};
