//! The REST API and its OpenAPI document, progress as server-sent events, and the built web app.
//!
//! It never runs an export: it meets the worker in the job store only.
