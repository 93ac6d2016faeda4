//! One run: from the first batch to the manifest.
//!
//! ```text
//!             slice.rs          enrich.rs         canonical.rs        encode.rs         files.rs, file.rs
//!  Reading ─► slices, read ─►  scores, ...  ─►  limit, then the  ─►  blocks on all ─►  one file after the
//!             ahead, in order   any core         canonical cuts       cores, in order   other, checkpoints
//! ```
//!
//! Every stage runs at the same time as the others and hands on in row order, so the bytes of a
//! file depend on the rows and the options alone ([`canonical`]). Back-pressure is counted in bytes
//! and stands in [`budget`]; every wait stands in [`retry`] and ends when the run is stopped. A
//! checkpoint describes what the destination says is durable, never more ([`files`]); a later attempt
//! continues from it and produces the same files. [`verify`] reads a finished run back and compares
//! it with its manifest and its source.
//!
//! It knows no format, source, destination or enrichment by name, and no database.

mod budget;
mod canonical;
mod encode;
mod enrich;
mod events;
mod file;
mod files;
mod hash;
mod key;
mod leftovers;
mod progress;
mod reads;
mod replace;
mod retry;
mod run;
mod slice;
mod spec;
mod task;
mod upload;
mod verify;

pub use budget::{Budget, Patience};
pub use events::{DeliveryPorts, DeliverySpec, Pace, Paces, deliver, replay};
pub use progress::{Progress, ProgressState, Silent};
pub use reads::end_reading;
pub use replace::Earlier;
pub use retry::{RealWaits, Waits};
pub use run::{Ports, RunOutcome, run};
pub use spec::{EmptyRun, FileLayout, RunSpec};
pub use verify::{
    Against, Difference, FilesRead, RowName, SentHashes, SentVerification, Verification, VerifyReport, verify,
    verify_sent,
};

#[cfg(test)]
mod tests;
