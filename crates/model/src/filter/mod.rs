//! The filter language: wire form, text form, and their compilation into [`crate::Expr`].
