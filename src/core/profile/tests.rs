use super::*;
use proptest::prelude::*;

const VERSION_22: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version22");
const AUTUMN_22: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version22_autumn");
const VERSION_42: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version42");
const VERSION_50: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version50");
const UNSET_GAS: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/unset_gas");

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn sent(at: Option<&str>) -> Sent {
    Sent { device: "m1".parse().unwrap(), at: at.map(utc), now: utc("2026-11-21T06:40:00Z") }
}

fn target(metric: &str, factor: &str) -> Target {
    Target {
        metric: metric.parse().unwrap(),
        factor: factor.parse().unwrap(),
        unit: None,
        needs_time: false,
        optional: false,
        dimensions: BTreeMap::new(),
    }
}

fn register(text: &str, device_type: Option<u8>, target: Target) -> (P1Register, Target) {
    (P1Register { register: text.parse().unwrap(), device_type }, target)
}

/// Both tariffs of energy in Wh, gas wherever it is, and power where it is told.
fn p1() -> Profile {
    let tariff = |name: &str| Target {
        unit: Some("kWh".to_owned()),
        dimensions: BTreeMap::from([("tariff".to_owned(), name.to_owned())]),
        ..target("energy", "1000")
    };
    Profile::P1 {
        fields: vec![
            register("1-0:1.8.1", None, tariff("low")),
            register("1-0:1.8.2", None, tariff("normal")),
            register("0-n:24.2.1", Some(3), Target { unit: Some("m3".to_owned()), ..target("gas", "1") }),
            register("1-0:32.7.0", None, Target { optional: true, ..target("voltage", "1") }),
        ],
    }
}

/// `line: metric at value dimensions`, or `line: code`, of each reading.
fn told(items: &[Item]) -> Vec<String> {
    let each = items.iter().map(|item| {
        let line = item.line.map_or(String::new(), |line| format!("{line}: "));
        match &item.reading {
            Ok(RawReading { metric, at, value, dimensions, .. }) => {
                let dimensions: String = dimensions.values().map(|value| format!(" {value}")).collect();
                format!(
                    "{line}{metric} {} {value}{dimensions}",
                    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
                )
            }
            Err(reason) => format!("{line}{}", reason.code.as_str()),
        }
    });
    each.collect()
}

fn read(profile: &Profile, payload: &[u8], sent: &Sent) -> Vec<String> {
    told(&profile.readings(payload, sent, &mut |_| true).unwrap())
}

#[track_caller]
fn refused(profile: &Profile, payload: &str) -> String {
    profile.readings(payload.as_bytes(), &sent(None), &mut |_| true).unwrap_err().to_string()
}

#[test]
fn one_profile_reads_telegrams_of_all_versions() {
    assert_eq!(
        read(&p1(), VERSION_22, &sent(Some("2026-07-14T13:31:00Z"))),
        [
            "4: energy 2026-07-14T13:31:00Z 608400 low",
            "5: energy 2026-07-14T13:31:00Z 490342 normal",
            "18: gas 2026-07-14T13:00:00Z 00947.680",
        ]
    );
    assert_eq!(
        read(&p1(), VERSION_42, &sent(Some("2026-11-20T00:00:00Z"))),
        [
            "6: energy 2026-07-14T13:30:10Z 1581123 low",
            "7: energy 2026-07-14T13:30:10Z 1435706 normal",
            "25: gas 2026-07-14T13:00:00Z 00981.443",
        ]
    );
    assert_eq!(
        read(&p1(), VERSION_50, &sent(None)),
        [
            "6: energy 2026-10-31T23:15:00Z 12345678 low",
            "7: energy 2026-10-31T23:15:00Z 23456789 normal",
            "40: gas 2026-10-31T23:10:00Z 12785.123",
            "23: voltage 2026-10-31T23:15:00Z 229.0",
        ]
    );
}

#[test]
fn a_telegram_without_a_time_was_read_when_it_arrived_unless_its_values_add_up() {
    let at_arrival = read(&p1(), VERSION_22, &sent(None));
    assert_eq!(at_arrival[0], "4: energy 2026-11-21T06:40:00Z 608400 low");
    let adds_up = Target { needs_time: true, ..target("used", "1") };
    let profile = Profile::P1 { fields: vec![register("1-0:1.8.1", None, adds_up)] };
    assert_eq!(read(&profile, VERSION_22, &sent(None)), ["4: missing_field"]);
    assert_eq!(
        read(&profile, VERSION_22, &sent(Some("2026-07-14T13:31:00Z"))),
        ["4: used 2026-07-14T13:31:00Z 00608.400"]
    );
    assert_eq!(read(&profile, VERSION_42, &sent(None)), ["6: used 2026-07-14T13:30:10Z 001581.123"]);
}

