//! Whole-file compression of text formats, a member or frame at a time.
//!
//! RFC 1952 and RFC 8878 both say that members and frames one after the other decompress to their
//! texts one after the other. So every block compresses alone, on any core, and a resumed file has
//! the same bytes. Nothing of the clock or the machine goes into a header.

mod expand;
mod gzip;
mod zstd;

pub(crate) use expand::Expander;

use model::{Compression, Fault};

/// Compresses `text` into one member or frame; copies it where there is no compression.
pub(crate) fn compress(compression: Compression, text: &[u8]) -> Result<Vec<u8>, Fault> {
    match compression {
        Compression::None => Ok(text.to_vec()),
        Compression::Gzip => gzip::member(text),
        Compression::Zstd => zstd::frame(text),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn decompress(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        match compression {
            Compression::None => text.extend_from_slice(bytes),
            Compression::Gzip => {
                flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut text).unwrap();
            }
            Compression::Zstd => {
                ::zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut text).unwrap();
            }
        }
        text
    }

    proptest! {
        #[test]
        fn parts_one_after_the_other_decompress_to_the_whole(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2000), 1..4),
            repeat in 1_usize..40,
        ) {
            for compression in Compression::ALL {
                let texts: Vec<_> = parts.iter().map(|part| part.repeat(repeat)).collect();
                let file: Vec<u8> = texts.iter().flat_map(|text| compress(compression, text).unwrap()).collect();
                prop_assert_eq!(decompress(compression, &file), texts.concat());
            }
        }
    }

    #[test]
    fn the_same_text_gives_the_same_bytes_and_fewer_of_them() {
        let text = "the quick brown fox ".repeat(1000);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let once = compress(compression, text.as_bytes()).unwrap();
            assert_eq!(once, compress(compression, text.as_bytes()).unwrap());
            assert!(once.len() < text.len() / 20, "{compression:?}: {}", once.len());
        }
    }
}
