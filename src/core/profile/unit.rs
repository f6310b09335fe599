//! Units that can be converted exactly: each is so many of the smallest of its quantity.

use super::Factor;

/// Units of one quantity, each with how many of a common part it is.
type Quantity = &'static [(&'static str, i128)];

const QUANTITIES: &[Quantity] = &[
    // Energy, in joules; 3,600 of them are a watt hour.
    &[
        ("J", 1),
        ("kJ", 1_000),
        ("MJ", 1_000_000),
        ("GJ", 1_000_000_000),
        ("Wh", 3_600),
        ("kWh", 3_600_000),
        ("MWh", 3_600_000_000),
        ("GWh", 3_600_000_000_000),
    ],
    &[("varh", 1), ("kvarh", 1_000), ("Mvarh", 1_000_000)],
    &[("VAh", 1), ("kVAh", 1_000), ("MVAh", 1_000_000)],
    // Power.
    &[("mW", 1), ("W", 1_000), ("kW", 1_000_000), ("MW", 1_000_000_000), ("GW", 1_000_000_000_000)],
    &[("var", 1), ("kvar", 1_000), ("Mvar", 1_000_000)],
    &[("VA", 1), ("kVA", 1_000), ("MVA", 1_000_000)],
    &[("mV", 1), ("V", 1_000), ("kV", 1_000_000)],
    &[("mA", 1), ("A", 1_000), ("kA", 1_000_000)],
    // Volume, in millilitres.
    &[
        ("ml", 1),
        ("cm3", 1),
        ("cm³", 1),
        ("cl", 10),
        ("dl", 100),
        ("l", 1_000),
        ("L", 1_000),
        ("dm3", 1_000),
        ("dm³", 1_000),
        ("hl", 100_000),
        ("m3", 1_000_000),
        ("m³", 1_000_000),
    ],
    // Flow, in litres an hour.
    &[("l/h", 1), ("l/min", 60), ("l/s", 3_600), ("m3/h", 1_000), ("m³/h", 1_000)],
    &[("g", 1), ("kg", 1_000), ("t", 1_000_000)],
    &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)],
    &[("Pa", 1), ("hPa", 100), ("mbar", 100), ("kPa", 1_000), ("bar", 100_000), ("MPa", 1_000_000)],
    &[("mHz", 1), ("Hz", 1_000)],
    &[("bit", 1), ("B", 8), ("kB", 8_000), ("MB", 8_000_000), ("GB", 8_000_000_000), ("TB", 8_000_000_000_000)],
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadConversion {
    #[error("units that are not known to be of one quantity; leave the unit out and give a multiplier")]
    Unknown,
    #[error("not a decimal number of one in the other; choose the metric's unit so that it is, or give a multiplier")]
    Inexact,
}

/// What a value in one unit is multiplied by to be one in another.
pub fn conversion(from: &str, to: &str) -> Result<Factor, BadConversion> {
    if from == to {
        return Ok(Factor::ONE);
    }
    let size = |quantity: Quantity, unit: &str| quantity.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size);
    let mut sizes = QUANTITIES.iter().filter_map(|quantity| size(quantity, from).zip(size(quantity, to)));
    let (from, to) = sizes.next().ok_or(BadConversion::Unknown)?;
    ratio(from, to).ok_or(BadConversion::Inexact)
}

/// `over / under`, where that ends after some decimals.
fn ratio(over: i128, under: i128) -> Option<Factor> {
    let decimals = (0..=18_u32).find(|decimals| (over * 10_i128.pow(*decimals)) % under == 0)?;
    Factor::new(over * 10_i128.pow(decimals) / under, -i64::from(decimals)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_factor(from: &str, to: &str, factor: &str) {
        assert_eq!(conversion(from, to).map(|factor| factor.to_string()).as_deref(), Ok(factor), "{from} {to}");
    }

    #[test]
    fn what_is_an_exact_number_of_the_other_is_converted() {
        for (from, to, factor) in [
            ("Wh", "kWh", "0.001"),
            ("kWh", "Wh", "1000"),
            ("MWh", "kWh", "1000"),
            ("kWh", "MJ", "3.6"),
            ("kWh", "GJ", "0.0036"),
            ("dm3", "m3", "0.001"),
            ("m³", "m3", "1"),
            ("l", "dm3", "1"),
            ("hl", "m3", "0.1"),
            ("l/min", "m3/h", "0.06"),
            ("W", "kW", "0.001"),
            ("min", "h", ""),
            ("h", "min", "60"),
            ("mbar", "bar", "0.001"),
            ("furlong", "furlong", "1"),
        ] {
            if factor.is_empty() {
                assert_eq!(conversion(from, to), Err(BadConversion::Inexact));
            } else {
                assert_factor(from, to, factor);
            }
        }
    }

    #[test]
    fn what_is_not_is_refused() {
        // A megajoule is 0.2777... kWh.
        assert_eq!(conversion("MJ", "kWh"), Err(BadConversion::Inexact));
        for (from, to) in [("kWh", "m3"), ("kW", "kWh"), ("furlong", "m"), ("kwh", "Wh"), ("W", "VA"), ("", "kWh")] {
            assert_eq!(conversion(from, to), Err(BadConversion::Unknown), "{from} {to}");
        }
    }

    #[test]
    fn no_unit_is_of_two_quantities_and_what_goes_there_comes_back() {
        let all: Vec<_> = QUANTITIES.iter().flat_map(|quantity| quantity.iter().map(|(name, _)| *name)).collect();
        for name in &all {
            assert_eq!(all.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        for (from, to) in
            QUANTITIES.iter().flat_map(|q| q.iter().flat_map(|(from, _)| q.iter().map(move |(to, _)| (*from, *to))))
        {
            if let (Ok(there), Ok(back)) = (conversion(from, to), conversion(to, from)) {
                assert_eq!(there.and(back), Ok(Factor::ONE), "{from} {to}");
            }
        }
    }
}