#[test]
fn the_hour_that_comes_twice_is_told_apart_by_when_a_telegram_was_read() {
    for (read_at, gas_at) in [
        ("2026-10-25T00:10:00Z", "2026-10-25T00:00:00Z"),
        ("2026-10-25T01:10:00Z", "2026-10-25T01:00:00Z"),
        ("2026-10-25T02:10:00Z", "2026-10-25T01:00:00Z"),
    ] {
        assert_eq!(read(&p1(), AUTUMN_22, &sent(Some(read_at)))[2], format!("18: gas {gas_at} 00947.680"));
    }
}

#[test]
fn a_reading_of_a_telegram_that_is_bad_fails_alone() {
    assert_eq!(
        read(&p1(), UNSET_GAS, &sent(None))[2..],
        ["40: invalid_time", "23: voltage 2026-10-31T23:15:00Z 229.0"]
    );
    let fields = [("9-9:9.9.9", None), ("1-0:99.97.0", None), ("0-n:24.2.1", Some(9)), ("0-1:96.1.0", None)];
    let fields = fields.map(|(text, device_type)| register(text, device_type, target("energy", "1")));
    let unit = Target { unit: Some("dm3".to_owned()), ..target("gas", "0.001") };
    let fields = fields.into_iter().chain([register("0-2:24.2.1", None, unit)]).collect();
    assert_eq!(
        read(&Profile::P1 { fields }, VERSION_42, &sent(None)),
        ["missing_field", "invalid_value", "missing_field", "24: invalid_value", "missing_field"]
    );
    let telegram =
        "/ABC5X\r\n1-0:1.8.1(1)\r\n1-0:1.8.1(2)\r\n0-1:24.1.0(3)\r\n0-2:24.1.0(003)\r\n1-0:1.8.2(5*MJ)\r\n!\r\n";
    assert_eq!(read(&p1(), telegram.as_bytes(), &sent(None)), ["invalid_value", "6: invalid_value", "invalid_value"]);
    let future = "/ABC5X\r\n0-0:1.0.0(990101000000W)\r\n1-0:1.8.1(1)\r\n!\r\n";
    let profile = Profile::P1 { fields: vec![register("1-0:1.8.1", None, target("energy", "1"))] };
    assert_eq!(read(&profile, future.as_bytes(), &sent(None)), ["3: time_out_of_range"]);
}

fn pointer(text: &str) -> Pointer {
    text.parse().unwrap()
}

#[test]
fn json_is_read_by_pointers() {
    let fields = vec![
        (pointer("/total/wh"), target("energy", "0.001")),
        (pointer("/levels/1"), Target { optional: true, ..target("level", "1") }),
    ];
    let profile = Profile::Json { records: None, time: Some((pointer("/t"), Clock::UnixSeconds)), fields };
    let read = |text: &str| read(&profile, text.as_bytes(), &sent(None));
    let payload = r#"{"t": 1793490300.25, "total": {"wh": 1234567.89012345678}, "levels": [1, "2.5"], "more": true}"#;
    // 1793490300 is 2026-10-31T23:45:00Z.
    let energy = "energy 2026-10-31T23:45:00.250Z 1234.56789012345678";
    assert_eq!(read(payload), [energy, "level 2026-10-31T23:45:00.250Z 2.5"]);
    assert_eq!(read(&payload.replace("\"levels\"", "\"l\"")), [energy]);
    assert_eq!(read(&payload.replace("\"2.5\"", "null")), [energy]);
    assert_eq!(read(&payload.replace("\"2.5\"", "true")), [energy, "invalid_value"]);
    assert_eq!(read(&payload.replace("\"t\"", "\"u\"")), ["missing_field", "missing_field"]);
    assert_eq!(read(&payload.replace("1793490300.25", "\"soon\"")), ["invalid_time", "invalid_time"]);
    assert_eq!(read(&payload.replace("1793490300.25", "4e9")), ["time_out_of_range", "time_out_of_range"]);
    assert_eq!(read(&payload.replace("\"more\"", "\"t\"")), ["invalid_value", "invalid_value"]);
    assert_eq!(read("[]"), ["missing_field"]);
    assert!(refused(&profile, "{\"t\": 1").starts_with("not JSON: EOF"));
}

