//! All limits by name.

use crate::core::reading::MAX_READINGS;
use crate::core::reading::csv::MAX_COLUMNS;
use crate::http::extract::{self, MAX_PARAMETERS};
use crate::{alerts, app, enroll, events, ingest, profiles, server, webhooks};

macro_rules! limits {
    ($($variant:ident = $name:literal, $unit:literal, $option:expr, $fixed:expr, $what:literal;)*) => {
        /// Something that is limited.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Limit { $($variant),* }

        impl Limit {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in the metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub fn unit(self) -> &'static str {
                match self { $(Self::$variant => $unit),* }
            }

            /// The option of `meterbase serve` that sets it; none for what is part of the API.
            pub fn option(self) -> Option<&'static str> {
                match self { $(Self::$variant => $option),* }
            }

            /// Its value where no operator sets it and no machine decides it.
            pub fn fixed(self) -> Option<u64> {
                match self { $(Self::$variant => $fixed),* }
            }

            /// What it limits, and what becomes of what is beyond.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what),* }
            }
        }
    };
}

limits! {
    Connections = "connections", "connections", Some("--max-connections"), None,
        "Connections of callers at once; a further one is answered 503, or closed before TLS begins";
    MetricsConnections = "metrics_connections", "connections", None, Some(server::MAX_METRICS_CONNECTIONS as u64),
        "Connections to the metrics' own listener at once; a further one is answered 503";
    Requests = "requests", "requests", Some("--max-requests"), None,
        "Requests being answered at once, over all connections; 503 beyond, except for health and metrics";
    InflightBytes = "inflight_bytes", "bytes", Some("--max-inflight-bytes"), None,
        "Bodies and the readings made of them, in memory at once; 503 beyond";
    ProviderInflightBytes = "provider_inflight_bytes", "bytes", Some("--max-provider-inflight-bytes"), None,
        "Of those, the ones of one provider; 429 beyond";
    ProviderQueueReadings = "provider_queue_readings", "readings", Some("--max-provider-queue"), None,
        "Readings of one provider that wait to be stored, and one body more; 429 beyond";
    QueueReadings = "queue_readings", "readings", Some("--max-queue"), None,
        "Readings of all providers that wait to be stored, and one body more; 503 beyond";
    KeyRate = "key_rate", "readings a second", Some("--key-rate"), None,
        "Readings of one API key, in each server; another rate can be given to a key; 429 beyond";
    KeyBurst = "key_burst", "readings", Some("--key-burst"), None,
        "Readings of one API key at once where it has a rate; 413 for a body beyond";
    QuarantineReadings = "quarantine_readings", "readings", Some("--quarantine-readings"), None,
        "Readings of one provider in quarantine, and a flush more for each connection; the reading is rejected beyond";
    QuarantineAge = "quarantine_age", "seconds", Some("--quarantine-age"), None,
        "Time for a reading to be in quarantine; it is deleted beyond";
    Decoders = "decoders", "threads", None, None,
        "Large or compressed bodies being decoded at once, as many as processors; others wait, of each provider as many in one line";
    SentBytes = "sent_bytes", "bytes", None, Some(ingest::MAX_BODY as u64),
        "A body of readings as it is sent; 413 beyond";
    DecodedBytes = "decoded_bytes", "bytes", None, Some(ingest::MAX_BODY as u64),
        "A body of readings when decoded; 413 beyond";
    EncodedFrames = "encoded_frames", "frames", None, Some(ingest::MAX_FRAMES as u64),
        "Members of gzip or frames of zstd in a body; 413 beyond";
    Readings = "readings", "readings", None, Some(MAX_READINGS as u64),
        "Readings in a body; 413 beyond";
    Columns = "columns", "columns", None, Some(MAX_COLUMNS as u64),
        "Columns of CSV; 413 beyond";
    PayloadBytes = "payload_bytes", "bytes", None, Some(profiles::MAX_PAYLOAD as u64),
        "A payload of a device, as it is sent and when decoded; 413 beyond";
    RegistryBytes = "registry_bytes", "bytes", None, Some(app::MAX_BODY as u64),
        "A body of any other operation; 413 beyond";
    StrangersBytes = "strangers_bytes", "bytes", None, Some(extract::MAX_STRANGERS as u64),
        "A body that comes without a key, to enroll; 413 beyond";
    RefusedEnrollments = "refused_enrollments", "tries", None, Some(enroll::MOST_REFUSED as u64),
        "Refused enrollments from one address at once, one more each second; 429 beyond";
    HeadBytes = "head_bytes", "bytes", None, Some(server::MAX_HEAD as u64),
        "The head of a request; 431 beyond";
    Parameters = "parameters", "parameters", None, Some(MAX_PARAMETERS as u64),
        "Parameters of a query; 400 beyond";
    Streams = "streams", "requests", None, Some(server::MAX_STREAMS as u64),
        "Requests of one HTTP/2 connection at once; others wait at the caller";
    ConfigWaits = "config_waits", "requests", None, None,
        "Devices that wait for another configuration, half of the requests; others are answered at once";
    ConfigWait = "config_wait", "seconds", None, Some(profiles::MAX_WAIT),
        "Time that a device may wait for another configuration; 400 beyond";
    Listeners = "listeners", "requests", None, None,
        "Callers who listen to events at once, half of the connections; 503 beyond";
    ProviderListeners = "provider_listeners", "requests", None, Some(events::OF_ONE as u64),
        "Of those, the ones of one provider; 429 beyond";
    Webhooks = "webhooks", "webhooks", None, Some(webhooks::MOST_WEBHOOKS.unsigned_abs()),
        "Webhooks of a provider; 409 beyond";
    WebhookAttempts = "webhook_attempts", "attempts", None, Some(webhooks::ATTEMPTS as u64),
        "Events being posted to webhooks at once, and as many to webhooks that fail: four to one, one to one that fails; others wait";
    WebhookTime = "webhook_time", "seconds", None, Some(webhooks::ATTEMPT_TIME.as_secs()),
        "Time for a webhook to answer; the attempt has failed beyond";
    AccountMinutes = "account_minutes", "seconds", None, Some(ingest::minutes::KEPT.age.as_secs()),
        "Time for which it is kept what was received in each minute; deleted beyond";
    EventAge = "event_age", "seconds", None, Some(events::KEPT.age.as_secs()),
        "Time for an event to be kept, with what came of telling it; it is deleted beyond, and so are those beyond a million of a provider";
    Alerts = "alerts", "alerts", None, Some(alerts::MOST_ALERTS.unsigned_abs()),
        "Alerts of a provider; 409 beyond";
    AlertHistory = "alert_history", "entries", None, Some(alerts::schedule::MOST_HISTORY.unsigned_abs()),
        "Entries in the history of an alert, for 400 days; older ones are deleted beyond";
    HeadTime = "head_time", "seconds", Some("--head-timeout"), None,
        "Time for a request's head, and for a connection to stay idle (HTTP/2: to begin); closed beyond";
    BodyPause = "body_pause", "seconds", Some("--body-pause"), None,
        "Pause between two parts of a body; 408 beyond";
    BodyTime = "body_time", "seconds", Some("--body-timeout"), None,
        "Time for a whole body; 408 beyond";
    AnswerPause = "answer_pause", "seconds", Some("--answer-pause"), None,
        "Pause in which a caller takes nothing of its answer; closed beyond";
}

