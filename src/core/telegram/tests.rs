use super::*;
use proptest::prelude::*;

const VERSION_22: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version22");
const VERSION_42: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version42");
const VERSION_50: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version50");

fn code(text: &str) -> Code {
    text.parse().unwrap()
}

/// `line: code value*unit value*unit`
#[track_caller]
fn told(telegram: &Telegram<'_>, of: &str) -> String {
    let objects: Vec<_> = telegram.of(code(of)).collect();
    let [object] = objects.as_slice() else { panic!("{} lines of {of}", objects.len()) };
    let value = |value: &Value<'_>| value.unit.map_or(value.text.to_owned(), |unit| format!("{}*{unit}", value.text));
    format!("{}: {}", object.line, object.values.iter().map(value).collect::<Vec<_>>().join(" "))
}

#[track_caller]
fn refused(bytes: &[u8]) -> String {
    Telegram::parse(bytes).expect_err("no telegram").to_string()
}

/// The telegram with the checksum of its new text.
fn with_checksum(text: &str) -> String {
    let body = &text[..=text.find('!').unwrap()];
    format!("{body}{:04X}\r\n", crc::of(body.as_bytes()))
}

#[test]
fn a_telegram_of_version_2_has_neither_time_nor_checksum() {
    let telegram = Telegram::parse(VERSION_22).unwrap();
    assert_eq!((telegram.identification, telegram.version, telegram.stamp()), ("MTB5\\2MB-022", None, None));
    assert_eq!(told(&telegram, "1-0:1.8.1"), "4: 00608.400*kWh");
    assert_eq!(told(&telegram, "1-0:1.8.2"), "5: 00490.342*kWh");
    assert_eq!(told(&telegram, "0-0:96.13.0"), "14: ");
    // The gas is in two lines, and is found as in later versions.
    assert_eq!(told(&telegram, "0-1:24.2.1"), "18: 260714150000 00947.680*m3");
    assert_eq!(telegram.of(code("0-1:24.3.0")).count(), 0);
    assert_eq!(telegram.channels_of(3).collect::<Vec<_>>(), [1]);
    assert_eq!(telegram.objects().len(), 16);
}

#[test]
fn a_telegram_of_version_4_has_both() {
    let telegram = Telegram::parse(VERSION_42).unwrap();
    assert_eq!((telegram.version, telegram.stamp()), (Some("42"), Some((4, "260714153010S"))));
    assert_eq!(told(&telegram, "0-1:24.2.1"), "25: 260714150000S 00981.443*m3");
    let log = "15: 2 0-0:96.7.19 260104180320W 0000237126*s 260402010001S 0000000301*s";
    assert_eq!(told(&telegram, "1-0:99.97.0"), log);
}

#[test]
fn a_telegram_of_version_5_may_have_gas_on_any_channel() {
    let telegram = Telegram::parse(VERSION_50).unwrap();
    assert_eq!((telegram.version, telegram.stamp()), (Some("50"), Some((4, "261101001500W"))));
    assert_eq!(telegram.channels_of(3).collect::<Vec<_>>(), [2]);
    assert_eq!(telegram.channels_of(7).collect::<Vec<_>>(), [1]);
    assert_eq!(told(&telegram, "0-2:24.2.1"), "40: 261101001000W 12785.123*m3");
}

#[test]
fn blank_lines_around_a_telegram_are_fine_and_counted() {
    let text = [b"\r\n\r\n", VERSION_42, b"\r\n"].concat();
    assert_eq!(Telegram::parse(&text).unwrap().stamp(), Some((6, "260714153010S")));
    assert!(Telegram::parse(VERSION_42.trim_ascii_end()).is_ok());
}

#[test]
fn a_gas_line_that_is_not_as_usual_stays_as_it_is() {
    let text = std::str::from_utf8(VERSION_22).unwrap();
    let one_line = text.replace("(m3)\r\n(", "(m3)(");
    assert_eq!(told(&Telegram::parse(one_line.as_bytes()).unwrap(), "0-1:24.2.1"), "17: 260714150000 00947.680*m3");
    for (from, to) in [("(60)(1)", "(60)(2)"), ("(0-1:24.2.1)", "(0-2:24.2.1)"), ("(m3)\r\n(00947.680)", "(m3)")] {
        let odd = text.replace(from, to);
        let telegram = Telegram::parse(odd.as_bytes()).unwrap();
        assert_eq!((telegram.of(code("0-1:24.3.0")).count(), telegram.of(code("0-1:24.2.1")).count()), (1, 0), "{to}");
    }
}