#[test]
fn json_may_have_many_records() {
    let fields = vec![(pointer("/v"), target("energy", "1"))];
    let time = Some((pointer("/t"), Clock::Rfc3339));
    let profile = Profile::Json { records: Some(pointer("/samples")), time, fields };
    let payload =
        r#"{"samples": [{"t": "2026-11-01T00:15:00+01:00", "v": 1}, {"t": "2026-11-01T00:30:00", "v": 2}, 3]}"#;
    let expected = ["energy 2026-10-31T23:15:00Z 1", "naive_time", "missing_field"];
    assert_eq!(read(&profile, payload.as_bytes(), &sent(None)), expected);
    assert_eq!(
        refused(&profile, "{\"samples\": {}}"),
        "there is no array at \"/samples\", where the profile says records are"
    );
    let room = profile.readings(payload.as_bytes(), &sent(None), &mut |_| false);
    assert_eq!(room, Err(Unreadable::NoRoom));
    let many = format!("{{\"samples\": [{}1]}}", "1,".repeat(50_000));
    assert_eq!(profile.readings(many.as_bytes(), &sent(None), &mut |_| true), Err(Unreadable::TooMany));
}

#[test]
fn csv_is_read_by_columns() {
    let time = Some(("Time".to_owned(), Clock::UnixMilliseconds));
    let fields = vec![
        ("Energy, Wh".to_owned(), target("energy", "0.001")),
        ("U".to_owned(), Target { optional: true, ..target("voltage", "1") }),
    ];
    let profile = Profile::Csv { time, fields };
    let payload =
        "\u{FEFF}Time,\"Energy, Wh\",U\r\n1793490300000,1500,230.1\r\n\r\n1793490301000,,\r\n1,2\r\n,1,\r\n\"\r\n";
    assert_eq!(
        read(&profile, payload.as_bytes(), &sent(None)),
        [
            "2: energy 2026-10-31T23:45:00Z 1.5",
            "2: voltage 2026-10-31T23:45:00Z 230.1",
            "4: missing_field",
            "5: invalid_row",
            "6: missing_field",
            "7: invalid_row"
        ]
    );
    assert_eq!(
        read(&profile, b"Time,\"Energy, Wh\"\n1793490300000,1500", &sent(None)),
        ["2: energy 2026-10-31T23:45:00Z 1.5"]
    );
    assert!(refused(&profile, "Time;U\n").starts_with("header in line 1: the column \"Time\" is missing"));
    assert!(refused(&profile, "Time,U,U,\"Energy, Wh\"\n").contains("\"U\" comes twice"));
    assert_eq!(refused(&profile, " \n"), "the payload is empty");
    assert_eq!(refused(&profile, &",".repeat(300)), "301 columns; at most 256 are allowed");
}

proptest! {
    #[test]
    fn any_payload_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[\\[\\]{}\",:0-9a-z \n]{0,60}") {
        let place = || Some((pointer("/a"), Clock::UnixSeconds));
        let profiles = [
            p1(),
            Profile::Json { records: None, time: place(), fields: vec![(pointer("/0"), target("energy", "3"))] },
            Profile::Json { records: Some(pointer("")), time: None, fields: vec![(pointer(""), target("energy", "3"))] },
            Profile::Csv { time: None, fields: vec![("a".to_owned(), target("energy", "3"))] },
        ];
        for (profile, payload) in profiles.iter().flat_map(|profile| [(profile, bytes.as_slice()), (profile, text.as_bytes())]) {
            let _ = profile.readings(payload, &sent(None), &mut |_| true);
        }
    }

    // Energies as a meter shows them, in watt hours; no arithmetic but that of integers.
    #[test]
    fn a_register_is_read_to_the_last_digit(wh in 0_u64..1_000_000_000, letter in prop::bool::ANY) {
        let stamp = if letter { "260714153010S" } else { "261101001500W" };
        let body = format!("/ABC5X\r\n\r\n0-0:1.0.0({stamp})\r\n1-0:1.8.1({:06}.{:03}*kWh)\r\n!\r\n", wh / 1000, wh % 1000);
        let profile = Profile::P1 { fields: vec![register("1-0:1.8.1", None, target("energy", "1000"))] };
        let at = if letter { "2026-07-14T13:30:10Z" } else { "2026-10-31T23:15:00Z" };
        prop_assert_eq!(read(&profile, body.as_bytes(), &sent(None)), [format!("4: energy {at} {wh}")]);
    }
}
