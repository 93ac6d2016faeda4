//! What is added to rows after they are read: one folder per step.
//!
//! In an export, scores append columns, comments and prices fill theirs, and the mask comes last so that
//! nothing is added behind it. In a delivery of events the mask comes first and links are made of what it left.
//!
//! A step takes batches that end with the key columns and returns the same rows in the same order,
//! key columns last. It never asks where rows come from or go: what it needs is looked up through
//! [`model::Lookups`]. [`resolve_comments`] belongs here because comments are not the source's to know.

mod comments;
mod links;
mod mask;
mod prices;
mod scores;
#[cfg(test)]
mod test_rows;

pub use comments::{Comments, resolve_comments};
pub use links::Links;
pub use mask::Mask;
pub use prices::Prices;
pub use scores::Scores;
