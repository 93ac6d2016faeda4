//! Windows over a real lake and a real metadata store, with time as a parameter.

mod bad_input;
mod hidden;
pub(super) mod kept;
mod ledger;
mod loss;
mod operator;
mod places;
mod secrets;
mod settings;
mod windows;
mod world;
