//! The promises of a run, on doubles that can be told to fail, stop or crash at any call.

pub(crate) mod doubles;

mod end;
mod events;
mod replace;
mod resume;
mod same_bytes;
mod trouble;
