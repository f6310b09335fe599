//! What values are multiplied by, exactly: a value is rounded once, to the decimals of its metric, where it is stored.

use std::fmt;
use std::str::FromStr;

use compact_str::{CompactString, ToCompactString};

use crate::core::decimal::{self, BadDecimal, Scaled};

/// Most decimals of a factor, and the most that its digits are as an integer.
pub const MAX_SCALE: i64 = 18;
const MOST: i128 = 1_000_000_000_000_000_000;

/// A decimal other than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor(Scaled);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFactor {
    #[error("{0}")]
    NoDecimal(BadDecimal),
    #[error("must not be 0")]
    Zero,
    #[error("at most 18 digits and {MAX_SCALE} decimals")]
    Digits,
}

impl Factor {
    pub const ONE: Self = Self(Scaled { units: 1, scale: 0 });

    /// `units` times ten to the power of `power`.
    pub(super) fn new(units: i128, power: i64) -> Result<Self, BadFactor> {
        let (mut units, mut power) = (units, power);
        if units == 0 {
            return Err(BadFactor::Zero);
        }
        while units % 10 == 0 {
            (units, power) = (units / 10, power + 1);
        }
        let up = 10_i128.checked_pow(u32::try_from(power.max(0)).unwrap_or(u32::MAX));
        let units = up.and_then(|up| units.checked_mul(up)).filter(|units| units.abs() < MOST);
        match (units, u8::try_from(-power.min(0))) {
            (Some(units), Ok(scale)) if i64::from(scale) <= MAX_SCALE => Ok(Self(Scaled { units, scale })),
            _ => Err(BadFactor::Digits),
        }
    }

    /// Both, one after the other.
    pub fn and(self, other: Self) -> Result<Self, BadFactor> {
        let units = self.0.units.checked_mul(other.0.units).ok_or(BadFactor::Digits)?;
        Self::new(units, -i64::from(self.0.scale) - i64::from(other.0.scale))
    }

    /// The value that is a decimal multiplied by this, with all its decimals, and no zeros behind them.
    pub fn times(self, value: &str) -> Result<CompactString, BadDecimal> {
        if self == Self::ONE {
            return Ok(value.into());
        }
        let (units, power) = decimal::exact(value)?;
        let mut units = units.checked_mul(self.0.units).ok_or(BadDecimal::OutOfRange)?;
        let mut power = power - i64::from(self.0.scale);
        while power < 0 && units % 10 == 0 {
            (units, power) = (units / 10, power + 1);
        }
        let zeros = u32::try_from(power).ok().and_then(|power| units.checked_mul(10_i128.checked_pow(power)?));
        match (zeros, u8::try_from(-power)) {
            (Some(units), _) => Ok(units.to_compact_string()),
            (None, Ok(scale)) => Ok(Scaled { units, scale }.to_compact_string()),
            // More digits than any value has.
            (None, Err(_)) => Ok(format!("{units}e{power}").into()),
        }
    }
}

impl FromStr for Factor {
    type Err = BadFactor;

    fn from_str(text: &str) -> Result<Self, BadFactor> {
        let (units, power) = decimal::exact(text).map_err(BadFactor::NoDecimal)?;
        Self::new(units, power)
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(factor: &str, value: &str) -> String {
        factor.parse::<Factor>().unwrap().times(value).unwrap().into()
    }

    #[test]
    fn values_are_multiplied_exactly() {
        assert_eq!(times("0.001", "1234567"), "1234.567");
        assert_eq!(times("0.001", "0.1"), "0.0001");
        assert_eq!(times("1000", "001581.123"), "1581123");
        assert_eq!(times("1", "001581.123"), "001581.123");
        assert_eq!(times("-40", "2.5"), "-100");
        assert_eq!(times("0.1", "0.1000000000000000055"), "0.01000000000000000055");
        assert_eq!(times("3", "1e3"), "3000");
        assert_eq!(times("3", "1e300"), "3e300");
        assert_eq!(times("3.6", "0"), "0");
    }

    #[test]
    fn a_factor_is_written_in_one_way() {
        for (text, written) in [("1e-3", "0.001"), ("0.0010", "0.001"), ("1e3", "1000"), ("+1", "1"), ("1.0", "1")] {
            assert_eq!(text.parse::<Factor>().map(|factor| factor.to_string()).as_deref(), Ok(written));
        }
        assert_eq!("1.0".parse(), Ok(Factor::ONE));
        assert_eq!("0.00".parse::<Factor>(), Err(BadFactor::Zero));
        for text in ["1e18", "1e-19", "1234567890123456789", "1e999999999"] {
            assert_eq!(text.parse::<Factor>(), Err(BadFactor::Digits), "{text}");
        }
        assert_eq!("1,5".parse::<Factor>(), Err(BadFactor::NoDecimal(BadDecimal::Comma)));
    }

    proptest! {
        // Multiplied as integers; the scales add up.
        #[test]
        fn the_product_is_that_of_the_integers(
            value in -1_000_000_000_i64..1_000_000_000, decimals in 0_u8..7, factor in 1_i64..1_000_000, scale in 0_u8..6
        ) {
            let parsed: Factor = Scaled::new(factor, scale).to_string().parse().unwrap();
            let product = parsed.times(&Scaled::new(value, decimals).to_string()).unwrap();
            let expected = i128::from(value) * i128::from(factor) * 10_i128.pow(u32::from(12 - decimals - scale));
            let (units, power) = decimal::exact(&product).unwrap();
            prop_assert!(power + 12 >= 0);
            prop_assert_eq!(units * 10_i128.pow((power + 12) as u32), expected);
        }

        #[test]
        fn any_text_is_multiplied_or_refused(value in "\\PC{0,30}", number in "-?[0-9]{0,30}[.]?[0-9]{0,30}(e-?[0-9]{1,4})?") {
            let factor: Factor = "0.001".parse().unwrap();
            let _ = factor.times(&value);
            let _ = factor.times(&number);
        }
    }
}
