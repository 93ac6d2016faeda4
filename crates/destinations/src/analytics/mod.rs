//! What receivers of events have in common: rows printed as properties, ids, requests and their answers.
//!
//! Reading order: [`cells`] prints a column's values as JSON, [`rows`] a row's columns as properties,
//! [`ids`] names events, [`nobody`] knows ids that name no user; [`exchange`] sends a request and classifies a refusal, [`check`] looks at an address
//! step by step. The shape around the properties and the reading of an answer is each receiver's own.

mod cells;
mod check;
mod exchange;
mod gzip;
mod ids;
mod instant;
mod nobody;
mod options;
mod rows;

pub(crate) use check::Probe;
pub(crate) use exchange::{Exchange, Reply};
pub(crate) use gzip::gzip;
pub(crate) use ids::EventIds;
pub(crate) use instant::{Form, InstantText};
pub(crate) use nobody::means_nobody;
pub(crate) use options::Bounds;
pub(crate) use rows::{Layout, Rows, write_string};

#[cfg(test)]
pub(crate) mod vectors;
