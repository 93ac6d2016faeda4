//! Undoes whole-file compression as bytes arrive, for reading files back.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use model::{Compression, Fault};
use zstd::stream::raw::Decoder;
use zstd::stream::zio::Writer;

/// A file that is being read.
pub(crate) enum Expander {
    /// Not compressed.
    Plain,
    /// Gzip members.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// Zstandard frames.
    Zstd(Writer<Vec<u8>, Decoder<'static>>),
}

impl Expander {
    pub(crate) fn new(compression: Compression) -> Result<Self, Fault> {
        Ok(match compression {
            Compression::None => Self::Plain,
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Compression::Zstd => Self::Zstd(Writer::new(Vec::new(), Decoder::new().map_err(cannot_expand)?)),
        })
    }

    /// The text that `bytes` add.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Plain => Ok(bytes.to_vec()),
            Self::Gzip(decoder) => {
                decoder.write_all(bytes).map_err(cannot_expand)?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Zstd(decoder) => {
                decoder.write_all(bytes).map_err(cannot_expand)?;
                Ok(std::mem::take(decoder.writer_mut()))
            }
        }
    }

    /// The text that was still inside. Fails where the last member or frame is not complete.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Gzip(decoder) => decoder.finish().map_err(cannot_expand),
            Self::Zstd(mut decoder) => {
                decoder.finish().map_err(cannot_expand)?;
                Ok(std::mem::take(decoder.writer_mut()))
            }
        }
    }
}

fn cannot_expand(error: std::io::Error) -> Fault {
    Fault::corrupt(format!("cannot decompress: {error}")).because(error)
}
