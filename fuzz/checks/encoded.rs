//! Encoded bodies: what is decoded is what other decoders find, and never more than there is room for.

use std::io::{Read, Write};

use meterbase::ingest::decode::{Encoding, MAX_FRAMES, Undecodable, decode};

const MOST: usize = 128 * 1024;

/// Takes the bytes for encoded ones, and for some that are yet to be encoded.
pub fn check(bytes: &[u8], encoding: Encoding) {
    let reference: Box<dyn Read> = match encoding {
        Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Encoding::Zstd => Box::new(zstd::Decoder::with_buffer(bytes).expect("a decoder")),
    };
    check_decoding(bytes, encoding, reference);
    check_encoded(bytes, encoding);
}

fn check_decoding(bytes: &[u8], encoding: Encoding, reference: impl Read) {
    let mut taken = 0;
    let decoded = decode(bytes, encoding, MOST, |more| {
        taken += more;
        true
    });
    assert!(taken <= MOST + 1, "{taken} bytes of room");
    let mut expected = Vec::new();
    let reference = reference.take(MOST as u64 + 1).read_to_end(&mut expected);
    match decoded {
        Ok(decoded) => assert!(decoded.len() <= MOST && (reference.is_err() || decoded == expected), "{encoding:?}"),
        Err(Undecodable::TooLarge(_)) => assert!(expected.len() > MOST || reference.is_err(), "{encoding:?}"),
        // The smallest frame has eight bytes.
        Err(Undecodable::TooManyFrames) => assert!(bytes.len() > 8 * MAX_FRAMES),
        Err(Undecodable::NoRoom) => panic!("there was room"),
        // The reference takes nothing for nothing, and stops where it has enough.
        Err(Undecodable::Broken(_)) => {}
    }
}

fn check_encoded(bytes: &[u8], encoding: Encoding) {
    let encoded = match encoding {
        Encoding::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(bytes).and_then(|()| gzip.finish()).expect("memory")
        }
        Encoding::Zstd => zstd::encode_all(bytes, 1).expect("memory"),
    };
    match decode(&encoded, encoding, MOST, |_| true) {
        Ok(decoded) => assert!(decoded == bytes, "{encoding:?}"),
        Err(Undecodable::TooLarge(_)) => assert!(bytes.len() > MOST),
        Err(why) => panic!("{encoding:?}: {why}"),
    }
}
