//! The limits that `meterbase serve` can be given.

use std::time::Duration;

use clap::Args;

use crate::cli::serve::some_time;
use crate::limits::Limits;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits on callers")]
pub struct Bounds {
    /// Most connections at once; a further one is answered 503
    #[arg(long, env = "METERBASE_MAX_CONNECTIONS", value_name = "NUMBER", default_value = "1024",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
    /// Most requests being answered at once; a further one is answered 503
    #[arg(long, env = "METERBASE_MAX_REQUESTS", value_name = "NUMBER", default_value = "4096",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_requests: u32,
    /// Most memory for bodies and the readings made of them; beyond it requests are answered 503. The largest body
    /// that is allowed takes up to 200MiB
    #[arg(long, env = "METERBASE_MAX_INFLIGHT_BYTES", value_name = "SIZE", default_value = "256MiB",
        value_parser = size)]
    max_inflight_bytes: usize,
    /// Of that memory, most of one provider; beyond it its requests are answered 429, and others still have the rest
    #[arg(long, env = "METERBASE_MAX_PROVIDER_INFLIGHT_BYTES", value_name = "SIZE", default_value = "200MiB",
        value_parser = size)]
    max_provider_inflight_bytes: usize,
    /// Most readings of one provider that wait to be stored; while there are as many, its requests are answered 429
    #[arg(long, env = "METERBASE_MAX_PROVIDER_QUEUE", value_name = "READINGS", default_value = "100000",
        value_parser = clap::value_parser!(u32).range(1..))]
    max_provider_queue: u32,
    /// Most readings of all providers that wait to be stored; while there are as many, requests are answered 503
    #[arg(long, env = "METERBASE_MAX_QUEUE", value_name = "READINGS", default_value = "300000",
        value_parser = clap::value_parser!(u32).range(1..))]
    max_queue: u32,
    /// Most readings a second from each API key that has no rate of its own (`keys create --rate`), answered 429 beyond; 0
    /// for any number. Each server counts for itself
    #[arg(long, env = "METERBASE_KEY_RATE", value_name = "READINGS", default_value = "0")]
    key_rate: u32,
    /// Most readings at once from such a key, answered 413 beyond; 0 for as many as it may send in ten seconds
    #[arg(long, env = "METERBASE_KEY_BURST", value_name = "READINGS", default_value = "0")]
    key_burst: u32,
    /// Most readings of one provider in quarantine, where those of unknown devices and metrics are kept; further ones are
    /// rejected
    #[arg(long, env = "METERBASE_QUARANTINE_READINGS", value_name = "READINGS", default_value = "1000000",
        value_parser = clap::value_parser!(u32))]
    quarantine_readings: u32,
    /// How long readings are in quarantine; then they are deleted
    #[arg(long, env = "METERBASE_QUARANTINE_AGE", value_name = "TIME", default_value = "90d", value_parser = some_time)]
    quarantine_age: Duration,
    /// How long the head of a request may take, and a connection may stay idle
    #[arg(long, env = "METERBASE_HEAD_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = some_time)]
    head_timeout: Duration,
    /// Longest pause between two parts of a body
    #[arg(long, env = "METERBASE_BODY_PAUSE", value_name = "TIME", default_value = "30s", value_parser = some_time)]
    body_pause: Duration,
    /// How long a whole body may take
    #[arg(long, env = "METERBASE_BODY_TIMEOUT", value_name = "TIME", default_value = "5m", value_parser = some_time)]
    body_timeout: Duration,
    /// How long a caller may take nothing of its answer
    #[arg(long, env = "METERBASE_ANSWER_PAUSE", value_name = "TIME", default_value = "60s", value_parser = some_time)]
    answer_pause: Duration,
}

impl Bounds {
    pub fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections as usize,
            requests: self.max_requests as usize,
            inflight_bytes: self.max_inflight_bytes,
            provider_inflight_bytes: self.max_provider_inflight_bytes,
            provider_queue_readings: self.max_provider_queue as usize,
            queue_readings: self.max_queue as usize,
            key_rate: self.key_rate,
            key_burst: self.key_burst,
            quarantine_readings: self.quarantine_readings as usize,
            quarantine_age: self.quarantine_age,
            head_timeout: self.head_timeout,
            body_pause: self.body_pause,
            body_timeout: self.body_timeout,
            answer_pause: self.answer_pause,
        }
    }
}

/// A size in bytes: a number, of KiB, MiB or GiB if that follows.
fn size(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is not a size such as 65536, 512KiB, 256MiB or 2GiB");
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: usize = digits.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "GiB" => 1024 * 1024 * 1024,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).filter(|size| *size > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;
    use crate::limits::Limit;

    fn command() -> Command {
        Bounds::augment_args(Command::new("serve"))
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("65536"), Ok(65_536));
        assert_eq!(size("2KiB"), Ok(2048));
        assert_eq!(size("256MiB"), Ok(268_435_456));
        for wrong in ["", "MiB", "0", "1.5MiB", "1MB", "-1", "18446744073709551615KiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_limits_and_options_are_as_listed() {
        let parsed = Bounds::from_arg_matches(&command().get_matches_from(["serve"])).unwrap();
        assert_eq!(format!("{:?}", parsed.limits()), format!("{:?}", Limits::default()));
        let options: Vec<_> = command().get_arguments().filter_map(|a| Some(format!("--{}", a.get_long()?))).collect();
        let listed: Vec<_> = Limit::ALL.iter().filter_map(|limit| limit.option()).collect();
        assert_eq!(options, listed);
    }
}
