//! Bodies of requests, compressed.

use libdeflater::{CompressionLvl, Compressor};
use model::Fault;

/// Events repeat their property names, so the fastest level already makes them a tenth; the next ones save
/// little of what is left at twice the time.
const LEVEL: i32 = 1;

/// Compresses a body into one gzip member: receivers need not read several. Runs on a blocking thread.
pub(crate) async fn gzip(body: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let compressing = tokio::task::spawn_blocking(move || {
        let level = CompressionLvl::new(LEVEL).expect("the level lies within 0..=12");
        let mut compressor = Compressor::new(level);
        let mut member = vec![0; compressor.gzip_compress_bound(body.len())];
        let length = compressor
            .gzip_compress(&body, &mut member)
            .map_err(|error| Fault::bug(format!("cannot compress {} bytes with gzip", body.len())).because(error))?;
        member.truncate(length);
        member.shrink_to_fit();
        Ok(member)
    });
    compressing.await.map_err(|failure| Fault::bug("compressing ended unexpectedly").because(failure))?
}
