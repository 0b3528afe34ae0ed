//! The host: connectors, a store, and everything between them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use linchpin::{
    Code, Connector, DateTime, Error, Result, Secret,
    extract::ConnectionValues,
    manifest::spec::{AuthKind, AuthMethod, ClientOwner, Spec},
};
use linchpin_runtime::{
    Clock, Connection, ConnectionBuilder, Grant, MemoryGrant, OAuthClient, RefreshPolicy, Runtime,
    SystemClock,
};

use crate::{
    cells::StoredCells,
    grants::{self, StoredGrant},
    hook,
    store::{self, Filter, State, Store},
    vault::{Kind, Place, Vault},
};

/// The tenant of those who do not name one.
pub const DEFAULT_TENANT: &str = "default";

/// Runs connectors for the connections of a store. Cheap to clone.
///
/// ```no_run
/// # async fn example(connector: linchpin::Connector) -> linchpin::Result<()> {
/// use linchpin_host::{Host, store::Sqlite, vault::{KeySource, Vault}};
///
/// let store = Sqlite::open("linchpin.db")?;
/// let vault = Vault::unlock(&store, KeySource::beside("linchpin.db".as_ref())).await?;
/// let host = Host::builder(store, vault).connector(connector).build()?;
/// let connection = host.connection("default", "work").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Vault,
    pub(crate) runtime: Runtime,
    connectors: BTreeMap<String, Connector>,
    clients: BTreeMap<String, OAuthClient>,
    base_urls: BTreeMap<String, String>,
    /// Where services reach this installation, without a slash at the end.
    pub(crate) public_url: Option<String>,
    pub(crate) clock: Arc<dyn Clock>,
    policy: RefreshPolicy,
    notices: Box<dyn Fn(&Notice) + Send + Sync>,
    /// Who takes leases.
    pub(crate) holder: String,
    /// Connections as the runtime has them, so that all calls of a process share one exchange.
    ready: Mutex<HashMap<String, Ready>>,
    /// How often hooks were turned off here.
    pub(crate) changes: hook::Changes,
    /// Told when something is due earlier than the worker has heard.
    pub(crate) wake: tokio::sync::Notify,
    /// Told when a look has put entries into the inbox, which whoever hands them on does not know of.
    pub(crate) found: tokio::sync::Notify,
}

/// A connection at work, and what it was made of.
struct Ready {
    row: store::Connection,
    connection: Connection,
}

/// Something that the owner of a connection should know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The connection's tenant.
    pub tenant: String,
    /// Its name.
    pub name: String,
    /// Its owner, as noted with it.
    pub owner: Option<String>,
    /// What happened.
    pub kind: NoticeKind,
    /// Why, in words without secrets.
    pub reason: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// The connection came into this state.
    State(State),
    /// Tokens could not be revoked at the service; it is tried again.
    RevocationFailed,
    /// A webhook cannot be registered, checked, renewed or taken back; it is tried again.
    HookFailing,
    /// A webhook had to be registered anew: deliveries may have been missed before.
    HookGap,
    /// A webhook says only that there is news, and no monitor that is on looks for it.
    HookUnheard,
    /// A service may still deliver to a webhook that is gone here, and somebody has to see to it there.
    HookLeft,
    /// A monitor stands still until somebody resets it.
    MonitorStopped,
    /// A delivery or record could not be handed on, and waits for somebody to look at it.
    DeadLetter,
}

/// Makes a [`Host`].
#[must_use = "nothing is made before `build`"]
pub struct HostBuilder(Inner);

impl Host {
    /// A host over a store and the vault that was unlocked for it.
    pub fn builder(store: impl Store, vault: Vault) -> HostBuilder {
        Host::builder_shared(Arc::new(store), vault)
    }

