//! What `Content-Encoding` did is undone, as far as the limits go.
//!
//! Decoded here rather than by a layer: a gzip file may consist of several members (RFC 1952, section 2.2) and a zstd
//! file of several frames (RFC 8878, section 3), as `cat a.gz b.gz` makes them. Reading only the first would drop
//! readings without a word; reading any number would let a small body without content take seconds.

use std::io::{self, BufRead, Read};

/// Most members of a gzip file and frames of a zstd file, those to be skipped included. Tools that compress in parallel
/// or for random access make one for 64 KiB or more, of which [`super::MAX_BODY`] is 512.
pub const MAX_FRAMES: usize = 4096;

/// Largest window of zstd, as a power of two in bytes: none larger is needed for [`super::MAX_BODY`].
const ZSTD_WINDOW_LOG: u32 = 25;

/// How much more room is made at least.
const STEP: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Zstd,
}

/// Why a body is not decoded.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    #[error("the body is not what its Content-Encoding says: {0}")]
    Broken(#[from] io::Error),
    #[error("more than {0} bytes when decoded; send the readings in parts")]
    TooLarge(usize),
    #[error("more than {MAX_FRAMES} members or frames; compress the readings as a whole")]
    TooManyFrames,
    /// The caller had no more room to give.
    #[error("no memory is left")]
    NoRoom,
}

