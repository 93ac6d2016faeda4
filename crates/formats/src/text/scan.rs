//! Copying text in bulk up to the bytes that need attention, and fetching it in time.
//!
//! A block of 64 bytes at a time: its special bytes become the bits of one word. Of what lies between two of them a
//! whole lane or block is copied, and only the bytes that belong to it are counted, since a copy of known length costs
//! no call. So room for whatever a block can become is made once, and the buffer's length is told once. On x86-64 the
//! comparison is SSE2, sixteen bytes in one step, which every such processor has; elsewhere it is arithmetic on 64-bit
//! words, which the tests hold against it.

use std::ops::Range;

/// Bytes whose special ones are told by one word.
const BLOCK: usize = 64;

/// A block and what may be copied along with its last byte.
const WINDOW: usize = 2 * BLOCK;

/// Bytes compared in one step.
const LANE: usize = 16;

/// The most that stands for one byte: `\u001f`.
const ESCAPE_MAX: usize = 6;

/// The most that is written for a block: an escape for each of its bytes, and a whole block of which nothing counts.
const ROOM: usize = ESCAPE_MAX * BLOCK + BLOCK;

/// A set of bytes that cannot be copied as they are.
pub(crate) trait Special {
    /// One bit per byte of the block, set where the byte belongs to the set.
    fn mask(block: &[u8; BLOCK]) -> u64;
}

/// What a JSON string must escape: the quote, the backslash and everything below the space.
pub(crate) struct JsonSpecial;

/// The quote.
pub(crate) struct Quote;

/// The quote, and the backslash that may start a `\uXXXX`.
pub(crate) struct QuoteOrEscape;

impl Special for JsonSpecial {
    #[inline(always)]
    fn mask(block: &[u8; BLOCK]) -> u64 {
        mask(block, lanes::json_special)
    }
}

impl Special for Quote {
    #[inline(always)]
    fn mask(block: &[u8; BLOCK]) -> u64 {
        mask(block, |lane| lanes::equal(lane, b'"'))
    }
}

impl Special for QuoteOrEscape {
    #[inline(always)]
    fn mask(block: &[u8; BLOCK]) -> u64 {
        let [quotes, backslashes, us] = [b'"', b'\\', b'u'].map(|byte| mask(block, |lane| lanes::equal(lane, byte)));
        // What follows the last byte is not looked at.
        quotes | backslashes & (us >> 1 | 1 << (BLOCK - 1))
    }
}

/// What stands for a byte.
#[derive(Clone, Copy)]
pub(crate) struct Escape {
    text: [u8; ESCAPE_MAX + 1],
    length: u8,
}

/// What stands for each byte that may be special.
pub(crate) type Escapes = [Escape; 256];

impl Escape {
    /// Up to [`ESCAPE_MAX`] bytes.
    pub(crate) const fn of(escape: &[u8]) -> Self {
        assert!(escape.len() <= ESCAPE_MAX);
        let mut text = [0; ESCAPE_MAX + 1];
        text.split_at_mut(escape.len()).0.copy_from_slice(escape);
        Self { text, length: escape.len() as u8 }
    }
}

/// Copies `values[range]` to `out`, with `escapes` for the special bytes. At each backslash among them `decoded` is
/// told its index, and may say which character stands for it and for how many bytes behind it.
///
/// Bytes of `values` behind the range are read, so that short cells need no copy of their own, but
/// they do not matter. A range that `values` does not have panics.
#[inline(always)]
pub(crate) fn copy<S: Special>(
    values: &[u8],
    range: Range<usize>,
    escapes: &Escapes,
    out: &mut Vec<u8>,
    decoded: impl Fn(usize) -> Option<(char, usize)>,
) {
    assert!(range.end <= values.len());
    let mut at = range.start;
    while at < range.end {
        let padded;
        let window: &[u8; WINDOW] = match values.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(window) => window,
            None => {
                padded = pad(&values[at..]);
                &padded
            }
        };
        let (block, _) = window.split_first_chunk().expect("a window holds a block");
        let length = (range.end - at).min(BLOCK);
        let mut specials = S::mask(block) & (u64::MAX >> (BLOCK - length));
        let mut tail = Tail::of(out);
        let mut done = 0;
        loop {
            let clean_end = (specials.trailing_zeros() as usize).min(length);
            // SAFETY: these bytes are of the block and were not passed before, since `done` never falls.
            unsafe { tail.append(&window[done..], clean_end - done) };
            done = clean_end;
            if done == length {
                break;
            }
            let byte = block[done];
            done += 1;
            specials &= specials - 1;
            match if byte == b'\\' { decoded(at + done - 1) } else { None } {
                None => {
                    let Escape { text, length } = &escapes[usize::from(byte)];
                    // SAFETY: an escape is that long at most, and stands for this byte alone.
                    unsafe { tail.put(text, usize::from(*length)) };
                }
                Some((character, taken)) => {
                    let mut text = [0; 4];
                    let written = character.encode_utf8(&mut text).len();
                    // SAFETY: a character is shorter than an escape, and stands for this byte and more.
                    unsafe { tail.put(&text, written) };
                    done = done.saturating_add(taken);
                    if done >= length {
                        break;
                    }
                    specials &= u64::MAX << done;
                }
            }
        }
        tail.counts();
        at = at.saturating_add(done);
    }
}

