//! Whole-file compression of text formats, a member or frame at a time.
//!
//! RFC 1952 and RFC 8878 both say that members and frames one after the other decompress to their
//! texts one after the other. So every block compresses alone, on any core, and a resumed file has
//! the same bytes. Nothing of the clock or the machine goes into a header.

mod expand;
mod gzip;
mod zstd;

pub(crate) use expand::Expander;

use gzip::Behind;
use model::{Compression, Fault};

/// Compresses `text`, behind which more follows, into one member or frame; copies it where there is no
/// compression.
pub(crate) fn compress(compression: Compression, text: &[u8]) -> Result<Vec<u8>, Fault> {
    match compression {
        Compression::None => Ok(text.to_vec()),
        Compression::Gzip => gzip::member(text, Behind::More),
        Compression::Zstd => zstd::frame(text),
    }
}

/// Compresses the last text of a file. A gzip file ends with a member that says so even where no text is
/// left, so that one that was cut off can be told; of zstd no frame is written then.
pub(crate) fn compress_last(compression: Compression, text: &[u8]) -> Result<Vec<u8>, Fault> {
    match compression {
        Compression::Gzip => gzip::member(text, Behind::End),
        Compression::Zstd if text.is_empty() => Ok(Vec::new()),
        Compression::Zstd | Compression::None => compress(compression, text),
    }
}

/// Compresses all the text of a file that has no rows: zero bytes are neither a gzip nor a zstd file.
pub(crate) fn compress_whole(compression: Compression, text: &[u8]) -> Result<Vec<u8>, Fault> {
    match compression {
        Compression::Gzip => gzip::member(text, Behind::End),
        Compression::Zstd | Compression::None => compress(compression, text),
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
                let mut file: Vec<u8> = texts.iter().flat_map(|text| compress(compression, text).unwrap()).collect();
                prop_assert_eq!(decompress(compression, &file), texts.concat());
                file.extend(compress_last(compression, &parts[0]).unwrap());
                prop_assert_eq!(decompress(compression, &file), [texts.concat(), parts[0].clone()].concat());
            }
        }
    }

    #[test]
    fn only_the_last_member_of_a_gzip_file_says_that_it_ends() {
        let behind = |member: Vec<u8>| {
            let mut decoder = flate2::bufread::GzDecoder::new(&member[..]);
            decoder.read_to_end(&mut Vec::new()).unwrap();
            decoder.header().unwrap().extra().unwrap().to_vec()
        };
        assert_eq!(behind(compress(Compression::Gzip, b"a").unwrap()), b"OG\x01\x00\x00");
        assert_eq!(behind(compress_last(Compression::Gzip, b"").unwrap()), b"OG\x01\x00\x01");
        assert_eq!(behind(compress_whole(Compression::Gzip, b"").unwrap()), b"OG\x01\x00\x01");
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
