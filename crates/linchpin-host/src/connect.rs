//! Making connections, and making them anew.

use std::{fmt, sync::Arc};

use linchpin::{Code, Error, Result, extract::ConnectionValues};
use linchpin_runtime::{Connection, DeviceLogin, Grant, GrantStore, Login, MemoryGrant, Way};

use crate::{
    grants,
    host::{Host, new_id},
    store::{self, Change, Filter, Ping, Renewed, State},
};

/// A connection that somebody wants to make.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// Whose it is; [`DEFAULT_TENANT`](crate::DEFAULT_TENANT) for those who do not care.
    pub tenant: String,
    /// The name by which it will be asked for.
    pub name: String,
    /// The connector's key.
    pub connector: String,
    /// Whom to tell when it needs attention.
    pub owner: Option<String>,
    /// The method and the fields of its form.
    pub values: ConnectionValues,
}

/// A connection whose form is filled in, and which is not kept yet.
pub struct Application {
    host: Host,
    new: NewConnection,
    /// The id of the connection that is made anew.
    again: Option<String>,
    connection: Connection,
    memory: Arc<MemoryGrant>,
}

/// A connection that was made.
#[derive(Debug, Clone)]
pub struct Connected {
    /// It as it is kept.
    pub connection: store::Connection,
    /// The names of other connections of the tenant with the same account.
    pub twins: Vec<String>,
}

impl Host {
    /// Checks a form, and readies a login where the method wants one. Nothing is kept before [`Application::finish`].
    ///
    /// # Errors
    ///
    /// [`Code::NameTaken`] when the tenant has a connection of this name, [`Code::ConnectionInvalid`] with every violation of the
    /// form, [`Code::ClientMissing`].
    pub async fn apply(&self, new: NewConnection) -> Result<Application> {
        check_name("name", &new.name)?;
        check_name("tenant", &new.tenant)?;
        if self.0.store.connection_named(&new.tenant, &new.name).await?.is_some() {
            let message = format!("there is a connection `{}` already", new.name);
            let hint = format!("choose another name, or `linchpin auth login --again {}`", new.name);
            return Err(Error::coded(Code::NameTaken, message).hint(hint));
        }
        self.application(new, None).await
    }

    /// As [`apply`](Host::apply), for a connection that is there: it keeps its id, name and history. Without values its form stays
    /// as it was.
    ///
    /// # Errors
    ///
    /// [`Code::ConnectionUnknown`], and as [`apply`](Host::apply).
    pub async fn apply_again(
        &self,
        tenant: &str,
        name: &str,
        values: Option<ConnectionValues>,
    ) -> Result<Application> {
        let row = self.kept(tenant, name).await?;
        let values = match values {
            Some(values) => values,
            None => self.0.values(&row)?,
        };
        let new = NewConnection {
            tenant: row.tenant,
            name: row.name,
            connector: row.connector,
            owner: row.owner,
            values,
        };
        self.application(new, Some(row.id)).await
    }

    async fn application(&self, mut new: NewConnection, again: Option<String>) -> Result<Application> {
        let (connection, memory) = self.0.make_loose(&new.connector, new.values, None).await?;
        // Checked, and with defaults filled in.
        new.values = connection.values().clone();
        Ok(Application { host: self.clone(), new, again, connection, memory })
    }
}

/// Names stand in commands, logs and file names.
fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '@');
    if !name.is_empty() && name.len() <= 100 && name.chars().all(fits) && !name.starts_with('-') {
        return Ok(());
    }
    let message = format!("`{}` cannot be the {what} of a connection", name.escape_debug());
    let hint = "use up to 100 letters, digits, `-`, `_`, `.` and `@`, not beginning with `-`";
    Err(Error::coded(Code::ConnectionInvalid, message).actor(linchpin::Actor::Caller).hint(hint))
}

impl Application {
    /// How it gets its grant.
    pub fn way(&self) -> Way {
        self.connection.way()
    }

    /// Begins a login in a browser.
    ///
    /// # Errors
    ///
    /// As [`Connection::login`].
    pub fn login(&self, redirect_uri: &str) -> Result<Login> {
        self.connection.login(redirect_uri)
    }