/// One bit per byte of the block, set where that of its lane is.
#[inline(always)]
fn mask(block: &[u8; BLOCK], of_lane: impl Fn(&[u8; LANE]) -> u32) -> u64 {
    let (lanes, _) = block.as_chunks();
    lanes.iter().rev().fold(0, |bits, lane| bits << LANE | u64::from(of_lane(lane)))
}

/// The last bytes of a buffer, filled up to a window.
#[cold]
fn pad(rest: &[u8]) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    let length = rest.len().min(WINDOW);
    window[..length].copy_from_slice(&rest[..length]);
    window
}

/// What a block becomes, behind the end of a buffer, whose length is told when all of it is written.
struct Tail<'a> {
    out: &'a mut Vec<u8>,
    next: *mut u8,
}

impl<'a> Tail<'a> {
    #[inline(always)]
    fn of(out: &'a mut Vec<u8>) -> Self {
        out.reserve(ROOM);
        let next = out.spare_capacity_mut().as_mut_ptr().cast();
        Self { out, next }
    }

    /// Appends the first bytes of `text`, which is at least a block; at most a block of them. Where many bytes are
    /// special they are few.
    ///
    /// # Safety
    /// As for [`Self::put`].
    #[inline(always)]
    unsafe fn append(&mut self, text: &[u8], length: usize) {
        if length <= LANE {
            let lane = text.first_chunk::<LANE>().expect("a block is longer than a lane");
            // SAFETY: the caller's.
            unsafe { self.put(lane, length) }
        } else {
            let block = text.first_chunk::<BLOCK>().expect("a window is a block longer than its block");
            // SAFETY: the caller's.
            unsafe { self.put(block, length) }
        }
    }

    /// Writes all of `text`, of which so many bytes count.
    ///
    /// # Safety
    /// These are at most [`ESCAPE_MAX`] for each byte of one block that they stand for, and each byte has its turn once.
    #[inline(always)]
    unsafe fn put<const N: usize>(&mut self, text: &[u8; N], counted: usize) {
        const { assert!(N <= BLOCK) };
        debug_assert!(counted <= N && self.written() + N <= self.out.capacity());
        // SAFETY: `of` made room for `ROOM` bytes. What counts so far is at most an escape for each byte of a block, so a
        // block's length is left.
        unsafe {
            self.next.copy_from_nonoverlapping(text.as_ptr(), N);
            self.next = self.next.add(counted);
        }
    }

    /// Bytes of the buffer up to the next one.
    #[inline(always)]
    fn written(&self) -> usize {
        // SAFETY: `next` points into the buffer or behind its last byte, since `put` writes there.
        unsafe { self.next.offset_from_unsigned(self.out.as_ptr()) }
    }

    /// Makes what was written part of the buffer.
    #[inline(always)]
    fn counts(self) {
        let length = self.written();
        // SAFETY: every byte up to `next` was written by `put`, within the capacity.
        unsafe { self.out.set_len(length) }
    }
}

/// Asks the processor to fetch what is at this place, or behind the end.
#[inline(always)]
pub(super) fn prefetch<T>(values: &[T], place: usize) {
    lanes::prefetch(values.as_ptr().wrapping_add(place).cast());
}

