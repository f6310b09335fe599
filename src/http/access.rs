//! Who is calling. A handler says in its signature which callers it serves; the tenant of every query, and the part of it that the
//! caller sees, come from here: statements about what callers name begin with [`Tenant::query_as`] or [`Tenant::seen_as`].

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use chrono::Utc;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, PgConnection, Postgres};
use uuid::Uuid;

use crate::app::App;
use crate::core::entity::Ref;
use crate::http::intake::Held;
use crate::http::problem::{Code, Problem, Result};
use crate::http::{cookie, extract, security};
use crate::keys::{ApiKey, ClientCertificate, Credential, Holder, KeyRate, Part, Provider, Scope, Subtree};
use crate::registry::audit::By;
use crate::server::Peer;

/// The provider in which a call acts, what of it the caller sees, and the key that acts.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Tenant {
    provider_id: i32,
    /// The provider's key.
    pub key: String,
    /// Default billing time zone of its customers.
    pub time_zone: String,
    /// Who calls, for the audit.
    #[sqlx(skip)]
    pub by: By,
    /// How fast that key may send readings.
    #[sqlx(skip)]
    pub rate: KeyRate,
    /// For which part of the provider that key is.
    #[sqlx(skip)]
    pub part: Arc<Part>,
}

impl Tenant {
    /// All of a provider, for what nobody does with a key.
    pub async fn of_provider(db: &mut PgConnection, provider_id: i32, by: By) -> sqlx::Result<Self> {
        let found: Self = sqlx::query_as(include_str!("../../sql/keys/tenant.sql"))
            .bind(provider_id)
            .bind(None::<&str>)
            .bind(None::<Uuid>)
            .fetch_one(db)
            .await?;
        Ok(Self { by, ..found })
    }

    pub fn provider_id(&self) -> i32 {
        self.provider_id
    }

    /// The customers of which the caller sees anything; none for all.
    pub fn seen(&self) -> Option<&[i32]> {
        self.subtree().map(Subtree::customers)
    }

    /// The customer with all below it that the caller sees alone; none for all.
    pub fn subtree(&self) -> Option<&Subtree> {
        match &*self.part {
            Part::Subtree(subtree) => Some(subtree),
            Part::All | Part::Group(_) | Part::Device(_) | Part::Applicant(_) => None,
        }
    }

    /// A statement about what is the provider's as a whole, which is its first parameter.
    pub fn query_as<'q, T: for<'r> FromRow<'r, PgRow>>(
        &self,
        sql: &'static str,
    ) -> QueryAs<'q, Postgres, T, PgArguments> {
        sqlx::query_as(sql).bind(self.provider_id)
    }

    /// A statement about customers and what they have. Its first parameter is the provider, its second the customers that
    /// are seen, null for all.
    pub fn seen_as<'q, T: for<'r> FromRow<'r, PgRow>>(
        &self,
        sql: &'static str,
    ) -> QueryAs<'q, Postgres, T, PgArguments> {
        self.query_as(sql).bind(self.seen().map(<[i32]>::to_vec))
    }
}

/// A caller who may keep providers: admin.
pub struct Admin {
    pub by: By,
}

/// Whoever calls, with what its key lets it do.
pub struct Visitor {
    /// What was shown; none for nothing.
    pub shown: Option<Credential>,
    /// None where nobody holds that, which only a session may come to; any other is refused.
    pub holder: Option<Holder>,
    /// The session of its cookie, good or not.
    pub session: Option<ApiKey>,
    /// Who that is, for the audit.
    pub by: By,
    /// Whether it reached the server over TLS.
    pub is_secure: bool,
}

/// Somebody without a key.
pub struct Stranger {
    /// Where the call came from.
    pub address: Option<IpAddr>,
}

/// A caller who may keep keys and see who changed what: admin in all providers or in the one that it names, provider in its
/// own.
pub struct Steward {
    /// None for all providers.
    pub tenant: Option<Tenant>,
    pub by: By,
    pub is_admin: bool,
}