impl Limit {
    /// Counts that something was refused for it.
    pub fn refused(self) {
        metrics::counter!("meterbase_limit_refusals_total", "limit" => self.name()).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Guards, Limits};

    fn default(limit: Limit) -> String {
        let value = Guards::new(Limits::default()).value(limit);
        match (limit, limit.unit()) {
            (Limit::Decoders, _) => "one a processor".to_owned(),
            (Limit::KeyRate, _) => "any number".to_owned(),
            (Limit::KeyBurst, _) => "10 seconds of the rate".to_owned(),
            (_, "bytes") if value.is_multiple_of(1024 * 1024) => format!("{} MiB", value / 1024 / 1024),
            (_, "bytes") => format!("{} KiB", value / 1024),
            (_, "seconds") if value.is_multiple_of(86_400) => format!("{} days", value / 86_400),
            (_, unit) => format!("{value} {unit}"),
        }
    }

    #[test]
    fn the_table_in_the_documents_is_this_list() {
        let row = |limit: &Limit| {
            let option = limit.option().map_or("fixed".to_owned(), |option| format!("`{option}`"));
            format!("| `{}` | {} | {option} | {} |\n", limit.name(), default(*limit), limit.what())
        };
        let table: String = Limit::ALL.iter().map(row).collect();
        let document = include_str!("../../ARCHITECTURE.md");
        assert!(document.contains(&table), "ARCHITECTURE.md should have this table:\n{table}");
    }
}
