//! What only stores on a PostgreSQL server do.

use std::path::PathBuf;

use linchpin::Code;
use linchpin_host::store::{Postgres, Store};
use linchpin_testing::Database;

/// The files of the tables of a database, and the server's log.
pub(crate) fn files(database: &Database) -> Vec<PathBuf> {
    database.run("checkpoint");
    let sql =
        "select pg_relation_filepath(oid) from pg_class where relname like 'linchpin%' and relkind = 'r'";
    let folder = database.folder();
    let mut files: Vec<_> = database.run(sql).iter().map(|file| folder.join("data").join(file)).collect();
    assert!(!files.is_empty());
    files.push(folder.join("log"));
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_open_a_fresh_database_at_once_all_succeed() {
    let Some(database) = Database::new() else { return };
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let url = database.url().to_owned();
            tokio::spawn(async move { Postgres::open(&url).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(database.run("select version from linchpin_schema"), ["9"]);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let Some(database) = Database::new() else { return };
    drop(Postgres::open(database.url()).await.unwrap());
    database.run("update linchpin_schema set version = 99");
    let error = Postgres::open(database.url()).await.unwrap_err();
    assert_eq!(error.code(), Code::StoreFailed);
    assert!(error.to_string().contains("newer linchpin"), "{error}");
    assert_eq!(database.run("select version from linchpin_schema"), ["99"]);
}

#[tokio::test]
async fn a_database_needs_no_right_to_make_tables_once_they_are_there() {
    let Some(database) = Database::new() else { return };
    drop(Postgres::open(database.url()).await.unwrap());
    let role = "reader";
    database.run("revoke create on schema public from public");
    database.run(&format!("create role {role} login"));
    database.run(&format!("grant select, insert, update, delete on all tables in schema public to {role}"));
    let store = Postgres::open(&database.url().replace("linchpin@", &format!("{role}@"))).await.unwrap();
    store.note_once("it", b"is there").await.unwrap();
}
