//! Who is calling. A handler says in its signature which callers it serves; the tenant of every query comes from here.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;

use crate::app::App;
use crate::core::entity::Ref;
use crate::http::extract;
use crate::http::intake::Held;
use crate::http::problem::{Code, Problem, Result};
use crate::keys::{ApiKey, Holder, KeyRate, Provider, Scope};

/// The provider in which a call acts, and the key that acts.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Tenant {
    pub provider_id: i32,
    /// The provider's key.
    pub key: String,
    /// Default billing time zone of its customers.
    pub time_zone: String,
    /// The API key, for the audit.
    #[sqlx(skip)]
    pub key_id: Option<i32>,
    /// How fast that key may send readings.
    #[sqlx(skip)]
    pub rate: KeyRate,
}

/// A caller who may keep providers and keys: admin.
pub struct Admin {
    pub key_id: i32,
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
        Ok(Self { key_id: holder.key_id })
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

macro_rules! tenant_caller {
    ($caller:ident, $scopes:expr) => {
        impl<S> FromRequestParts<S> for $caller
        where
            App: FromRef<S>,
            S: Send + Sync,
        {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
                tenant(parts, &App::from_ref(state), $scopes).await.map(Self)
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

/// The key's own provider, or for an admin key the one that `?provider=` names.
async fn tenant(parts: &Parts, app: &App, scopes: &[Scope]) -> Result<Tenant> {
    // Who may not call at all is not told what is wrong with the parameters.
    let named = named_provider(parts);
    let known = named.as_ref().ok().and_then(Option::as_ref);
    let holder = authenticate(parts, app, scopes, known).await?;
    match (holder.provider, named?) {
        (Some(Provider { provider_id, key, time_zone }), _) => {
            if let Some(held) = parts.extensions.get::<Held>() {
                held.count_for(app.guards.parts.of(provider_id));
            }
            Ok(Tenant { provider_id, key, time_zone, key_id: Some(holder.key_id), rate: holder.rate })
        }
        (None, Some(named)) => Err(Problem::no_such("provider", named, Some("provider"))),
        (None, None) => Err(Problem::parameter("provider", "an admin key must name the provider: ?provider=<key>")),
    }
}

fn named_provider(parts: &Parts) -> Result<Option<Ref>> {
    let pairs = extract::pairs(parts.uri.query().unwrap_or_default())?;
    let named = pairs.into_iter().find(|(name, _)| name == "provider").map(|(_, value)| value);
    named.map(|text| text.parse().map_err(|why| Problem::parameter("provider", format!("{text:?}: {why}")))).transpose()
}