    /// As [`builder`](Host::builder), with a store that is chosen at run time.
    pub fn builder_shared(store: Arc<dyn Store>, vault: Vault) -> HostBuilder {
        HostBuilder(Inner {
            store,
            vault,
            runtime: Runtime::new(),
            connectors: BTreeMap::new(),
            clients: BTreeMap::new(),
            base_urls: BTreeMap::new(),
            public_url: None,
            clock: Arc::new(SystemClock),
            policy: RefreshPolicy::default(),
            notices: Box::new(|_| {}),
            holder: String::new(),
            ready: Mutex::new(HashMap::new()),
            changes: hook::Changes::default(),
            wake: tokio::sync::Notify::new(),
            found: tokio::sync::Notify::new(),
        })
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// The runtime that all connections share.
    pub fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    /// The connectors, by key.
    pub fn connectors(&self) -> impl Iterator<Item = &Connector> {
        self.0.connectors.values()
    }

    /// Connections as they are kept, by tenant and name in their order.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn connections(&self, which: Filter) -> Result<Vec<store::Connection>> {
        self.0.store.connections(which).await
    }

    /// A connection as it is kept.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionUnknown`] when there is none of this name.
    pub async fn kept(&self, tenant: &str, name: &str) -> Result<store::Connection> {
        match self.0.store.connection_named(tenant, name).await? {
            Some(row) => Ok(row),
            None => {
                let of = if tenant == DEFAULT_TENANT { String::new() } else { format!(" of `{tenant}`") };
                let message = format!("there is no connection `{name}`{of}");
                Err(Error::coded(Code::ConnectionUnknown, message)
                    .hint("`linchpin auth list` shows those that there are"))
            }
        }
    }

    /// A connection to call flows with. All calls in this process share it, and with it one exchange of tokens.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionUnknown`] when there is none of this name or it is being taken away, [`Code::ReauthorizationNeeded`] when
    /// only its owner can make it work again.
    pub async fn connection(&self, tenant: &str, name: &str) -> Result<Connection> {
        let row = self.kept(tenant, name).await?;
        match row.state {
            State::Revoked => {
                let message = format!("the connection `{name}` is being taken away");
                Err(Error::coded(Code::ConnectionUnknown, message))
            }
            State::NeedsReauthorization => {
                let last = self.0.store.history(&row.id).await?.pop();
                let reason = last.map(|change| format!(": {}", change.reason)).unwrap_or_default();
                let message = format!("the connection `{name}` needs to be authorized anew{reason}");
                let hint = format!("`linchpin auth login --again {name}`");
                Err(Error::coded(Code::ReauthorizationNeeded, message).hint(hint))
            }
            _ => self.ready(&row).await,
        }
    }

    /// A connection at work, made when it is first needed and whenever its fields have changed.
    pub(crate) async fn ready(&self, row: &store::Connection) -> Result<Connection> {
        let known = |ready: &HashMap<String, Ready>| {
            let ready = ready.get(&row.id)?;
            let same = ready.row.method == row.method && ready.row.fields == row.fields;
            same.then(|| ready.connection.clone())
        };
        let at_hand = known(&self.0.ready.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(connection) = at_hand {
            return Ok(connection);
        }
        let values = self.0.values(row)?;
        let grants = StoredGrant {
            host: Arc::downgrade(&self.0),
            id: row.id.clone(),
            holder: self.0.holder.clone(),
            idle_lifetime: self.idle_lifetime(&row.connector, &row.method)?,
        };
        let cells = Arc::new(StoredCells(self.0.store.clone()));
        let builder =
            self.0.builder(&row.connector, values).await?.grants(Arc::new(grants)).cells(cells, &row.id);
        let connection = builder.build()?;
        let mut ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
        // Another task may have made one meanwhile; then both must be the same.
        if let Some(connection) = known(&ready) {
            return Ok(connection);
        }
        ready.insert(row.id.clone(), Ready { row: row.clone(), connection: connection.clone() });
        Ok(connection)
    }

    /// Waits for every exchange of tokens that is under way. A process must not end before: an answer that nobody stores is a lost
    /// grant.
    pub async fn settle(&self) {
        let connections: Vec<Connection> = {
            let ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
            ready.values().map(|ready| ready.connection.clone()).collect()
        };
        for connection in connections {
            connection.settle().await;
        }
    }

    /// Forgets a connection that is gone, and that its hooks were on.
    pub(crate) fn forget(&self, id: &str) {
        self.0.changes.note();
        self.0.ready.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({:?})", self.0.connectors.keys())
    }
}

impl Inner {
    pub(crate) fn tell(&self, notice: &Notice) {
        (self.notices)(notice);
    }

