//! `outgest serve` as others see it: the real binary, its API, its processes, on SQLite and on Postgres.

mod adopted;
mod analytics;
mod audit;
mod auth;
mod chaos;
mod fuzz;
mod http;
mod idle;
mod integration;
mod killed_windows;
mod life;
mod lists;
mod notices;
mod parts;
mod project;
mod removal;
mod retention;
mod shares;
mod source;
mod split_brain;
mod terminal;
mod tried;
mod twins;
mod windows;
mod words;
mod world;

use world::World;

/// Each test on a deployment with SQLite, and on one with a real Postgres.
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $test() {
                super::$test(super::World::on_sqlite());
            })*
        }

        mod on_postgres {
            $(#[test]
            fn $test() {
                match super::World::on_postgres() {
                    Some(world) => super::$test(world),
                    None => eprintln!("without Postgres: cargo xtask test runs this test with it"),
                }
            })*
        }
    };
}

use on_both_databases;

/// SHA-256 in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
