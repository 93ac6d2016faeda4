//! `outgest export`: from the command line to a receipt.
//!
//! Reading order: [`request`] checks what was asked on the command line and [`ask`] what came through the
//! API ([`comments`] what both do about filters on comments that are not there), [`scheduled`] what an
//! integration exports, [`output`] where it goes, [`attempt`] what an earlier attempt left there; [`spec`] says it to the
//! pipeline, [`run`] wires the families into it, [`bar`] shows progress, [`receipt`] says what was done.

mod ask;
mod attempt;
mod bar;
mod comments;
mod output;
mod receipt;
mod request;
mod run;
mod scheduled;
mod spec;

pub use bar::watcher;
pub use comments::CommentsHere;
pub use request::Request;
pub use run::export;
pub use scheduled::{problems_in, table_of};
pub use spec::{hex, read_request, run_spec};
