//! The rows of the metadata store: one module per table.

pub(super) mod account;
pub(super) mod api_key;
pub(super) mod audit_entry;
pub(super) mod backfill;
pub(super) mod comment;
pub(super) mod dead_letter;
pub(super) mod export;
pub(super) mod failed_attempts;
pub(super) mod integration;
pub(super) mod invitation;
pub(super) mod job;
pub(super) mod membership;
pub(super) mod model_price;
pub(super) mod notice;
pub(super) mod project;
pub(super) mod rows_of;
pub(super) mod run;
pub(super) mod score_names;
pub(super) mod secret;
pub(super) mod sent_keys;
pub(super) mod session;
pub(super) mod sign_in_failure;
pub(super) mod turn;
pub(super) mod window_run;
