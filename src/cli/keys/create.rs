//! `meterbase keys create`

use std::path::PathBuf;

use chrono::{DateTime, Duration, Utc};
use clap::Args;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sqlx::PgConnection;

use crate::cli::keys::{RateArgs, current, provider_or_all};
use crate::cli::{DatabaseArgs, Failure, print, say};
use crate::core::entity::Ref;
use crate::database::Database;
use crate::keys::{self, CertificateName, KeyPart, NewKey, Scope};
use crate::registry::audit::By;

/// Create a key and print it, alone, on standard output
///
/// It is shown this once: only a hash of it is stored.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What the key may do
    #[arg(long, env = "METERBASE_KEY_SCOPE")]
    scope: Scope,
    /// Key or id of the provider it acts in; needed for every scope but admin
    #[arg(long, env = "METERBASE_PROVIDER", value_name = "PROVIDER")]
    provider: Option<String>,
    /// Key or id of a customer, for which with all below it the key is good alone; of scope read or ingest
    #[arg(long, env = "METERBASE_KEY_CUSTOMER", group = "part")]
    customer: Option<String>,
    /// Key or id of a group, for whose devices alone an ingest key posts
    #[arg(long, env = "METERBASE_KEY_GROUP", group = "part")]
    group: Option<String>,
    /// Key or id of a device, for which alone an ingest key posts
    #[arg(long, env = "METERBASE_KEY_DEVICE", group = "part")]
    device: Option<String>,
    /// Certificate in PEM form: who connects with it holds this ingest key, which has no text then
    #[arg(long, env = "METERBASE_KEY_CERTIFICATE", value_name = "FILE", group = "stands_for_it")]
    certificate: Option<PathBuf>,
    /// The same for all certificates of this subject, such as CN=meter-0001,O=Northwind, so that they can be renewed
    #[arg(long, env = "METERBASE_KEY_CERTIFICATE_SUBJECT", value_name = "SUBJECT", group = "stands_for_it")]
    certificate_subject: Option<String>,
    /// Name by which people know it, up to 256 characters
    #[arg(long, env = "METERBASE_KEY_NAME")]
    name: Option<String>,
    /// When it ends: a time from now such as 90d or 12h, or an instant such as 2027-01-01T00:00:00Z [default: never]
    #[arg(long, env = "METERBASE_KEY_EXPIRES", value_name = "WHEN", value_parser = expiry)]
    expires: Option<Expiry>,
    #[command(flatten)]
    rate: RateArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// When a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    After(Duration),
    At(DateTime<Utc>),
}

impl CreateArgs {
    /// What can be seen without a database.
    pub fn check(&self) -> Result<(), Failure> {
        let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
        match (self.scope, &self.provider) {
            (Scope::Admin, Some(_)) => usage("an admin key acts in every provider: leave --provider out"),
            (Scope::Provider | Scope::Read | Scope::Ingest, None) => {
                usage("a key of this scope acts in one provider: name it with --provider")
            }
            (Scope::Admin | Scope::Provider, _) if self.part().is_some() => {
                usage("only keys of scope read or ingest can be for a part of a provider")
            }
            (Scope::Read, _) if self.customer.is_none() && self.part().is_some() => {
                usage("a read key can be for a --customer; a group or a device can have ingest keys")
            }
            (Scope::Admin | Scope::Provider | Scope::Read, _)
                if self.certificate.is_some() || self.certificate_subject.is_some() =>
            {
                usage("only ingest keys can be certificates")
            }
            _ if self.name.as_ref().is_some_and(|name| !(1..=256).contains(&name.chars().count())) => {
                usage("--name has 1 to 256 characters")
            }
            _ if self.expires.is_some_and(|expires| expires.instant(Utc::now()).is_none_or(|at| at <= Utc::now())) => {
                usage("--expires must be in the future")
            }
            _ => Ok(()),
        }
    }