/// A caller who may look at providers: admin at all of them, provider and read at their own.
pub struct ProviderReader {
    /// The one provider; none for all.
    pub provider_id: Option<i32>,
}

/// A caller who may read in a provider, or in the part of it that it sees: admin, provider, read, and tokens of portals.
pub struct Reader(pub Tenant);

/// A caller who may read what concerns a provider as a whole: as [`Reader`], but none that sees a part alone.
pub struct Overseer(pub Tenant);

/// A caller who may hand out tokens for what it sees: as [`Reader`], but none that has only such a token itself.
pub struct Lender(pub Tenant);

/// A caller who may change a provider's registry: admin, provider.
pub struct Writer(pub Tenant);

/// A caller who may post readings, or those of its part: admin, provider, ingest.
pub struct Sender(pub Tenant);

impl<S> FromRequestParts<S> for Admin
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let holder = authenticate(parts, &App::from_ref(state), &[Scope::Admin], None).await?;
        Ok(Self { by: by(parts, &holder, None) })
    }
}

impl<S> FromRequestParts<S> for Visitor
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let session = cookie::session(&parts.headers);
        let is_secure = security::is_encrypted(&parts.extensions) || security::is_secure_origin(&parts.headers);
        let shows = parts.headers.contains_key(header::AUTHORIZATION) || session.is_some();
        let shown = if shows { Some(shown(parts)?) } else { None };
        let holder = match &shown {
            Some((shown, _)) => App::from_ref(state).callers.holder(shown.clone(), None).await?,
            None => None,
        };
        if let (Some((Credential::Key(_), unknown)), None) = (&shown, &holder) {
            return Err(unauthorized(unknown));
        }
        let nobody = By { address: address(parts), ..By::default() };
        let by = holder.as_ref().map_or(nobody, |holder| by(parts, holder, holder.provider_id));
        Ok(Self { shown: shown.map(|(shown, _)| shown), holder, session, by, is_secure })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Stranger {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Infallible> {
        Ok(Self { address: address(parts) })
    }
}

impl<S> FromRequestParts<S> for ProviderReader
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let scopes = &[Scope::Admin, Scope::Provider, Scope::Read];
        let holder = authenticate(parts, &App::from_ref(state), scopes, None).await?;
        Ok(Self { provider_id: holder.provider_id })
    }
}

impl<S> FromRequestParts<S> for Steward
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let (holder, named) = holder(parts, &App::from_ref(state), &[Scope::Admin, Scope::Provider]).await?;
        let is_admin = holder.scope == Scope::Admin;
        if is_admin && named.is_none() {
            return Ok(Self { tenant: None, by: by(parts, &holder, None), is_admin });
        }
        let tenant = tenant(parts, holder, named)?;
        Ok(Self { by: tenant.by, tenant: Some(tenant), is_admin })
    }
}

macro_rules! tenant_caller {
    ($caller:ident, $scopes:expr, $may:expr) => {
        impl<S> FromRequestParts<S> for $caller
        where
            App: FromRef<S>,
            S: Send + Sync,
        {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
                let app = App::from_ref(state);
                let (holder, named) = holder(parts, &app, $scopes).await?;
                if !$may(&holder) {
                    return Err(forbidden("the key is for a part of the provider, and this concerns all of it"));
                }
                let tenant = tenant(parts, holder, named)?;
                if let Some(held) = parts.extensions.get::<Held>() {
                    held.count_for(app.guards.parts.of(tenant.provider_id()));
                }
                Ok(Self(tenant))
            }
        }
    };
}

tenant_caller!(Reader, &[Scope::Admin, Scope::Provider, Scope::Read], |_: &Holder| true);
tenant_caller!(Overseer, &[Scope::Admin, Scope::Provider, Scope::Read], |holder: &Holder| !holder.part.is_limited());
tenant_caller!(Lender, &[Scope::Admin, Scope::Provider, Scope::Read], |holder: &Holder| !holder.is_token);
tenant_caller!(Writer, &[Scope::Admin, Scope::Provider], |_: &Holder| true);
tenant_caller!(Sender, &[Scope::Admin, Scope::Provider, Scope::Ingest], |_: &Holder| true);

