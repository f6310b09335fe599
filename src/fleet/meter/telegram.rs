//! Telegrams of a P1 port, as a meter writes them: "P1 Companion Standard" 2.2, 4.2 and 5.0.2, sections 5.2, 6.2 and 6.12.
//! What is read of them by the server is read by other code.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::fleet::meter::clock;

/// A version of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Neither a time nor a checksum; gas in two lines.
    V22,
    V42,
    /// Gas every five minutes instead of each hour; here it is on the second channel, behind a water meter.
    V50,
}

/// What a meter shows at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<'a> {
    /// Model and serial number of the meter, and what the gas meter has for one.
    pub model: &'a str,
    pub serial: &'a str,
    pub at: DateTime<Utc>,
    /// Used at low and at normal tariff, in Wh; which of the two it is, 1 for low.
    pub low: u64,
    pub normal: u64,
    pub tariff: u8,
    /// In W.
    pub power: u64,
    /// In dm3, and when that was read.
    pub gas: u64,
    pub gas_at: DateTime<Utc>,
}

impl Version {
    /// The telegram, with its checksum where there is one.
    pub fn write(self, shown: &Shown<'_>) -> String {
        let head = [format!("/MTB5\\2{}", shown.model), String::new()];
        let lines = match self {
            Self::V22 => self.lines_22(shown),
            Self::V42 | Self::V50 => self.lines_4(shown),
        };
        let lines: Vec<_> = head.into_iter().chain(lines).collect();
        let text = format!("{}\r\n!", lines.join("\r\n"));
        match self {
            Self::V22 => format!("{text}\r\n"),
            Self::V42 | Self::V50 => format!("{text}{:04X}\r\n", checksum(text.as_bytes())),
        }
    }

    fn lines_22(self, shown: &Shown<'_>) -> Vec<String> {
        vec![
            format!("0-0:96.1.1({})", hexadecimal(shown.serial)),
            format!("1-0:1.8.1({}*kWh)", thousandths(shown.low, 5)),
            format!("1-0:1.8.2({}*kWh)", thousandths(shown.normal, 5)),
            "1-0:2.8.1(00000.000*kWh)".to_owned(),
            "1-0:2.8.2(00000.000*kWh)".to_owned(),
            format!("0-0:96.14.0({:04})", shown.tariff),
            format!("1-0:1.7.0({:04}.{:02}*kW)", shown.power / 1_000, shown.power % 1_000 / 10),
            "1-0:2.7.0(0000.00*kW)".to_owned(),
            "0-0:96.3.10(1)".to_owned(),
            "0-0:96.13.0()".to_owned(),
            "0-1:24.1.0(3)".to_owned(),
            format!("0-1:96.1.0({})", hexadecimal(shown.serial)),
            format!("0-1:24.3.0({})(00)(60)(1)(0-1:24.2.1)(m3)", clock::local(shown.gas_at).format("%y%m%d%H%M%S")),
            format!("({})", thousandths(shown.gas, 5)),
            "0-1:24.4.0(1)".to_owned(),
        ]
    }

    fn lines_4(self, shown: &Shown<'_>) -> Vec<String> {
        let (version, channel) = if self == Self::V50 { (50, 2) } else { (42, 1) };
        let mut lines = vec![
            format!("1-3:0.2.8({version})"),
            format!("0-0:1.0.0({})", stamp(shown.at)),
            format!("0-0:96.1.1({})", hexadecimal(shown.serial)),
            format!("1-0:1.8.1({}*kWh)", thousandths(shown.low, 6)),
            format!("1-0:1.8.2({}*kWh)", thousandths(shown.normal, 6)),
            "1-0:2.8.1(000000.000*kWh)".to_owned(),
            "1-0:2.8.2(000000.000*kWh)".to_owned(),
            format!("0-0:96.14.0({:04})", shown.tariff),
            format!("1-0:1.7.0({}*kW)", thousandths(shown.power, 2)),
            "1-0:2.7.0(00.000*kW)".to_owned(),
            "0-0:96.13.0()".to_owned(),
        ];
        if self == Self::V50 {
            lines.extend(["0-1:24.1.0(007)".to_owned(), format!("0-1:24.2.1({})(00012.345*m3)", stamp(shown.gas_at))]);
        }
        lines.extend([
            format!("0-{channel}:24.1.0(003)"),
            format!("0-{channel}:96.1.0({})", hexadecimal(shown.serial)),
            format!("0-{channel}:24.2.1({})({}*m3)", stamp(shown.gas_at), thousandths(shown.gas, 5)),
        ]);
        lines
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V22 => "DSMR 2.2",
            Self::V42 => "DSMR 4.2",
            Self::V50 => "DSMR 5.0",
        })
    }
}

