//! Connections from one store to another, sealed all the way.

use base64::{Engine, engine::general_purpose::STANDARD};
use linchpin::{Code, DateTime, Error, Result};
use serde::{Deserialize, Serialize};

use crate::{
    grants,
    host::Host,
    store::{self, Account, State},
    vault::Sealed,
};

/// The version of exports that is written and read.
const VERSION: u32 = 1;

/// Connections as they leave a store: what is secret in them stays sealed under the store's key.
#[derive(Serialize, Deserialize)]
struct Export {
    linchpin_export: u32,
    connections: Vec<Exported>,
}

#[derive(Serialize, Deserialize)]
struct Exported {
    id: String,
    tenant: String,
    name: String,
    connector: String,
    method: String,
    owner: Option<String>,
    scopes: Vec<String>,
    account: Option<Account>,
    state: State,
    since: DateTime,
    created: DateTime,
    fields: String,
    grant: Option<String>,
}

fn encode(sealed: &Sealed) -> String {
    STANDARD.encode(&sealed.0)
}

fn decode(text: &str) -> Result<Sealed> {
    STANDARD.decode(text).map(Sealed).map_err(|_| broken("a sealed record in it is damaged"))
}

fn broken(problem: &str) -> Error {
    Error::coded(Code::SealBroken, format!("this is no export of connections: {problem}"))
}

impl Host {
    /// Connections as a text for [`import`](Host::import). Their secrets stay sealed: whoever reads it needs this store's key.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn export(&self, rows: Vec<store::Connection>) -> Result<String> {
        let mut connections = Vec::new();
        for row in rows {
            let grant = self.0.store.grant(&row.id).await?;
            connections.push(Exported {
                fields: encode(&row.fields),
                grant: grant.map(|grant| encode(&grant.sealed)),
                id: row.id,
                tenant: row.tenant,
                name: row.name,
                connector: row.connector,
                method: row.method,
                owner: row.owner,
                scopes: row.scopes,
                account: row.identity,
                state: row.state,
                since: row.since,
                created: row.created,
            });
        }
        let export = Export { linchpin_export: VERSION, connections };
        serde_json::to_string_pretty(&export).map_err(|error| {
            Error::coded(Code::StoreFailed, format!("the export cannot be written: {error}"))
        })
    }

    /// Takes the connections of an export in, and seals them under this store's current key. The key of the store that they come
    /// from must be on the ring.
    ///
    /// Two stores that use one grant take its tokens from each other: delete the connections where they came from.
    ///
    /// # Errors
    ///
    /// [`Code::SealBroken`] when the text is no export, [`Code::KeyWrong`] when its key is not on the ring, [`Code::NameTaken`] when a
    /// name is: nothing was taken in then.
    pub async fn import(&self, text: &str) -> Result<Vec<store::Connection>> {
        let export: Export = serde_json::from_str(text).map_err(|error| broken(&error.to_string()))?;
        if export.linchpin_export != VERSION {
            return Err(broken(&format!("its version is {}, not {VERSION}", export.linchpin_export)));
        }
        let mut ready = Vec::new();
        for exported in export.connections {
            ready.push(self.unpack(exported).await?);
        }
        let mut taken = Vec::new();
        for (row, grant) in ready {
            self.0.store.connection_add(row.clone(), grant).await?;
            taken.push(row);
        }
        Ok(taken)
    }

    /// A connection of an export as this store keeps it.
    async fn unpack(&self, exported: Exported) -> Result<(store::Connection, Option<store::NewGrant>)> {
        self.0.connector(&exported.connector)?;
        if self.0.store.connection_named(&exported.tenant, &exported.name).await?.is_some() {
            let message = format!("there is a connection `{}` already", exported.name);
            return Err(Error::coded(Code::NameTaken, message).hint("nothing was taken in"));
        }
        let mut row = store::Connection {
            fields: decode(&exported.fields)?,
            id: exported.id,
            tenant: exported.tenant,
            name: exported.name,
            connector: exported.connector,
            method: exported.method,
            owner: exported.owner,
            scopes: exported.scopes,
            identity: exported.account,
            state: exported.state,
            since: exported.since,
            created: exported.created,
            ping: None,
            next_ping: Some(self.0.now()),
        };
        let values = self.0.values(&row)?;
        row.fields = self.0.seal_fields(&row.id, &values)?;
        let idle = self.idle_lifetime(&row.connector, &row.method)?;
        let grant = match &exported.grant {
            Some(text) => {
                let grant = grants::open(&self.0.vault, &row.id, &decode(text)?)?;
                Some(grants::seal(&self.0.vault, &row.id, &grant, idle)?)
            }
            None => None,
        };
        Ok((row, grant))
    }
}
