//! ClickHouse as a source of the whole program: the same bytes as from the embedded store, and what happens
//! when the server is in trouble.

mod ask;
mod differential;
mod digits;
mod doctor;
mod drift;
mod faults;
pub mod files;
mod layouts;
mod requests;
mod sample;
mod serve;

/// The shared server, or a note that the test is left out.
macro_rules! need_clickhouse {
    () => {
        match crate::servers::clickhouse::ClickHouse::shared() {
            Some(server) => server,
            None => return eprintln!("left out: needs the stack of `cargo xtask test`"),
        }
    };
}
pub(crate) use need_clickhouse;