/// With three decimals, and so many digits before the point.
fn thousandths(amount: u64, digits: usize) -> String {
    format!("{:0digits$}.{:03}", amount / 1_000, amount % 1_000)
}

/// `YYMMDDhhmmss`, and whether that is in summer.
fn stamp(at: DateTime<Utc>) -> String {
    let letter = if clock::is_summer(at) { 'S' } else { 'W' };
    format!("{}{letter}", clock::local(at).format("%y%m%d%H%M%S"))
}

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

/// CRC-16 with the polynomial x^16 + x^15 + x^2 + 1, each byte's least significant bit first: as a division, most significant
/// bit first, of the bytes turned around.
fn checksum(bytes: &[u8]) -> u16 {
    let rest = bytes.iter().fold(0_u16, |rest, byte| {
        (0..8).fold(rest ^ (u16::from(byte.reverse_bits()) << 8), |rest, _| {
            if rest & 0x8000 == 0 { rest << 1 } else { (rest << 1) ^ 0x8005 }
        })
    });
    rest.reverse_bits()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::telegram::{Code, Telegram, instant};

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// What the examples of the standard show.
    fn example<'a>() -> Shown<'a> {
        Shown {
            model: "MT382-1000",
            serial: "KE0012345678",
            at: utc("2010-12-09T10:30:20Z"),
            low: 123_456_789,
            normal: 123_456_789,
            tariff: 2,
            power: 1_193,
            gas: 12_785_123,
            gas_at: utc("2010-12-09T10:25:00Z"),
        }
    }

    #[track_caller]
    fn assert_lines(telegram: &str, lines: &[&str]) {
        for line in lines {
            assert!(telegram.split("\r\n").any(|there| there == *line), "no {line} in\n{telegram}");
        }
        assert!(telegram.ends_with("\r\n") && !telegram.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn lines_are_those_of_the_published_examples() {
        let later = [
            "0-0:1.0.0(101209113020W)",
            "1-0:1.8.1(123456.789*kWh)",
            "1-0:1.8.2(123456.789*kWh)",
            "0-0:96.14.0(0002)",
            "1-0:1.7.0(01.193*kW)",
        ];
        let v50 = Version::V50.write(&example());
        assert_lines(&v50, &later);
        assert_lines(&v50, &["1-3:0.2.8(50)", "0-2:24.1.0(003)", "0-2:24.2.1(101209112500W)(12785.123*m3)"]);
        let v42 = Version::V42.write(&Shown { gas_at: utc("2010-12-09T10:00:00Z"), ..example() });
        assert_lines(&v42, &later);
        assert_lines(&v42, &["1-3:0.2.8(42)", "0-1:24.1.0(003)", "0-1:24.2.1(101209110000W)(12785.123*m3)"]);
        let old = Shown { low: 12_345_678, normal: 12_345_678, power: 1_190, gas: 0, ..example() };
        let v22 = Version::V22.write(&Shown { gas_at: utc("2009-02-12T15:00:00Z"), ..old });
        assert_lines(
            &v22,
            &[
                "1-0:1.8.1(12345.678*kWh)",
                "0-0:96.14.0(0002)",
                "1-0:1.7.0(0001.19*kW)",
                "0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)",
                "(00000.000)",
                "!",
            ],
        );
        assert!(!v22.contains("0-0:1.0.0"));
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        // Of "123456789", as catalogues of checksums give it for CRC-16/ARC.
        assert_eq!(checksum(b"123456789"), 0xBB3D);
        // Of the example of version 5.0.2, which the standard gives as E47C.
        let mut lines = vec!["/ISk5\\2MT382-1000".to_owned(), String::new()];
        lines.extend(["1-3:0.2.8(50)", "0-0:1.0.0(101209113020W)"].map(str::to_owned));
        lines.push("0-0:96.1.1(4B384547303034303436333935353037)".to_owned());
        lines.extend(["1.8.1", "1.8.2", "2.8.1", "2.8.2"].map(|code| format!("1-0:{code}(123456.789*kWh)")));
        lines.extend(["0-0:96.14.0(0002)", "1-0:1.7.0(01.193*kW)", "1-0:2.7.0(00.000*kW)"].map(str::to_owned));
        lines.extend(["0-0:96.7.21(00004)", "0-0:96.7.9(00002)"].map(str::to_owned));
        let failures = "(2)(0-0:96.7.19)(101208152415W)(0000000240*s)(101208151004W)(0000000301*s)";
        lines.push(format!("1-0:99.97.0{failures}"));
        let counts = [(32, 32, 2), (52, 32, 1), (72, 32, 0), (32, 36, 0), (52, 36, 3), (72, 36, 0)];
        lines.extend(counts.map(|(phase, what, count)| format!("1-0:{phase}.{what}.0(0000{count})")));
        lines.push(format!("0-0:96.13.0({})", "303132333435363738393A3B3C3D3E3F".repeat(5)));
        lines.extend([(3, 1), (5, 2), (7, 3)].map(|(phase, n)| format!("1-0:{phase}2.7.0(220.{n}*V)")));
        lines.extend([(3, 1), (5, 2), (7, 3)].map(|(phase, n)| format!("1-0:{phase}1.7.0(00{n}*A)")));
        lines.extend(
            [(21, 1), (41, 2), (61, 3), (22, 4), (42, 5), (62, 6)]
                .map(|(phase, n)| format!("1-0:{phase}.7.0(0{n}.{n}{n}{n}*kW)")),
        );
        lines.extend(["0-1:24.1.0(003)", "0-1:96.1.0(3232323241424344313233343536373839)"].map(str::to_owned));
        lines.push("0-1:24.2.1(101209112500W)(12785.123*m3)".to_owned());
        assert_eq!(checksum(format!("{}\r\n!", lines.join("\r\n")).as_bytes()), 0xE47C);
    }

    #[test]
    fn summer_and_winter_are_told_apart_in_the_hour_that_comes_twice() {
        let of = |at: &str| Version::V50.write(&Shown { at: utc(at), gas_at: utc(at), ..example() });
        assert_lines(&of("2026-10-25T00:30:00Z"), &["0-0:1.0.0(261025023000S)"]);
        assert_lines(&of("2026-10-25T01:30:00Z"), &["0-0:1.0.0(261025023000W)"]);
    }

    /// The value of a line, which has a unit and perhaps a time before it.
    fn value(telegram: &Telegram<'_>, code: &str) -> (Option<String>, u64, String) {
        let code: Code = code.parse().unwrap();
        let object = telegram.of(code).next().expect("a line");
        let last = object.values.last().expect("a value");
        let time = (object.values.len() > 1).then(|| object.values[0].text.to_owned());
        (time, last.text.replace('.', "").parse().expect("digits"), last.unit.unwrap_or_default().to_owned())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_by_the_server(
            seconds in 1_262_304_000_i64..2_082_758_400, low in 0_u64..100_000_000, normal in 0_u64..100_000_000,
            power in 0_u64..100_000, gas in 0_u64..100_000_000, serial in "[A-Z0-9-]{1,17}", tariff in 1_u8..=2
        ) {
            let at = DateTime::from_timestamp(seconds, 0).unwrap();
            let gas_at = DateTime::from_timestamp(seconds - seconds % 300, 0).unwrap();
            let shown = Shown { model: "MB-050", serial: &serial, at, low, normal, tariff, power, gas, gas_at };
            for (version, channel) in [(Version::V22, 1), (Version::V42, 1), (Version::V50, 2)] {
                let text = version.write(&shown);
                let telegram = Telegram::parse(text.as_bytes()).unwrap();
                prop_assert_eq!(value(&telegram, "1-0:1.8.1"), (None, low, "kWh".to_owned()));
                prop_assert_eq!(value(&telegram, "1-0:1.8.2"), (None, normal, "kWh".to_owned()));
                let (time, read, unit) = value(&telegram, &format!("0-{channel}:24.2.1"));
                prop_assert_eq!((read, unit.as_str()), (gas, "m3"));
                prop_assert_eq!(instant(&time.unwrap(), at), Ok(gas_at));
                prop_assert_eq!(telegram.channels_of(3).collect::<Vec<_>>(), vec![channel]);
                let own = telegram.stamp().map(|(_, stamp)| instant(stamp, at));
                prop_assert_eq!(own, (version != Version::V22).then_some(Ok(at)));
            }
        }
    }
}