    pub async fn run(&self, database: &Database) -> Result<(), Failure> {
        let mut db = current(database).await?;
        let provider = provider_or_all(&mut db, self.provider.as_deref()).await?;
        let expires = self.expires.and_then(|expires| expires.instant(Utc::now()));
        let (name, rate) = (self.name.as_deref(), self.rate.given());
        let part = match provider.zip(self.part()) {
            Some((provider_id, (what, named))) => part(&mut db, provider_id, what, named).await?,
            None => KeyPart::All,
        };
        let certificate = self.certificate()?;
        let new =
            NewKey { scope: self.scope, provider_id: provider, part, certificate, name, expires_at: expires, rate };
        let made = keys::make(&mut db, &By::command_line(provider), &new).await;
        let (key, stored) = match made {
            Err(error) if keys::is_certificate_taken(&error) => {
                let told = "a key that is not revoked names this certificate already; `meterbase keys list` shows it";
                return Err(Failure::Failed(told.to_owned()));
            }
            made => made?,
        };
        if !stored.is_certificate() {
            return print(&key.reveal());
        }
        say("a certificate stands for this key, which has no text; its id:");
        print(&stored.id.to_string())
    }

    /// What stands for its text.
    fn certificate(&self) -> Result<Option<CertificateName>, Failure> {
        if let Some(subject) = &self.certificate_subject {
            let named = CertificateName::subject(subject);
            return named.map(Some).map_err(|why| Failure::Usage(format!("--certificate-subject {subject:?}: {why}")));
        }
        let Some(file) = &self.certificate else { return Ok(None) };
        let der = CertificateDer::from_pem_file(file)
            .map_err(|error| Failure::Failed(format!("--certificate {}: {error}", file.display())))?;
        Ok(Some(CertificateName::of(&der)))
    }

    /// What the key is for alone, and its name.
    fn part(&self) -> Option<(&'static str, &str)> {
        let given = [("customer", &self.customer), ("group", &self.group), ("device", &self.device)];
        given.into_iter().find_map(|(what, named)| Some((what, named.as_deref()?)))
    }
}

async fn part(db: &mut PgConnection, provider_id: i32, what: &str, named: &str) -> Result<KeyPart, Failure> {
    let id = part_id(db, provider_id, what, named).await?;
    Ok(match what {
        "customer" => KeyPart::Customer(id),
        "group" => KeyPart::Group(id),
        _ => KeyPart::Device(id),
    })
}

/// The number of a provider's customer, group or device, as `what` says.
pub async fn part_id(db: &mut PgConnection, provider_id: i32, what: &str, named: &str) -> Result<i32, Failure> {
    let Ok(name) = named.parse::<Ref>() else {
        return Err(Failure::Usage(format!("--{what}: {named:?} is neither a key nor an id")));
    };
    let found: Option<i32> = sqlx::query_scalar(include_str!("../../../sql/keys/part.sql"))
        .bind(provider_id)
        .bind(what)
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(db)
        .await?;
    found.ok_or_else(|| Failure::Failed(format!("the provider has no {what} {name}")))
}

impl Expiry {
    /// None beyond the end of the calendar.
    pub fn instant(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::After(duration) => now.checked_add_signed(duration),
            Self::At(instant) => Some(instant),
        }
    }
}

pub fn expiry(text: &str) -> Result<Expiry, String> {
    let wrong = || "not a time from now such as 90d or 12h, nor an instant such as 2027-01-01T00:00:00Z".to_owned();
    let number = |digits: &str| digits.parse::<u32>().map(i64::from).map_err(|_| wrong());
    match text.char_indices().last() {
        Some((at, 'd')) => number(&text[..at]).map(|days| Expiry::After(Duration::days(days))),
        Some((at, 'h')) => number(&text[..at]).map(|hours| Expiry::After(Duration::hours(hours))),
        _ => DateTime::parse_from_rfc3339(text).map(|at| Expiry::At(at.to_utc())).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_a_time_from_now_or_an_instant() {
        assert_eq!(expiry("90d"), Ok(Expiry::After(Duration::days(90))));
        assert_eq!(expiry("12h"), Ok(Expiry::After(Duration::hours(12))));
        let instant = "2027-01-01T01:00:00+01:00";
        assert_eq!(expiry(instant), Ok(Expiry::At("2027-01-01T00:00:00Z".parse().unwrap())));
        for wrong in ["", "d", "-1d", "90", "2027-01-01", "2027-01-01T00:00:00", "1é"] {
            assert!(expiry(wrong).is_err(), "{wrong}");
        }
    }
}
