//! [`model::Expr`] as DataFusion expressions over record batches.
//!
//! [`compile`] turns one expression into a logical DataFusion expression: comparisons, `and`, `or`,
//! `not`, `in` and conditions are DataFusion's own; every other kind is a function of ours, one
//! family per file. A [`Program`] binds several of them to the columns they read and evaluates them
//! batch by batch. Predicates keep the two-valued meaning of [`model::Expr`]: they are never null.
//!
//! Nothing here reads files or knows tables.

mod compile;
mod program;
mod prune;

mod compare;
mod function;
mod lists;
mod maps;
mod numbers;
mod pairs;
mod text;
mod tokens;

pub(crate) use compare::compare_doubles;
pub(crate) use program::Program;
pub(crate) use prune::Pruner;

#[cfg(test)]
mod tests;