#[test]
fn a_damaged_telegram_is_refused_with_line_and_way_out() {
    let damaged = include_bytes!("../../../fuzz/seeds/telegram/damaged");
    let told = refused(damaged);
    assert!(
        told.starts_with("line 41: the checksum is ") && told.ends_with("damaged on its way: read the next one"),
        "{told}"
    );
    let told = refused(include_bytes!("../../../fuzz/seeds/telegram/line_feeds"));
    assert!(told.starts_with("line 26: ") && told.contains("curl --data-binary"), "{told}");
    let without = VERSION_42[..VERSION_42.len() - 6].to_vec();
    assert!(refused(&without).starts_with("line 26: the checksum behind the ! is missing"));
    assert!(refused(&VERSION_42[..400]).contains("the telegram ends without the line of the !"));
    assert!(refused(b"").starts_with("line 1: a telegram begins with /"));
    assert!(refused(&VERSION_42[1..]).starts_with("line 1: a telegram begins with /"));
    let two = [VERSION_42, VERSION_42].concat();
    assert_eq!(refused(&two), "line 27: something follows the telegram; send one at a time");
    assert!(refused(&[b'\n'; MAX_TELEGRAM + 1]).starts_with("line 1: 16385 bytes"));
    assert!(refused(b"/ABC5X\r\n\r\n1-0:1.8.1(1\xB1)\r\n!\r\n").starts_with("line 3: the byte 0xB1"));
    assert!(refused(b"/ABC5X!\r\n").starts_with("line 1: the ! that ends"));
    assert!(refused(b"/ABCX\r\n!\r\n").starts_with("line 1: behind the /"));
    assert!(refused(b"/ABC5X\r\n!12\r\n").starts_with("line 2: behind the !"));
    for line in ["1-0:1.8.1", "1-0:1.8.1(1", "1-0:1.8.1(1))", "1-0:1.8.1(1)2(3)", "(1)", "x(1)", "1-0:1.8(1)"] {
        let told = refused(format!("/ABC5X\r\n\r\n1-0:2.8.1(1)\r\n{line}\r\n!\r\n").as_bytes());
        assert!(told.starts_with(&format!("line 4: {line:?}: ")), "{told}");
    }
    let log = format!("/ABC5X\r\n1-0:1.8.1{}\r\n!\r\n", "(1)".repeat(65));
    assert!(refused(log.as_bytes()).contains("at most 64 values"));
    let long = format!("/ABC5X\r\n{}!\r\n", "1-0:1.8.1(1)\r\n".repeat(513));
    assert!(refused(long.as_bytes()).starts_with("line 514: a telegram has at most 512 lines"));
}

proptest! {
    #[test]
    fn values_are_read_as_they_were_written(
        values in prop::collection::vec(("[0-9A-Z.]{0,12}", prop::option::of("[A-Za-z0-9]{1,4}")), 1..10), groups: [u8; 5]
    ) {
        prop_assume!(!matches!(groups, [0, _, 24, 3, 0] | [1, 3, 0, 2, 8]));
        let written = |(text, unit): &(String, Option<String>)| match unit {
            Some(unit) => format!("({text}*{unit})"),
            None => format!("({text})"),
        };
        let line: String = values.iter().map(written).collect();
        let text = with_checksum(&format!("/ABC5X\r\n\r\n{}{line}\r\n!", Code(groups)));
        let telegram = Telegram::parse(text.as_bytes()).unwrap();
        let [object] = telegram.objects() else { panic!("{telegram:?}") };
        let read: Vec<_> = object.values.iter().map(|v| (v.text.to_owned(), v.unit.map(str::to_owned))).collect();
        prop_assert_eq!((object.code, object.line, read), (Code(groups), 3, values));
    }

    #[test]
    fn any_bytes_are_a_telegram_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "/ABC5X\r\n[-0-9:.()*!\r\n]{0,80}") {
        let _ = (Telegram::parse(&bytes), Telegram::parse(text.as_bytes()));
    }

    #[test]
    fn a_changed_byte_of_a_telegram_is_seen(at in 0..VERSION_50.len() - 6, byte in b' '..=b'~') {
        let mut changed = VERSION_50.to_vec();
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        prop_assert!(Telegram::parse(&changed).is_err());
    }
}