/// Decodes a body to at most `most` bytes, and stops where there are more, however much would follow. `room` is asked
/// before memory is taken, with the number of bytes.
pub fn decode(
    mut sent: &[u8],
    encoding: Encoding,
    most: usize,
    mut room: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, Undecodable> {
    let mut decoded = Decoded { bytes: Vec::new(), most };
    for _ in 0..MAX_FRAMES {
        if sent.is_empty() {
            break;
        }
        match encoding {
            Encoding::Gzip => decoded.fill(flate2::bufread::GzDecoder::new(&mut sent), &mut room)?,
            Encoding::Zstd => {
                let mut frame = zstd::Decoder::with_buffer(&mut sent)?.single_frame();
                frame.window_log_max(ZSTD_WINDOW_LOG)?;
                decoded.fill(frame, &mut room)?;
            }
        }
    }
    if !sent.fill_buf()?.is_empty() {
        return Err(Undecodable::TooManyFrames);
    }
    Ok(decoded.bytes)
}

struct Decoded {
    bytes: Vec<u8>,
    most: usize,
}

impl Decoded {
    /// Adds a frame.
    fn fill(&mut self, mut frame: impl Read, room: &mut impl FnMut(usize) -> bool) -> Result<(), Undecodable> {
        loop {
            if self.bytes.len() > self.most {
                return Err(Undecodable::TooLarge(self.most));
            }
            if self.bytes.len() == self.bytes.capacity() {
                // One byte over the limit shows that there is more.
                let larger = (self.bytes.len() * 2).max(STEP).min(self.most + 1);
                let more = larger - self.bytes.len();
                if !room(more) {
                    return Err(Undecodable::NoRoom);
                }
                self.bytes.reserve_exact(more);
            }
            let free = self.bytes.capacity() - self.bytes.len();
            if (&mut frame).take(free as u64).read_to_end(&mut self.bytes)? < free {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const MOST: usize = 1 << 20;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    fn decode_all(sent: &[u8], encoding: Encoding) -> Result<Vec<u8>, Undecodable> {
        decode(sent, encoding, MOST, |_| true)
    }

    /// RFC 8878, section 3.1.2: a frame that decoders skip.
    fn skippable(size: u32) -> Vec<u8> {
        [&0x184D_2A50_u32.to_le_bytes()[..], &size.to_le_bytes(), &vec![7; size as usize]].concat()
    }

    /// Bytes that do not repeat, from a multiplicative generator.
    fn noise(length: usize) -> Vec<u8> {
        let next = |n: &u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        std::iter::successors(Some(1_u64), next).map(|n| (n >> 56) as u8).take(length).collect()
    }

    #[test]
    fn what_was_encoded_comes_back_in_any_number_of_frames() {
        for length in [0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP, MOST - 1, MOST] {
            let text = noise(length);
            for (encoding, encode) in [(Encoding::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Encoding::Zstd, zstd)] {
                assert!(decode_all(&encode(&text), encoding).unwrap() == text, "{encoding:?} {length}");
                let frames: Vec<_> = text.chunks(length / 5 + 1).map(encode).chain([encode(b"")]).collect();
                assert!(decode_all(&frames.concat(), encoding).unwrap() == text, "{encoding:?} {length} in frames");
            }
        }
        let skipped = [skippable(0), zstd(b"one,"), skippable(100), zstd(b"two"), skippable(1)].concat();
        assert_eq!(decode_all(&skipped, Encoding::Zstd).unwrap(), b"one,two");
    }

    #[test]
    fn no_more_is_decoded_than_the_limit() {
        let spaces = vec![b' '; 64 * MOST];
        for (encoding, sent) in [(Encoding::Gzip, gzip(&spaces)), (Encoding::Zstd, zstd(&spaces))] {
            let mut taken = 0;
            let decoded = decode(&sent, encoding, MOST, |more| {
                taken += more;
                true
            });
            assert!(matches!(decoded, Err(Undecodable::TooLarge(MOST))), "{encoding:?}");
            assert_eq!(taken, MOST + 1);
        }
        let frames: Vec<u8> = std::iter::repeat_n(zstd(&spaces[..MOST / 2]), 3).flatten().collect();
        assert!(matches!(decode_all(&frames, Encoding::Zstd), Err(Undecodable::TooLarge(_))));
        let decoded = decode(&gzip(&spaces), Encoding::Gzip, MOST, |more| more <= STEP);
        assert!(matches!(decoded, Err(Undecodable::NoRoom)));
    }

    #[test]
    fn frames_without_content_are_not_read_for_ever() {
        for (encoding, frame) in
            [(Encoding::Gzip, gzip(b"")), (Encoding::Zstd, zstd(b"")), (Encoding::Zstd, skippable(0))]
        {
            let frames = |number| std::iter::repeat_n(frame.as_slice(), number).collect::<Vec<_>>().concat();
            assert_eq!(decode_all(&frames(MAX_FRAMES), encoding).unwrap(), b"");
            let refused = decode_all(&frames(MAX_FRAMES + 1), encoding);
            assert!(matches!(refused, Err(Undecodable::TooManyFrames)), "{encoding:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_broken() {
        let text = noise(10_000);
        let (gzipped, zipped) = (gzip(&text), zstd(&text));
        let mut flipped = gzipped.clone();
        flipped[5_000] ^= 1;
        // A frame with a window of 2^31 bytes: RFC 8878, section 3.1.1.1.2.
        let wide = [&0xFD2F_B528_u32.to_le_bytes()[..], &[0x00, 21 << 3, 0x01, 0x00, 0x00]].concat();
        let cases = [
            (Encoding::Gzip, &gzipped[..gzipped.len() - 1]),
            (Encoding::Gzip, &gzipped[..5]),
            (Encoding::Gzip, &flipped),
            (Encoding::Gzip, &[&gzipped[..], b"\0"].concat()),
            (Encoding::Gzip, &zipped),
            (Encoding::Zstd, &zipped[..zipped.len() - 1]),
            (Encoding::Zstd, &zipped[..3]),
            (Encoding::Zstd, &[&zipped[..], b"\0"].concat()),
            (Encoding::Zstd, &gzipped),
            (Encoding::Zstd, &skippable(100)[..50]),
            (Encoding::Zstd, &wide),
        ];
        for (place, (encoding, sent)) in cases.into_iter().enumerate() {
            assert!(matches!(decode_all(sent, encoding), Err(Undecodable::Broken(_))), "{place}");
        }
    }
}