    pub(crate) fn connector(&self, key: &str) -> Result<&Connector> {
        self.connectors.get(key).ok_or_else(|| {
            let known: Vec<String> = self.connectors.keys().map(|key| format!("`{key}`")).collect();
            let message = format!("the connector `{key}` is not part of this program");
            Error::coded(Code::ConnectionInvalid, message)
                .actor(linchpin::Actor::Operator)
                .hint(format!("it has {}", known.join(", ")))
        })
    }

    /// A method of a connector; none for a connector without any.
    pub(crate) fn method(&self, connector: &str, key: &str) -> Result<(Arc<Spec>, Option<AuthMethod>)> {
        let spec = self.connector(connector)?.shared_spec()?;
        let method = match (&spec.auth[..], key) {
            ([only], "") => Some(only.clone()),
            (methods, key) => methods.iter().find(|method| method.key == key).cloned(),
        };
        Ok((spec, method))
    }

    fn place(kind: Kind, id: &str) -> Place {
        Place { kind, id: id.to_owned() }
    }

    /// The fields of a form, sealed for a row.
    pub(crate) fn seal_fields(&self, id: &str, values: &ConnectionValues) -> Result<crate::vault::Sealed> {
        let fields: BTreeMap<&str, &str> =
            values.fields.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
        let text = serde_json::to_vec(&fields).map_err(|error| {
            Error::coded(Code::StoreFailed, format!("the fields cannot be written: {error}"))
        })?;
        self.vault.seal(&Inner::place(Kind::Fields, id), &zeroize::Zeroizing::new(text))
    }

    /// The form of a row.
    pub(crate) fn values(&self, row: &store::Connection) -> Result<ConnectionValues> {
        let text = self.vault.open(&Inner::place(Kind::Fields, &row.id), &row.fields)?;
        let fields: BTreeMap<String, String> = serde_json::from_slice(&text).map_err(|_| {
            Error::coded(Code::SealBroken, format!("the fields of `{}` are no fields", row.name))
        })?;
        let fields = fields.into_iter().map(|(key, value)| (key, Secret::new(value))).collect();
        Ok(ConnectionValues { method: row.method.clone(), fields })
    }

    /// What every connection for the runtime is made of.
    pub(crate) async fn builder(
        &self,
        connector: &str,
        values: ConnectionValues,
    ) -> Result<ConnectionBuilder> {
        let (_, method) = self.method(connector, &values.method)?;
        let mut builder = Connection::builder(self.connector(connector)?, values)
            .clock(self.clock.clone())
            .refresh(self.policy);
        if let Some(url) = self.base_urls.get(connector) {
            builder = builder.base_url(url);
        }
        if let Some(method) = method
            && let AuthKind::OAuth2(oauth) = &method.kind
            && oauth.client == ClientOwner::Developer
            && let Some(client) = self.client(connector, &method.key).await?
        {
            builder = builder.client(client);
        }
        Ok(builder)
    }

    /// The OAuth client of whoever runs the connector: given with the host, or kept in the store.
    async fn client(&self, connector: &str, method: &str) -> Result<Option<OAuthClient>> {
        if let Some(client) = self.clients.get(connector) {
            return Ok(Some(client.clone()));
        }
        let Some(client) = self.store.client(connector, method).await? else { return Ok(None) };
        let secret = match &client.secret {
            Some(sealed) => {
                let place = Inner::place(Kind::Client, &format!("{connector}/{method}"));
                let text = self.vault.open(&place, sealed)?;
                Some(Secret::new(String::from_utf8_lossy(&text).into_owned()))
            }
            None => None,
        };
        Ok(Some(OAuthClient { id: client.id, secret }))
    }

    /// The grant that is kept for a row, if any.
    pub(crate) async fn grant(&self, id: &str) -> Result<Option<Grant>> {
        match self.store.grant(id).await? {
            Some(row) => grants::open(&self.vault, id, &row.sealed).map(Some),
            None => Ok(None),
        }
    }