#[cfg(target_arch = "x86_64")]
mod lanes {
    //! Comparisons of sixteen bytes with SSE2, and the hint of SSE.

    use std::arch::x86_64::{
        __m128i, _MM_HINT_T0, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_prefetch,
        _mm_set_epi64x, _mm_set1_epi8,
    };

    use super::LANE;

    #[inline(always)]
    pub(super) fn prefetch(address: *const i8) {
        // SAFETY: SSE is part of x86-64. A hint reads nothing that a program can see, so any address may be given.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) }
    }

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
    //! The same comparisons with 64-bit arithmetic, for every other processor. There is no hint for all of them.

    use super::LANE;

    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;

    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn prefetch(_address: *const i8) {}

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

    /// The longest escapes, each told by its last byte.
    static MARKS: Escapes = {
        let mut marks = [Escape::of(b""); 256];
        let mut byte = 0;
        while byte < marks.len() {
            marks[byte] = Escape::of(&[b'<', b'm', b'a', b'r', b'k', byte as u8]);
            byte += 1;
        }
        marks
    };

    fn marked<S: Special>(values: &[u8], range: Range<usize>) -> Vec<u8> {
        // A buffer without room, and one that has something in it.
        let mut out = b"before".to_vec();
        copy::<S>(values, range, &MARKS, &mut out, |_| None);
        out
    }

    /// The same byte by byte.
    fn expected(values: &[u8], range: Range<usize>, special: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut out = b"before".to_vec();
        for at in range {
            if special(at) {
                out.extend_from_slice(b"<mark");
            }
            out.push(values[at]);
        }
        out
    }

    proptest! {
        #[test]
        fn every_special_byte_is_found_and_nothing_else(
            values in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'u'), 0x1e_u8..0x22],
                0..200,
            ),
            ends in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let (a, b) = (ends.0.index(values.len() + 1), ends.1.index(values.len() + 1));
            let range = a.min(b)..a.max(b);
            let json = |at: usize| values[at] < 0x20 || values[at] == b'"' || values[at] == b'\\';
            prop_assert_eq!(marked::<JsonSpecial>(&values, range.clone()), expected(&values, range.clone(), json));
            let quote = |at: usize| values[at] == b'"';
            prop_assert_eq!(marked::<Quote>(&values, range.clone()), expected(&values, range.clone(), quote));
            let escape = |at: usize| {
                let is_last_of_block = (at - range.start) % BLOCK == BLOCK - 1;
                quote(at) || values[at] == b'\\' && (is_last_of_block || values.get(at + 1) == Some(&b'u'))
            };
            prop_assert_eq!(
                marked::<QuoteOrEscape>(&values, range.clone()),
                expected(&values, range.clone(), escape)
            );
        }

        #[test]
        fn a_character_stands_for_all_bytes_that_it_takes(
            text in "[a\\\\]{0,150}",
            taken in 0_usize..80,
        ) {
            let values = text.as_bytes();
            let mut found = Vec::new();
            copy::<JsonSpecial>(values, 0..values.len(), &MARKS, &mut found, |at| {
                (at % 3 == 0 && at + taken < values.len()).then_some(('\u{10ffff}', taken))
            });
            let (mut expected, mut at) = (String::new(), 0);
            while at < values.len() {
                match values[at] {
                    b'\\' if at % 3 == 0 && at + taken < values.len() => {
                        expected.push('\u{10ffff}');
                        at += taken;
                    }
                    b'\\' => expected.push_str("<mark\\"),
                    _ => expected.push('a'),
                }
                at += 1;
            }
            prop_assert_eq!(String::from_utf8(found).unwrap(), expected);
        }

        #[test]
        fn blocks_of_nothing_but_the_longest_escapes_have_room(length in 60_usize..70, blocks in 0_usize..3) {
            let values = vec![0x1f; length + blocks * BLOCK];
            let found = marked::<JsonSpecial>(&values, 0..values.len());
            prop_assert_eq!(found, expected(&values, 0..values.len(), |_| true));
        }

        #[test]
        fn word_arithmetic_agrees_with_the_processor(lane in any::<[u8; LANE]>(), byte in any::<u8>()) {
            prop_assert_eq!(words::json_special(&lane), lanes::json_special(&lane));
            prop_assert_eq!(words::equal(&lane, byte), lanes::equal(&lane, byte));
        }
    }
}
