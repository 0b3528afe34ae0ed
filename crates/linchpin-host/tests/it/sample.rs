//! Records to fill stores with.

use std::{collections::BTreeMap, sync::LazyLock};

use linchpin::{DateTime, extract::ConnectionValues};
use linchpin_host::{
    DEFAULT_TENANT, NewConnection,
    store::{
        Account, Attempt, Change, Connection, Hook, NewGrant, Ping, Revocation, Stage, State, TokenFate,
    },
    vault::{Keys, Kind, Place, Sealed, Vault},
};

static VAULT: LazyLock<Vault> = LazyLock::new(|| Vault::new(Keys::random().unwrap()));

pub(crate) fn place(kind: Kind, id: &str) -> Place {
    Place { kind, id: id.to_owned() }
}

pub(crate) fn sealed(kind: Kind, id: &str) -> Sealed {
    VAULT.seal(&place(kind, id), b"a secret").unwrap()
}

/// So many seconds after some day.
pub(crate) fn at(seconds: i64) -> DateTime {
    DateTime::from_unix_millis(1_772_355_600_000 + seconds * 1000 + 7).unwrap()
}

/// The connection `work` of the connector `tracker`, before it is made.
pub(crate) fn new_connection() -> NewConnection {
    NewConnection {
        tenant: DEFAULT_TENANT.to_owned(),
        name: "work".to_owned(),
        connector: "tracker".to_owned(),
        owner: None,
        values: ConnectionValues::default(),
    }
}

/// A connection with nothing in it that may be left out; its id is its name.
pub(crate) fn connection(name: &str) -> Connection {
    Connection {
        id: name.to_owned(),
        tenant: "acme".to_owned(),
        name: name.to_owned(),
        connector: "tracker".to_owned(),
        method: "oauth".to_owned(),
        owner: None,
        fields: sealed(Kind::Fields, name),
        scopes: Vec::new(),
        identity: None,
        state: State::Active,
        since: at(0),
        created: at(0),
        ping: None,
        next_ping: None,
    }
}

pub(crate) fn account(id: &str) -> Account {
    Account { id: id.to_owned(), label: format!("{id}@example.com") }
}

pub(crate) fn grant(id: &str) -> NewGrant {
    NewGrant { sealed: sealed(Kind::Grant, id), expires: Some(at(3600)), keep_alive: None }
}

pub(crate) fn ping(seconds: i64) -> Ping {
    Ping { at: at(seconds), millis: 40, account: None, scopes: Vec::new(), expires: None, problem: None }
}

pub(crate) fn change(state: State, seconds: i64) -> Change {
    Change { state, at: at(seconds), reason: format!("since {seconds}") }
}

pub(crate) fn revocation(id: &str, connection: &str, seconds: i64) -> Revocation {
    Revocation {
        id: id.to_owned(),
        connection: connection.to_owned(),
        tenant: "acme".to_owned(),
        name: connection.to_owned(),
        connector: "tracker".to_owned(),
        method: "oauth".to_owned(),
        sealed: sealed(Kind::Revocation, id),
        created: at(seconds),
        attempts: 0,
        last: None,
        next: Some(at(seconds)),
    }
}

/// A hook of a connection, with nothing in it that may be left out.
pub(crate) fn hook(id: &str, connection: &str) -> Hook {
    let mut token_hash = [0; 32];
    token_hash[..id.len()].copy_from_slice(id.as_bytes());
    Hook {
        id: id.to_owned(),
        tenant: "acme".to_owned(),
        connection: connection.to_owned(),
        connector: "tracker".to_owned(),
        hook: "project".to_owned(),
        options: r#"{"project":"web"}"#.to_owned(),
        token_hash,
        sealed: sealed(Kind::Hook, id),
        routing: None,
        stage: Stage::Registering,
        since: at(0),
        created: at(0),
        expires: None,
        next: Some(at(10)),
        held: None,
        seen: None,
        attempts: 0,
        problem: None,
        version: 1,
    }
}

pub(crate) fn attempt(seconds: i64) -> Attempt {
    let fate = |token: &str, fate| (token.to_owned(), fate);
    Attempt {
        at: at(seconds),
        tokens: BTreeMap::from([
            fate("refresh_token", TokenFate::AlreadyGone),
            fate("access_token", TokenFate::Unreachable),
        ]),
        problem: Some("the service answered 503".to_owned()),
    }
}
