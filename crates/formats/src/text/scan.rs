//! Copying text in bulk up to the bytes that need attention.
//!
//! A block of 64 bytes at a time: its special bytes become the bits of one word, and what lies between two of them
//! is copied by copying a whole block and cutting it, since a copy of known length costs no call. On x86-64 the
//! comparison is SSE2, sixteen bytes in one step, which every such processor has; elsewhere it is arithmetic on
//! 64-bit words, which the tests hold against it.

use std::ops::Range;

/// Bytes whose special ones are told by one word.
const BLOCK: usize = 64;

/// Bytes compared in one step.
const LANE: usize = 16;

/// A set of bytes that cannot be copied as they are.
pub(crate) trait Special {
    /// One bit per byte of the lane, set where the byte belongs to the set.
    fn mask(lane: &[u8; LANE]) -> u32;
}

/// What a JSON string must escape: the quote, the backslash and everything below the space.
pub(crate) struct JsonSpecial;

/// The quote.
pub(crate) struct Quote;

/// The quote and the backslash, which may start a `\uXXXX`.
pub(crate) struct QuoteOrBackslash;

impl Special for JsonSpecial {
    #[inline(always)]
    fn mask(lane: &[u8; LANE]) -> u32 {
        lanes::json_special(lane)
    }
}

impl Special for Quote {
    #[inline(always)]
    fn mask(lane: &[u8; LANE]) -> u32 {
        lanes::equal(lane, b'"')
    }
}

impl Special for QuoteOrBackslash {
    #[inline(always)]
    fn mask(lane: &[u8; LANE]) -> u32 {
        lanes::equal(lane, b'"') | lanes::equal(lane, b'\\')
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
        let left = (range.end - at).min(BLOCK);
        let padded;
        let block: &[u8; BLOCK] = match values.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(block) => block,
            None => {
                padded = pad(&values[at..]);
                &padded
            }
        };
        let mut specials = mask::<S>(block);
        let mut from = at;
        loop {
            let clean_end = at + (specials.trailing_zeros() as usize).min(left);
            append(&values[from..], clean_end - from, out);
            if clean_end == at + left {
                at = clean_end;
                break;
            }
            from = special(clean_end, out);
            if from >= at + left {
                at = from;
                break;
            }
            specials &= u64::MAX << (from - at);
        }
    }
}

/// One bit per byte of the block, set where the byte is special.
#[inline(always)]
fn mask<S: Special>(block: &[u8; BLOCK]) -> u64 {
    let (lanes, _) = block.as_chunks();
    lanes.iter().rev().fold(0, |bits, lane| bits << LANE | u64::from(S::mask(lane)))
}

/// Appends the first bytes of `text`, at most a block of them. Where many bytes are special they are few.
#[inline(always)]
fn append(text: &[u8], length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length;
    match (text.first_chunk::<BLOCK>(), text.first_chunk::<LANE>()) {
        (_, Some(lane)) if length <= LANE => out.extend_from_slice(lane),
        (Some(block), _) => out.extend_from_slice(block),
        _ => out.extend_from_slice(&text[..length]),
    }
    out.truncate(end);
}

/// The last bytes of a buffer, filled up to a block.
#[cold]
fn pad(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let length = rest.len().min(BLOCK);
    block[..length].copy_from_slice(&rest[..length]);
    block
}

#[cfg(target_arch = "x86_64")]
mod lanes {
    //! Comparisons of sixteen bytes with SSE2.

    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };

    use super::LANE;

    #[inline(always)]
    pub(super) fn json_special(lane: &[u8; LANE]) -> u32 {
        // SAFETY: SSE2 is part of x86-64, so the processor has it.
        unsafe { json_special_sse2(lane) }
    }

    #[inline(always)]
    pub(super) fn equal(lane: &[u8; LANE], byte: u8) -> u32 {
        // SAFETY: as above.
        unsafe { equal_sse2(lane, byte) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(lane: &[u8; LANE]) -> __m128i {
        let word = |at: usize| i64::from_le_bytes(std::array::from_fn(|byte| lane[at + byte]));
        _mm_set_epi64x(word(8), word(0))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn json_special_sse2(lane: &[u8; LANE]) -> u32 {
        let bytes = load(lane);
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        _mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash))) as u32
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal_sse2(lane: &[u8; LANE], byte: u8) -> u32 {
        _mm_movemask_epi8(_mm_cmpeq_epi8(load(lane), _mm_set1_epi8(byte as i8))) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
use words as lanes;

#[cfg(any(test, not(target_arch = "x86_64")))]
mod words {
    //! The same comparisons with 64-bit arithmetic, for every other processor.

    use super::LANE;

    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;

    pub(super) fn json_special(lane: &[u8; LANE]) -> u32 {
        gather(lane, |word| zeros(word & (LOW * 0xe0)) | matches(word, b'"') | matches(word, b'\\'))
    }

    pub(super) fn equal(lane: &[u8; LANE], byte: u8) -> u32 {
        gather(lane, |word| matches(word, byte))
    }

    /// The top bit of every byte that equals `byte`.
    fn matches(word: u64, byte: u8) -> u64 {
        zeros(word ^ (LOW * u64::from(byte)))
    }

    /// The top bit of every byte that is zero; no carry passes from byte to byte.
    fn zeros(word: u64) -> u64 {
        !(((word & !HIGH) + !HIGH) | word) & HIGH
    }

    /// The top bits of both words, as one bit per byte of the lane.
    fn gather(lane: &[u8; LANE], hits: impl Fn(u64) -> u64) -> u32 {
        let half = |at: usize| {
            let word = u64::from_le_bytes(std::array::from_fn(|byte| lane[at + byte]));
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
        fn word_arithmetic_agrees_with_the_processor(lane in any::<[u8; LANE]>(), byte in any::<u8>()) {
            prop_assert_eq!(words::json_special(&lane), lanes::json_special(&lane));
            prop_assert_eq!(words::equal(&lane, byte), lanes::equal(&lane, byte));
        }
    }
}
