//! Copying text in bulk up to the bytes that need attention.
//!
//! Sixteen bytes at a time: compare, copy all of them, cut the copy at the first hit. On x86-64
//! the comparison is SSE2, which every such processor has; elsewhere it is arithmetic on 64-bit
//! words, which the tests hold against it.

use std::ops::Range;

/// Bytes looked at in one step.
const CHUNK: usize = 16;

/// A set of bytes that cannot be copied as they are.
pub(crate) trait Special {
    /// One bit per byte of the chunk, set where the byte belongs to the set.
    fn mask(chunk: &[u8; CHUNK]) -> u32;
}

/// What a JSON string must escape: the quote, the backslash and everything below the space.
pub(crate) struct JsonSpecial;

/// The quote.
pub(crate) struct Quote;

/// The quote and the backslash, which may start a `\uXXXX`.
pub(crate) struct QuoteOrBackslash;

impl Special for JsonSpecial {
    #[inline(always)]
    fn mask(chunk: &[u8; CHUNK]) -> u32 {
        lanes::json_special(chunk)
    }
}

impl Special for Quote {
    #[inline(always)]
    fn mask(chunk: &[u8; CHUNK]) -> u32 {
        lanes::equal(chunk, b'"')
    }
}

impl Special for QuoteOrBackslash {
    #[inline(always)]
    fn mask(chunk: &[u8; CHUNK]) -> u32 {
        lanes::equal(chunk, b'"') | lanes::equal(chunk, b'\\')
    }
}

/// Copies `values[range]` to `out`. At each special byte `special` is told its index, writes what
/// stands for it and returns the index to go on from.
///
/// Bytes of `values` behind the range are read, so that short cells need no copy of their own, but
/// they do not matter.
#[inline(always)]
pub(crate) fn copy<S: Special>(
    values: &[u8],
    range: Range<usize>,
    out: &mut Vec<u8>,
    mut special: impl FnMut(usize, &mut Vec<u8>) -> usize,
) {
    let mut at = range.start;
    while at < range.end {
        let left = (range.end - at).min(CHUNK);
        let padded;
        let chunk: &[u8; CHUNK] = match values.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(chunk) => chunk,
            None => {
                padded = pad(&values[at..]);
                &padded
            }
        };
        // A bit behind the range stops the count there, so both ends of a chunk are one case.
        let clean = (S::mask(chunk) | 1 << left).trailing_zeros() as usize;
        let end = out.len() + clean;
        out.extend_from_slice(chunk);
        out.truncate(end);
        at += clean;
        if clean < left {
            at = special(at, out);
        }
    }
}

/// The last bytes of a buffer, filled up to a chunk.
#[cold]
fn pad(rest: &[u8]) -> [u8; CHUNK] {
    let mut chunk = [0; CHUNK];
    let length = rest.len().min(CHUNK);
    chunk[..length].copy_from_slice(&rest[..length]);
    chunk
}

#[cfg(target_arch = "x86_64")]
mod lanes {
    //! Comparisons of sixteen bytes with SSE2.

    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };

    use super::CHUNK;

    #[inline(always)]
    pub(super) fn json_special(chunk: &[u8; CHUNK]) -> u32 {
        // SAFETY: SSE2 is part of x86-64, so the processor has it.
        unsafe { json_special_sse2(chunk) }
    }

    #[inline(always)]
    pub(super) fn equal(chunk: &[u8; CHUNK], byte: u8) -> u32 {
        // SAFETY: as above.
        unsafe { equal_sse2(chunk, byte) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(chunk: &[u8; CHUNK]) -> __m128i {
        let word = |at: usize| i64::from_le_bytes(std::array::from_fn(|byte| chunk[at + byte]));
        _mm_set_epi64x(word(8), word(0))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn json_special_sse2(chunk: &[u8; CHUNK]) -> u32 {
        let bytes = load(chunk);
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        _mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash))) as u32
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal_sse2(chunk: &[u8; CHUNK], byte: u8) -> u32 {
        _mm_movemask_epi8(_mm_cmpeq_epi8(load(chunk), _mm_set1_epi8(byte as i8))) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
use words as lanes;

#[cfg(any(test, not(target_arch = "x86_64")))]
mod words {
    //! The same comparisons with 64-bit arithmetic, for every other processor.

    use super::CHUNK;

    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;

    pub(super) fn json_special(chunk: &[u8; CHUNK]) -> u32 {
        gather(chunk, |word| zeros(word & (LOW * 0xe0)) | matches(word, b'"') | matches(word, b'\\'))
    }

    pub(super) fn equal(chunk: &[u8; CHUNK], byte: u8) -> u32 {
        gather(chunk, |word| matches(word, byte))
    }

    /// The top bit of every byte that equals `byte`.
    fn matches(word: u64, byte: u8) -> u64 {
        zeros(word ^ (LOW * u64::from(byte)))
    }

    /// The top bit of every byte that is zero; no carry passes from byte to byte.
    fn zeros(word: u64) -> u64 {
        !(((word & !HIGH) + !HIGH) | word) & HIGH
    }

    /// The top bits of both words, as one bit per byte of the chunk.
    fn gather(chunk: &[u8; CHUNK], hits: impl Fn(u64) -> u64) -> u32 {
        let half = |at: usize| {
            let word = u64::from_le_bytes(std::array::from_fn(|byte| chunk[at + byte]));
            ((hits(word) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
        };
        half(0) | half(8) << 8
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Marks every special byte with its own index, so both order and place are seen.
    fn marked<S: Special>(values: &[u8], range: Range<usize>) -> Vec<u8> {
        let mut out = Vec::new();
        copy::<S>(values, range, &mut out, |at, out| {
            out.extend_from_slice(format!("<{at}>").as_bytes());
            at + 1
        });
        out
    }

    fn expected(values: &[u8], range: Range<usize>, special: impl Fn(u8) -> bool) -> Vec<u8> {
        let mut out = Vec::new();
        for at in range {
            if special(values[at]) {
                out.extend_from_slice(format!("<{at}>").as_bytes());
            } else {
                out.push(values[at]);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn every_special_byte_is_found_and_nothing_else(
            values in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), 0x1e_u8..0x22], 0..90),
            ends in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let (a, b) = (ends.0.index(values.len() + 1), ends.1.index(values.len() + 1));
            let range = a.min(b)..a.max(b);
            prop_assert_eq!(
                marked::<JsonSpecial>(&values, range.clone()),
                expected(&values, range.clone(), |byte| byte < 0x20 || byte == b'"' || byte == b'\\')
            );
            prop_assert_eq!(
                marked::<Quote>(&values, range.clone()),
                expected(&values, range.clone(), |byte| byte == b'"')
            );
            prop_assert_eq!(
                marked::<QuoteOrBackslash>(&values, range.clone()),
                expected(&values, range, |byte| byte == b'"' || byte == b'\\')
            );
        }

        #[test]
        fn word_arithmetic_agrees_with_the_processor(chunk in any::<[u8; CHUNK]>(), byte in any::<u8>()) {
            prop_assert_eq!(words::json_special(&chunk), lanes::json_special(&chunk));
            prop_assert_eq!(words::equal(&chunk, byte), lanes::equal(&chunk, byte));
        }
    }
}
