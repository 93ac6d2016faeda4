//! What the levels of gzip cost and save on a file: `cargo run --release -p outgest-formats --example gzip_levels FILE`.
//!
//! Pieces of 4 MiB are compressed by themselves, as blocks of a file are. Prints each level's share of the
//! plain size and its speed on one busy core; the level that is shipped is named in `compression/gzip.rs`.

use std::error::Error;

use libdeflater::{CompressionLvl, Compressor};

/// Bytes of a piece: what the pipeline makes a member of.
const PIECE_BYTES: usize = 4 << 20;
/// Levels that somebody would wait for.
const LEVELS: std::ops::RangeInclusive<i32> = 1..=9;

/// Seconds this process spent on a processor.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let told = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(told.split(' ').next().unwrap_or_default().parse::<f64>()? / 1e9)
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("name a file")?;
    let text = std::fs::read(file)?;
    println!("{:>5}{:>10}{:>12}", "level", "size", "MB/s");
    for level in LEVELS {
        let mut compressor = Compressor::new(CompressionLvl::new(level).map_err(|_| "no such level")?);
        let (mut bytes, began) = (0, processor_seconds()?);
        for piece in text.chunks(PIECE_BYTES) {
            let mut member = vec![0; compressor.gzip_compress_bound(piece.len())];
            bytes += compressor.gzip_compress(piece, &mut member)?;
        }
        let pace = text.len() as f64 / 1e6 / (processor_seconds()? - began);
        println!("{level:>5}{:>8.1} %{pace:>12.0}", bytes as f64 * 100.0 / text.len() as f64);
    }
    Ok(())
}
