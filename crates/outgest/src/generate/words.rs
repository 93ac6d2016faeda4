//! The vocabulary: a few hundred plain words, many more made of syllables, drawn with a Zipf skew.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::random::Random;

/// Everyday words of support and retrieval, most frequent first.
const PLAIN: &str = "the to a of and is you in for we your it on with that be this can are as not or if have an from \
    please by will at order account invoice refund payment user request data system model answer question report \
    delivery policy price team service customer update error check status page table result value search file item \
    plan date time day week month number name list key limit change start end open close new old first last next \
    more less than when where which how why what who there here them they our us was were has had do does did done \
    should would could may might must only also then after before between during under over about into out up down \
    again still already never always often soon later today tomorrow yesterday region city country language currency \
    tax total amount balance credit debit card bank transfer fee discount coupon subscription trial upgrade cancel \
    renew ship parcel warehouse stock return exchange warranty repair support ticket agent call message mail phone \
    address profile password login session token access role permission project workspace folder document image \
    video audio text summary translation draft review comment score rating feedback test build deploy release version \
    branch server client network cache queue batch event trace span metric alert incident latency budget forecast \
    contract clause party notice risk audit compliance privacy consent record archive backup restore export import";
/// Words beyond ASCII.
const FOREIGN: &[&str] = &[
    "café",
    "naïve",
    "Größe",
    "señor",
    "garçon",
    "łódź",
    "příklad",
    "übung",
    "façade",
    "東京",
    "日本語",
    "請求書",
    "你好",
    "订单",
    "안녕",
    "주문",
    "привет",
    "заказ",
    "спасибо",
    "γειά",
    "τιμή",
    "مرحبا",
    "שלום",
    "नमस्ते",
    "ราคา",
    "🚀",
    "✅",
    "👩‍💻",
    "→",
    "€",
];
const SYLLABLES: &[&str] = &[
    "ka", "lo", "mi", "ter", "ven", "dra", "sol", "qui", "bra", "nel", "fos", "gri", "tam", "rel", "dun", "phe", "jor",
    "zan", "wic", "yle", "co", "as", "im", "u", "er", "be", "do", "gu", "ha", "ne", "ro", "si", "ta", "vu",
];
/// Words in all; the rank of a word decides how often it is drawn.
const WORDS: usize = 4_096;
/// Ready-made runs of words, drawn as if they were one: what makes text compress like text.
const PHRASES: usize = 512;
/// Slots of the table that draws are looked up in. A power of two, small enough for the first cache.
const SLOTS: usize = 16_384;
/// Of a thousand slots, how many hold phrases.
const PHRASE_SHARE: usize = 60;

/// How text is written where it stands inside a JSON string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As it is.
    Unicode,
    /// Everything beyond ASCII as `\uXXXX`, as many encoders do by default.
    Escaped,
}

struct Vocabulary {
    unicode: Vec<String>,
    escaped: Vec<String>,
    slots: Vec<u16>,
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::new);

impl Vocabulary {
    fn new() -> Self {
        let mut random = Random::new(0, 0);
        let mut unicode: Vec<String> = PLAIN.split_whitespace().map(str::to_owned).collect();
        while unicode.len() < WORDS {
            let rank = unicode.len();
            match rank % 40 {
                0 => unicode.push(random.pick(FOREIGN).to_owned()),
                1 => unicode.push(random.between(2, 20_000).to_string()),
                _ => {
                    let syllables = random.between(2, 4);
                    unicode.push((0..syllables).map(|_| random.pick(SYLLABLES)).collect());
                }
            }
        }
        let phrase_slots = SLOTS * PHRASE_SHARE / 1_000;
        let mut slots = zipf(WORDS, SLOTS - phrase_slots);
        for _ in 0..PHRASES {
            let words = random.between(3, 9);
            let phrase: Vec<&str> = (0..words).map(|_| &*unicode[usize::from(random.pick(&slots))]).collect();
            unicode.push(phrase.join(" "));
        }
        slots.extend(zipf(PHRASES, phrase_slots).into_iter().map(|phrase| phrase + WORDS as u16));
        let escaped = unicode.iter().map(|word| escape(word)).collect();
        Self { unicode, escaped, slots }
    }
}

/// A table in which rank `r` has slots in proportion to 1 / (r + 25), and every rank at least one.
fn zipf(ranks: usize, slots: usize) -> Vec<u16> {
    let weight = |rank: usize| 1_000_000 / (rank as u64 + 25);
    let total: u64 = (0..ranks).map(weight).sum();
    let spare = (slots - ranks) as u64;
    let mut table = Vec::with_capacity(slots);
    let mut passed = 0;
    for rank in 0..ranks {
        passed += weight(rank);
        let end = rank + 1 + (spare * passed / total) as usize;
        table.resize(end, rank as u16);
    }
    table
}

/// Everything beyond ASCII as `\uXXXX`, in UTF-16 units.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(escaped, "\\u{unit:04x}").expect("a string takes everything");
        }
    }
    escaped
}

/// Appends sentences until `bytes` more bytes are there; a little more or less. `separator` stands
/// between paragraphs. Nothing in it needs escaping in JSON, unless the separator does.
pub(super) fn prose(random: &mut Random, spelling: Spelling, bytes: usize, separator: &str, out: &mut String) {
    let vocabulary = &*VOCABULARY;
    let words = match spelling {
        Spelling::Unicode => &vocabulary.unicode,
        Spelling::Escaped => &vocabulary.escaped,
    };
    let end = out.len() + bytes;
    let mut bits = 0;
    let mut sentences = 0;
    let mut left = 0;
    while out.len() < end {
        if left == 0 {
            if sentences > 0 {
                out.push_str(if sentences % 5 == 0 { separator } else { " " });
            }
            sentences += 1;
            left = 6 + random.below(13);
        } else {
            out.push(' ');
        }
        // Four draws of 14 bits from each 64 random bits.
        if bits < 1 << SLOTS.trailing_zeros() {
            bits = random.bits() | 1 << 63;
        }
        let slot = (bits as usize) & (SLOTS - 1);
        bits >>= SLOTS.trailing_zeros();
        out.push_str(&words[usize::from(vocabulary.slots[slot])]);
        left -= 1;
        if left == 0 {
            out.push('.');
        }
    }
}

/// A few words.
pub(super) fn title(random: &mut Random, words: usize) -> String {
    let vocabulary = &*VOCABULARY;
    let chosen: Vec<&str> =
        (0..words).map(|_| &*vocabulary.unicode[usize::from(random.pick(&vocabulary.slots)) % WORDS]).collect();
    chosen.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_can_be_drawn_and_the_first_most_often() {
        let slots = &VOCABULARY.slots;
        assert_eq!(slots.len(), SLOTS);
        let count = |word: usize| slots.iter().filter(|slot| usize::from(**slot) == word).count();
        assert!((0..WORDS + PHRASES).all(|word| count(word) > 0));
        assert!(count(0) > 20 * count(WORDS - 1));
    }

    #[test]
    fn escaped_spelling_reads_back_as_the_same_text() {
        let (mut plain, mut escaped) = (String::new(), String::new());
        prose(&mut Random::new(7, 0), Spelling::Unicode, 20_000, " ", &mut plain);
        // The escaped form is longer, so it ends after fewer words.
        prose(&mut Random::new(7, 0), Spelling::Escaped, 20_000, " ", &mut escaped);
        let read: String = serde_json::from_str(&format!("\"{escaped}\"")).unwrap();
        assert!(escaped.is_ascii() && !plain.is_ascii());
        assert!(plain.starts_with(&read));
    }
}
