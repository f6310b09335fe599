//! OBIS codes (IEC 62056-61): what a value is of. `1-0:1.8.1` is electricity, taken, in the first tariff.

use std::fmt;
use std::str::FromStr;

/// A code without its last group, which in telegrams says nothing: medium, channel, quantity, kind, tariff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub [u8; 5]);

/// A code, or that of any M-Bus channel: `0-n:24.2.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    One(Code),
    /// The code on channel 1; which channel is told by what is connected there.
    AnyChannel(Code),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an OBIS code such as 1-0:1.8.1")]
pub struct BadCode;

impl Code {
    /// The same code on another channel.
    pub fn on(self, channel: u8) -> Self {
        let Self([medium, _, quantity, kind, tariff]) = self;
        Self([medium, channel, quantity, kind, tariff])
    }
}

impl FromStr for Code {
    type Err = BadCode;

    /// Some meters write a colon where a point belongs, and a last group: `1-0:99:97.0*255`.
    fn from_str(text: &str) -> Result<Self, BadCode> {
        let (medium, rest) = text.split_once('-').ok_or(BadCode)?;
        let (channel, rest) = rest.split_once(':').ok_or(BadCode)?;
        let rest = rest.strip_suffix("*255").unwrap_or(rest);
        let mut groups = rest.split(['.', ':']);
        let mut next = || group(groups.next().ok_or(BadCode)?);
        let code = Self([group(medium)?, group(channel)?, next()?, next()?, next()?]);
        // `1-0:1.8.1.255` is another way to write the last group.
        match (groups.next(), groups.next()) {
            (None | Some("255"), None) => Ok(code),
            _ => Err(BadCode),
        }
    }
}

/// One to three digits, up to 255.
fn group(text: &str) -> Result<u8, BadCode> {
    let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(BadCode)
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([medium, channel, quantity, kind, tariff]) = self;
        write!(f, "{medium}-{channel}:{quantity}.{kind}.{tariff}")
    }
}

impl FromStr for Register {
    type Err = BadCode;

    fn from_str(text: &str) -> Result<Self, BadCode> {
        match text.strip_prefix("0-n:") {
            Some(rest) => format!("0-1:{rest}").parse().map(Self::AnyChannel),
            None => text.parse().map(Self::One),
        }
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(code) => code.fmt(f),
            Self::AnyChannel(Code([medium, _, quantity, kind, tariff])) => {
                write!(f, "{medium}-n:{quantity}.{kind}.{tariff}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_code_has_several_spellings() {
        for text in ["1-0:99.97.0", "1-0:99:97.0", "1-0:99.97.0*255", "1-0:99.97.0.255", "01-0:099.97.0"] {
            assert_eq!(text.parse(), Ok(Code([1, 0, 99, 97, 0])), "{text}");
        }
        assert_eq!("0-n:24.2.1".parse::<Register>().map(|register| register.to_string()), Ok("0-n:24.2.1".to_owned()));
        assert_eq!(Code([0, 1, 24, 2, 1]).on(4).to_string(), "0-4:24.2.1");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "1", "1-0", "1-0:", "1-0:1", "1-0:1.8", "1-0:1.8.256", "1-0:1.8.1.1", "1-0:1.8.1.255.255"] {
            assert_eq!(text.parse::<Code>(), Err(BadCode), "{text}");
        }
        for text in ["-0:1.8.1", "1-0:1.8.+1", "1-n:1.8.1", "0-n:", "1-0:1..1", "1-0:1.8.0001", "１-0:1.8.1"] {
            assert_eq!(text.parse::<Register>(), Err(BadCode), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(groups: [u8; 5]) {
            prop_assert_eq!(Code(groups).to_string().parse(), Ok(Code(groups)));
        }

        #[test]
        fn any_text_is_a_code_or_not(text in "[-0-9n.:*]{0,16}") {
            let _ = text.parse::<Register>();
        }
    }
}