    /// Begins a login by a code that is entered elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Connection::device_login`].
    pub async fn device_login(&self) -> Result<DeviceLogin> {
        self.connection.device_login(self.host.runtime()).await
    }

    /// Takes what a login brought.
    ///
    /// # Errors
    ///
    /// When there is a grant already.
    pub async fn take(&self, grant: &Grant) -> Result<()> {
        match self.memory.swap(0, grant).await? {
            true => Ok(()),
            false => Err(Error::coded(Code::LoginFailed, "the connection has been authorized already")),
        }
    }

    /// Asks the service whose connection it is, and keeps it.
    ///
    /// # Errors
    ///
    /// Whatever the service says against it: nothing is kept then.
    pub async fn finish(self) -> Result<Connected> {
        if self.way() == Way::Exchange {
            self.connection.refresh(self.host.runtime()).await?;
        }
        let (ping, outcome) = self.host.ask(&self.connection).await;
        outcome?;
        self.keep(Some(ping)).await
    }

    /// Keeps it unseen: for a service that cannot be asked now.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn finish_unchecked(self) -> Result<Connected> {
        self.keep(None).await
    }

    async fn keep(self, ping: Option<Ping>) -> Result<Connected> {
        let Application { host, new, again, connection, memory } = self;
        let inner = &host.0;
        let now = inner.now();
        let id = match &again {
            Some(id) => id.clone(),
            None => new_id()?,
        };
        let kept = memory.load().await?.grant;
        if kept.is_none() && matches!(connection.way(), Way::Browser | Way::Device) {
            return Err(Error::coded(Code::LoginFailed, "the connection was not authorized yet"));
        }
        let scopes = kept.as_ref().and_then(|grant| grant.scopes.clone()).unwrap_or_default();
        let idle = host.idle_lifetime(&new.connector, &new.values.method)?;
        let grant = kept.map(|grant| grants::seal(&inner.vault, &id, &grant, idle)).transpose()?;
        let fields = inner.seal_fields(&id, &new.values)?;
        let next_ping = host.next_ping(now);
        match &again {
            Some(_) => {
                let renewed = Renewed {
                    method: new.values.method.clone(),
                    fields,
                    scopes,
                    change: Change { state: State::Active, at: now, reason: "authorized anew".to_owned() },
                };
                if !inner.store.connection_renew(&id, renewed, grant).await? {
                    let message = format!("the connection `{}` was taken away meanwhile", new.name);
                    return Err(Error::coded(Code::ConnectionUnknown, message));
                }
                host.forget(&id);
            }
            None => {
                let row = store::Connection {
                    id: id.clone(),
                    tenant: new.tenant.clone(),
                    name: new.name.clone(),
                    connector: new.connector.clone(),
                    method: new.values.method.clone(),
                    owner: new.owner,
                    fields,
                    scopes,
                    identity: None,
                    state: State::Active,
                    since: now,
                    created: now,
                    ping: None,
                    next_ping: Some(next_ping),
                };
                inner.store.connection_add(row, grant).await?;
            }
        }
        let other = again.is_some() && ping.is_some();
        if let Some(ping) = ping {
            inner.store.connection_pinged(&id, ping, Some(next_ping)).await?;
        }
        let Some(connection) = inner.store.connection(&id).await? else {
            return Err(Error::coded(Code::ConnectionUnknown, "the connection was taken away at once"));
        };
        if other {
            host.hooks_rerouted(&connection).await?;
        }
        let twins = host.twins(&connection).await?;
        Ok(Connected { connection, twins })
    }
}

impl Host {
    /// Other connections of the tenant to the same account.
    async fn twins(&self, connection: &store::Connection) -> Result<Vec<String>> {
        let Some(account) = &connection.identity else { return Ok(Vec::new()) };
        let which = Filter {
            tenant: Some(connection.tenant.clone()),
            connector: Some(connection.connector.clone()),
            account: Some(account.id.clone()),
            ..Filter::default()
        };
        let found = self.0.store.connections(which).await?;
        Ok(found.into_iter().filter(|other| other.id != connection.id).map(|other| other.name).collect())
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Application({} by {:?})", self.new.name, self.connection)
    }
}
