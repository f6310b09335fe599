//! Inputs changed a little, the same ones in every run.

/// What means something to a decoder.
const TOKENS: [&[u8]; 44] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b";",
    b"\t",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b" ",
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"1e999999",
    b"-0",
    b"0.5",
    b"e-7",
    b"9223372036854775808",
    b"\\u0000",
    b"\\ud800",
    b"\\u006d",
    b"\xEF\xBB\xBF",
    b"\xFF",
    b"\xC3",
    "é".as_bytes(),
    "\u{2028}".as_bytes(),
    b"\"device\":",
    b"\"value\":1,",
    b"\"id\":\"a\",",
    b"\"dimensions\":{}",
    b"{\"readings\":[",
    b"\"\"",
    b"dimensions.a",
    b"+24:00",
    b"T23:59:60",
    b"Z",
    b"\x1F\x8B\x08",
    b"\x28\xB5\x2F\xFD",
];

/// Longest input that is changed further, in bytes.
const LONGEST: usize = 4096;

pub struct Mutator {
    pool: Vec<Vec<u8>>,
    state: u64,
}

impl Mutator {
    pub fn new(target: &str, seeds: Vec<Vec<u8>>) -> Self {
        let state = target.bytes().fold(0, |state: u64, byte| state.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Self { pool: seeds, state }
    }

    /// Another input. Some are changed again later, so that what takes many changes is reached.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.any_of_pool();
        for _ in 0..=self.below(4) {
            self.change(&mut input);
        }
        if input.len() <= LONGEST && self.below(8) == 0 {
            self.pool.push(input.clone());
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(16)).min(input.len());
        match self.below(9) {
            0 => drop(input.drain(at..end)),
            1 => input.truncate(at),
            2 => {
                let token = TOKENS[self.below(TOKENS.len())];
                input.splice(at..at, token.iter().copied());
            }
            3 => {
                let token = TOKENS[self.below(TOKENS.len())];
                input.splice(at..end, token.iter().copied());
            }
            4 => {
                let other = self.any_of_pool();
                let from = self.below(other.len() + 1);
                input.splice(at.., other[from..].iter().copied());
            }
            5 => {
                let again = input[at..end].repeat(1 + self.below(300));
                input.splice(at..at, again);
            }
            6 => {
                let digits = (0..self.below(400)).map(|place| b'0' + (place * 7 % 10) as u8);
                input.splice(at..at, digits);
            }
            _ => {
                let with = self.below(256) as u8;
                if let Some(byte) = input.get_mut(at) {
                    *byte = if with.is_multiple_of(2) { with } else { *byte ^ (1 << (with / 2 % 8)) };
                }
            }
        }
    }

    fn any_of_pool(&mut self) -> Vec<u8> {
        let place = self.below(self.pool.len());
        self.pool[place].clone()
    }

    /// A number below another one, from SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    /// generators", 2014).
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }
}
