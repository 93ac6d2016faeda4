//! The one integration binary: the real program on real stores and servers.

mod cli;
mod crash;
mod destinations;
mod parity;
mod readers;
mod servers;
mod support;
mod verify;
