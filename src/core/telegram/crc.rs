//! The checksum of a telegram: "P1 Companion Standard" 5.0.2, section 6.2. Polynomial x^16 + x^15 + x^2 + 1, nothing put in
//! before or behind, least significant bit first; known as CRC-16/ARC.

/// The polynomial's bits from the other end.
const POLYNOMIAL: u16 = 0xA001;

/// The checksum of what is from the `/` to the `!`, both included.
pub fn of(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_value_is_that_of_the_catalogue() {
        // Of "123456789", as catalogues of checksums give it for CRC-16/ARC.
        assert_eq!(of(b"123456789"), 0xBB3D);
        assert_eq!(of(b""), 0);
    }

    proptest! {
        // Long division of the message, its bits turned around, by the polynomial as it is written.
        #[test]
        fn it_is_the_rest_of_a_division(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
            let rest = bits.chain([false; 16]).fold(0_u32, |rest, bit| {
                let rest = rest << 1 | u32::from(bit);
                if rest >> 16 == 1 { rest ^ 0x1_8005 } else { rest }
            });
            prop_assert_eq!(of(&bytes), (rest as u16).reverse_bits());
        }

        #[test]
        fn one_wrong_bit_is_seen(mut bytes in prop::collection::vec(any::<u8>(), 1..64), at: prop::sample::Index, bit in 0..8_u32) {
            let sum = of(&bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert_ne!(of(&bytes), sum);
        }
    }
}
