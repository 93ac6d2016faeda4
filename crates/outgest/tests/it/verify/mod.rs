//! `outgest verify`: planted defects, each found and named (promise 8).

mod defects;