    /// A connection with its grant in memory only: before it is kept, and after it is gone.
    pub(crate) async fn make_loose(
        &self,
        connector: &str,
        values: ConnectionValues,
        grant: Option<Grant>,
    ) -> Result<(Connection, Arc<MemoryGrant>)> {
        let memory = Arc::new(MemoryGrant::new(grant));
        let connection = self.builder(connector, values).await?.grants(memory.clone()).build()?;
        Ok((connection, memory))
    }

    pub(crate) fn now(&self) -> DateTime {
        self.clock.now()
    }
}

impl Host {
    /// Keeps the OAuth client of a connector's method, sealed.
    ///
    /// # Errors
    ///
    /// When the connector has no such method with a client of the operator's, and when the store cannot be written.
    pub async fn keep_client(&self, connector: &str, method: &str, client: &OAuthClient) -> Result<()> {
        let (_, found) = self.0.method(connector, method)?;
        let fits = found.as_ref().is_some_and(|method| {
            matches!(&method.kind, AuthKind::OAuth2(oauth) if oauth.client == ClientOwner::Developer)
        });
        let Some(found) = found.filter(|_| fits) else {
            let message = format!("the method `{method}` of `{connector}` takes no OAuth client of yours");
            return Err(Error::coded(Code::ConnectionInvalid, message));
        };
        let place = Inner::place(Kind::Client, &format!("{connector}/{}", found.key));
        let secret =
            client.secret.as_ref().map(|secret| self.0.vault.seal(&place, secret.expose().as_bytes()));
        self.0
            .store
            .client_put(store::Client {
                connector: connector.to_owned(),
                method: found.key,
                id: client.id.clone(),
                secret: secret.transpose()?,
            })
            .await
    }
}

impl HostBuilder {
    /// A connector that connections may be of.
    pub fn connector(mut self, connector: Connector) -> HostBuilder {
        self.0.connectors.insert(connector.key().to_owned(), connector);
        self
    }

    /// Several connectors.
    pub fn connectors(self, connectors: impl IntoIterator<Item = Connector>) -> HostBuilder {
        connectors.into_iter().fold(self, HostBuilder::connector)
    }

    /// The OAuth client of a connector, in place of one in the store.
    pub fn client(mut self, connector: &str, client: OAuthClient) -> HostBuilder {
        self.0.clients.insert(connector.to_owned(), client);
        self
    }

    /// Another base URL for a connector: the operator's leave for exactly its scheme, host and port.
    pub fn base_url(mut self, connector: &str, url: impl Into<String>) -> HostBuilder {
        self.0.base_urls.insert(connector.to_owned(), url.into());
        self
    }

    /// Where services reach this installation from outside, as in `https://hooks.example`; event URLs stand under it. Without it no
    /// webhook can be registered, and those that are stay where they are.
    pub fn public_url(mut self, url: impl Into<String>) -> HostBuilder {
        self.0.public_url = Some(url.into());
        self
    }

    /// The runtime that all connections share: one that knows the operator's signers, authorities, networks and proxy.
    pub fn runtime(mut self, runtime: Runtime) -> HostBuilder {
        self.0.runtime = runtime;
        self
    }

    /// Another clock than the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> HostBuilder {
        self.0.clock = clock;
        self
    }

    /// How tokens are kept fresh.
    pub fn refresh(mut self, policy: RefreshPolicy) -> HostBuilder {
        self.0.policy = policy;
        self
    }

    /// Who is told when a connection needs somebody.
    pub fn notices(mut self, tell: impl Fn(&Notice) + Send + Sync + 'static) -> HostBuilder {
        self.0.notices = Box::new(tell);
        self
    }

    /// The host.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers; [`Code::PublicUrlMissing`] when the public URL is none.
    pub fn build(mut self) -> Result<Host> {
        self.0.holder = new_id()?;
        self.0.public_url = self.0.public_url.map(|url| hook::public_url(&url)).transpose()?;
        Ok(Host(Arc::new(self.0)))
    }
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostBuilder({:?})", self.0.connectors.keys())
    }
}

/// A new id: a random UUID (RFC 9562 §5.4).
pub(crate) fn new_id() -> Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| Error::coded(Code::StoreFailed, format!("no random numbers can be had: {error}")))?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid().to_string())
}