fn forbidden(detail: &str) -> Problem {
    Problem::new(Code::Forbidden, detail)
}

/// Who is calling, with the provider that is left by the key and by what is named.
async fn authenticate(parts: &Parts, app: &App, scopes: &[Scope], named: Option<&Ref>) -> Result<Holder> {
    let (shown, unknown) = shown(parts)?;
    let holder = app.callers.holder(shown, named.cloned()).await?.ok_or_else(|| unauthorized(unknown))?;
    if scopes.contains(&holder.scope) { Ok(holder) } else { Err(forbidden("the key's scope does not allow this")) }
}

/// The key that the request has, or else the session of its cookie, or the certificate that its connection was made with; and what is told where it is nobody's.
fn shown(parts: &Parts) -> Result<(Credential, &'static str)> {
    let unknown = "unknown, expired or revoked key";
    let Some(header) = parts.headers.get(header::AUTHORIZATION) else {
        if let Some(session) = cookie::session(&parts.headers) {
            cookie::refuse_other_sites(&parts.method, &parts.headers)?;
            return Ok((Credential::Session(session), "the session has ended; sign in again"));
        }
        let certificate = parts.extensions.get::<Option<Arc<ClientCertificate>>>().and_then(Option::as_ref);
        let certificate = certificate.ok_or_else(|| unauthorized("no Authorization header"))?;
        if certificate.until < Utc::now() {
            return Err(unauthorized("the certificate of the connection has expired"));
        }
        return Ok((
            Credential::Certificate(certificate.clone()),
            "the certificate of the connection has no key, or that is revoked",
        ));
    };
    let text = header.to_str().ok().and_then(|text| text.split_once(' '));
    let (_, token) = text
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .ok_or_else(|| unauthorized("not a Bearer key"))?;
    let key = token.trim().parse().map_err(|_| unauthorized(unknown))?;
    Ok((Credential::Key(key), unknown))
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

/// Who is calling, and the provider that `?provider=` names.
async fn holder(parts: &Parts, app: &App, scopes: &[Scope]) -> Result<(Holder, Option<Ref>)> {
    // Who may not call at all is not told what is wrong with the parameters.
    let named = named_provider(parts);
    let known = named.as_ref().ok().and_then(Option::as_ref);
    Ok((authenticate(parts, app, scopes, known).await?, named?))
}

/// The key's own provider, or for an admin key the one that was named.
fn tenant(parts: &Parts, mut holder: Holder, named: Option<Ref>) -> Result<Tenant> {
    match (holder.provider.take(), named) {
        (Some(Provider { provider_id, key, time_zone }), _) => Ok(Tenant {
            provider_id,
            key,
            time_zone,
            by: by(parts, &holder, Some(provider_id)),
            rate: holder.rate,
            part: Arc::new(holder.part),
        }),
        (None, Some(named)) => Err(Problem::no_such("provider", named, Some("provider"))),
        (None, None) => Err(Problem::parameter("provider", "an admin key must name the provider: ?provider=<key>")),
    }
}

/// Who calls and from where, for the audit.
fn by(parts: &Parts, holder: &Holder, provider_id: Option<i32>) -> By {
    By { provider_id, key_id: Some(holder.key_id), address: address(parts) }
}

fn address(parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<Peer>>();
    peer.map(|ConnectInfo(Peer(address))| address.ip().to_canonical())
}

fn named_provider(parts: &Parts) -> Result<Option<Ref>> {
    let pairs = extract::pairs(parts.uri.query().unwrap_or_default())?;
    let named = pairs.into_iter().find(|(name, _)| name == "provider").map(|(_, value)| value);
    named.map(|text| text.parse().map_err(|why| Problem::parameter("provider", format!("{text:?}: {why}")))).transpose()
}
