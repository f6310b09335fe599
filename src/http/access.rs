//! Who is calling. A handler says in its signature which callers it serves; the tenant of every query comes from here.

use std::net::IpAddr;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;

use crate::app::App;
use crate::core::entity::Ref;
use crate::http::extract;
use crate::http::intake::Held;
use crate::http::problem::{Code, Problem, Result};
use crate::keys::{ApiKey, Holder, KeyRate, Provider, Scope};
use crate::registry::audit::By;
use crate::server::Peer;

/// The provider in which a call acts, and the key that acts.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Tenant {
    pub provider_id: i32,
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
}

/// A caller who may keep providers: admin.
pub struct Admin {
    pub by: By,
}

/// A caller who may keep keys and see who changed what: admin in all providers or in the one that it names, provider in its
/// own.
pub struct Steward {
    /// None for all providers.
    pub tenant: Option<Tenant>,
    pub by: By,
}

/// A caller who may look at providers: admin at all of them, provider and read at their own.
pub struct ProviderReader {
    /// The one provider; none for all.
    pub provider_id: Option<i32>,
}

/// A caller who may read in a provider: admin, provider, read.
pub struct Reader(pub Tenant);

/// A caller who may change a provider's registry: admin, provider.
pub struct Writer(pub Tenant);

/// A caller who may post readings: admin, provider, ingest.
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
        if named.is_none() && holder.provider.is_none() {
            return Ok(Self { tenant: None, by: by(parts, &holder, None) });
        }
        let tenant = tenant(parts, holder, named)?;
        Ok(Self { by: tenant.by, tenant: Some(tenant) })
    }
}

macro_rules! tenant_caller {
    ($caller:ident, $scopes:expr) => {
        impl<S> FromRequestParts<S> for $caller
        where
            App: FromRef<S>,
            S: Send + Sync,
        {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
                let app = App::from_ref(state);
                let (holder, named) = holder(parts, &app, $scopes).await?;
                let tenant = tenant(parts, holder, named)?;
                if let Some(held) = parts.extensions.get::<Held>() {
                    held.count_for(app.guards.parts.of(tenant.provider_id));
                }
                Ok(Self(tenant))
            }
        }
    };
}

tenant_caller!(Reader, &[Scope::Admin, Scope::Provider, Scope::Read]);
tenant_caller!(Writer, &[Scope::Admin, Scope::Provider]);
tenant_caller!(Sender, &[Scope::Admin, Scope::Provider, Scope::Ingest]);

/// Who is calling, with the provider that is left by the key and by what is named.
async fn authenticate(parts: &Parts, app: &App, scopes: &[Scope], named: Option<&Ref>) -> Result<Holder> {
    let refused = |detail| Problem::new(Code::Unauthorized, detail);
    let header = parts.headers.get(header::AUTHORIZATION).ok_or_else(|| refused("no Authorization header"))?;
    let text = header.to_str().ok().and_then(|text| text.split_once(' '));
    let (_, token) =
        text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).ok_or_else(|| refused("not a Bearer key"))?;
    let key: ApiKey = token.trim().parse().map_err(|_| refused("unknown, expired or revoked key"))?;
    let holder = app.callers.holder(key, named.cloned()).await?;
    let holder = holder.ok_or_else(|| refused("unknown, expired or revoked key"))?;
    if scopes.contains(&holder.scope) {
        Ok(holder)
    } else {
        Err(Problem::new(Code::Forbidden, "the key's scope does not allow this"))
    }
}

/// Who is calling, and the provider that `?provider=` names.
async fn holder(parts: &Parts, app: &App, scopes: &[Scope]) -> Result<(Holder, Option<Ref>)> {
    // Who may not call at all is not told what is wrong with the parameters.
    let named = named_provider(parts);
    let known = named.as_ref().ok().and_then(Option::as_ref);
    Ok((authenticate(parts, app, scopes, known).await?, named?))
}

/// The key's own provider, or for an admin key the one that was named.
fn tenant(parts: &Parts, holder: Holder, named: Option<Ref>) -> Result<Tenant> {
    match (&holder.provider, named) {
        (Some(Provider { provider_id, key, time_zone }), _) => Ok(Tenant {
            provider_id: *provider_id,
            key: key.clone(),
            time_zone: time_zone.clone(),
            by: by(parts, &holder, Some(*provider_id)),
            rate: holder.rate,
        }),
        (None, Some(named)) => Err(Problem::no_such("provider", named, Some("provider"))),
        (None, None) => Err(Problem::parameter("provider", "an admin key must name the provider: ?provider=<key>")),
    }
}

/// Who calls and from where, for the audit.
fn by(parts: &Parts, holder: &Holder, provider_id: Option<i32>) -> By {
    let peer = parts.extensions.get::<ConnectInfo<Peer>>();
    let address: Option<IpAddr> = peer.map(|ConnectInfo(Peer(address))| address.ip().to_canonical());
    By { provider_id, key_id: Some(holder.key_id), address }
}

fn named_provider(parts: &Parts) -> Result<Option<Ref>> {
    let pairs = extract::pairs(parts.uri.query().unwrap_or_default())?;
    let named = pairs.into_iter().find(|(name, _)| name == "provider").map(|(_, value)| value);
    named.map(|text| text.parse().map_err(|why| Problem::parameter("provider", format!("{text:?}: {why}")))).transpose()
}
