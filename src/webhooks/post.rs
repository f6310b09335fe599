//! One attempt to tell a webhook of an event.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url, header};

use crate::webhooks::settings::Reach;

/// How long an attempt may take, from looking up the name to the head of the answer.
pub const ATTEMPT_TIME: Duration = Duration::from_secs(10);

/// Of that, how long until there is a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Most characters that are kept of what went wrong.
const MAX_ERROR: usize = 300;

/// Posts to where it may. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Poster {
    reach: Reach,
    patience: Duration,
    /// Why there is none, where the machine has no certificates of authorities, say.
    secure: Result<Client, String>,
    plain: Result<Client, String>,
}

/// A message that is signed.
#[derive(Debug)]
pub struct Message {
    pub url: String,
    pub id: String,
    /// In seconds since 1970.
    pub timestamp: i64,
    pub signatures: String,
    pub body: String,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub took: Duration,
    /// Of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Poster {
    pub fn new(reach: &Reach, patience: Duration) -> Self {
        let client = |is_plain: bool| {
            let built = Client::builder()
                .user_agent(concat!("meterbase/", env!("CARGO_PKG_VERSION")))
                .dns_resolver(Arc::new(Resolver { reach: reach.clone(), is_plain }))
                .redirect(Policy::none())
                // A proxy would look up the name itself; a connection that is kept was looked up before.
                .no_proxy()
                .pool_max_idle_per_host(0)
                .connect_timeout(CONNECT_TIME)
                .timeout(patience)
                .https_only(!is_plain)
                .build();
            built.map_err(|error| innermost(&error))
        };
        Self { reach: reach.clone(), patience, secure: client(false), plain: client(true) }
    }

    pub async fn post(&self, message: &Message) -> Outcome {
        let begun = Instant::now();
        let answer = self.try_post(message).await;
        let took = begun.elapsed();
        let (status, error) = match answer {
            Ok(status) if (200..300).contains(&status) => (Some(status), None),
            Ok(status @ 300..400) => (Some(status), Some(format!("answered {status}; redirects are not followed"))),
            Ok(status) => (Some(status), Some(format!("answered {status}"))),
            Err(why) => (None, Some(why.chars().take(MAX_ERROR).collect())),
        };
        Outcome { took, status, error }
    }

    /// The status of the answer. Its body is not read.
    async fn try_post(&self, message: &Message) -> Result<u16, String> {
        let url = Url::parse(&message.url).map_err(|why| why.to_string())?;
        let is_plain = url.scheme() != "https";
        // Names are checked when they are looked up; an address is not.
        if let Some(address) = literal(&url)
            && !self.reach.permits(address, is_plain)
        {
            return Err(refused(is_plain));
        }
        let client = if is_plain { &self.plain } else { &self.secure }.as_ref().map_err(Clone::clone)?;
        let post = client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", &message.signatures)
            .body(message.body.clone());
        match post.send().await {
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(error) if error.is_timeout() => {
                Err(format!("no answer within {} seconds", self.patience.as_secs_f64()))
            }
            Err(error) => Err(innermost(&error)),
        }
    }
}

/// The address that a URL has instead of a name, if it has.
pub fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Why an address is not spoken to. It is not told: whoever keeps webhooks need not know what names mean inside.
pub fn refused(is_plain: bool) -> String {
    let spoken =
        if is_plain { "plain HTTP is spoken only to addresses" } else { "addresses beyond the Internet's are those" };
    format!("not an address that the server speaks to: {spoken} that it was started to allow")
}

/// The last of the errors that led to an error: what really happened.
fn innermost(error: &reqwest::Error) -> String {
    let mut last: &dyn Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Looks up names, and leaves out what is not to be spoken to; connections are made to what is left.
#[derive(Debug)]
struct Resolver {
    reach: Reach,
    is_plain: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, is_plain) = (self.reach.clone(), self.is_plain);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let may: Vec<_> = found.iter().copied().filter(|address| reach.permits(address.ip(), is_plain)).collect();
            match (may.is_empty(), found.is_empty()) {
                (true, true) => Err("the name has no address".into()),
                (true, false) => Err(refused(is_plain).into()),
                (false, _) => Ok(Box::new(may.into_iter()) as Addrs),
            }
        })
    }
}
