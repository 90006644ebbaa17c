//! Decodes a token's text. Its length is fixed, so all characters are decoded at once, without a
//! branch or a table lookup that depends on them: what the text contains is secret. What is left
//! on the stack is not overwritten, because the request's headers contain the same text.

use super::{BYTES, TEXT};

/// The length of the text, filled up to whole groups of four characters.
const CHARACTERS: usize = TEXT.next_multiple_of(4);

/// The alphabet of RFC 4648 section 5: the first character of a range, the number of characters,
/// and the value of the first one.
const ALPHABET: [(u8, u8, u8); 5] =
    [(b'A', 26, 0), (b'a', 26, 26), (b'0', 10, 52), (b'-', 1, 62), (b'_', 1, 63)];

/// Decodes unpadded base64url. Returns `None` if a character is not in its alphabet, or if the bits
/// that are left over at the end are not zero (section 3.5): otherwise, two texts would be the same
/// token.
pub(super) fn decode(text: &[u8; TEXT]) -> Option<[u8; BYTES]> {
    // `A` stands for zeros.
    let mut characters = [b'A'; CHARACTERS];
    characters[..TEXT].copy_from_slice(text);
    let (mut values, mut valid) = ([0; CHARACTERS], [0; CHARACTERS]);
    for (first, length, value) in ALPHABET {
        // The compiler turns this loop into instructions for 16 characters or more.
        for index in 0..CHARACTERS {
            let offset = characters[index].wrapping_sub(first);
            let in_range = u8::from(offset < length).wrapping_neg();
            values[index] |= offset.wrapping_add(value) & in_range;
            valid[index] |= in_range;
        }
    }
    let mut decoded = [0; CHARACTERS / 4 * 3];
    for (bytes, values) in decoded.chunks_exact_mut(3).zip(values.chunks_exact(4)) {
        bytes[0] = values[0] << 2 | values[1] >> 4;
        bytes[1] = values[1] << 4 | values[2] >> 2;
        bytes[2] = values[2] << 6 | values[3];
    }
    let (bytes, left_over) = decoded.split_first_chunk()?;
    let is_valid = valid.iter().fold(u8::MAX, |all, valid| all & valid) == u8::MAX;
    (is_valid && left_over.iter().all(|byte| *byte == 0)).then_some(*bytes)
}
