//! Where effects can be counted, each with none, one and several, and each when it can't say.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use idemcheck::load::Places;
use idemcheck::load::effects::Probe;
use idemcheck::load::send::Trust;
use idemcheck::policy::{Effects, Load, Values};

use crate::harness::{durable, fresh};

fn load(effects: Effects) -> Load {
    Load {
        urls: vec!["http://127.0.0.1:1/".to_owned()],
        method: "POST",
        headers: BTreeMap::from([("X-Tenant".to_owned(), "acme".to_owned())]),
        body: "{}".to_owned(),
        conflicting: None,
        key_in_body: false,
        ignore: Vec::new(),
        settle: 0,
        late: false,
        slow: None,
        failing: None,
        values: Values::new(),
        other: None,
        effects,
    }
}

/// The counts of three keys, or the first error.
fn counts(effects: Effects) -> Result<Vec<u64>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let probe = Probe::open(&load(effects), &Trust::new(Vec::new())?).await?;
        let mut counts = Vec::new();
        for key in ["none", "one", "it's two"] {
            counts.push(probe.count(&Places { key, n: 0, random: 0, values: &Values::new() }, None).await?);
        }
        Ok(counts)
    })
}

#[track_caller]
fn fails(effects: Effects, says: &str) {
    let error = counts(effects.clone()).unwrap_err();
    assert!(error.contains(says), "{effects:?}: {error}");
}

const KEYS: [&str; 3] = ["one", "it's two", "it's two"];
const COUNT: &str = "SELECT count(*) FROM charges WHERE key = $1";

#[test]
fn rows_are_counted_in_every_database() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (name, store) in durable(folder.path()) {
        let sql = |statement: &str| Effects::Sql { store: store.clone(), statement: statement.to_owned() };
        match name {
            "sqlite" => {
                let file = rusqlite::Connection::open(store.strip_prefix("sqlite:").unwrap()).unwrap();
                file.execute_batch("CREATE TABLE charges (key TEXT)").unwrap();
                for key in KEYS {
                    file.execute("INSERT INTO charges VALUES (?1)", [key]).unwrap();
                }
                fails(sql("DELETE FROM charges RETURNING 1"), "readonly");
            }
            "postgres" => runtime.block_on(async {
                let (client, connection) =
                    tokio_postgres::connect(&store, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                client.batch_execute("CREATE TABLE charges (key TEXT)").await.unwrap();
                for key in KEYS {
                    client.execute("INSERT INTO charges VALUES ($1)", &[&key]).await.unwrap();
                }
            }),
            "redis" => {
                let prefix = fresh("charges");
                runtime.block_on(async {
                    let client = redis::Client::open(store.as_str()).unwrap();
                    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
                    for key in KEYS {
                        let list = format!("{prefix}:{key}");
                        redis::cmd("RPUSH").arg(list).arg(1).exec_async(&mut connection).await.unwrap();
                    }
                });
                let redis = |command: &str| Effects::Redis {
                    store: store.clone(),
                    command: vec![command.to_owned(), format!("{prefix}:{{{{key}}}}")],
                };
                assert_eq!(counts(redis("LLEN")), Ok(vec![0, 1, 2]));
                // What was never set is none.
                fails(redis("GET"), "WRONGTYPE");
                continue;
            }
            _ => continue,
        }
        assert_eq!(counts(sql(COUNT)), Ok(vec![0, 1, 2]), "{name}");
        assert_eq!(counts(sql("SELECT count(*) FROM charges")), Ok(vec![3, 3, 3]), "{name}");
        fails(sql("SELECT count(*) FROM nowhere WHERE key = $1"), "effects can't be counted");
        fails(sql("SELECT -1"), "-1 is no count");
    }
}

#[test]
fn a_program_counts() {
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Effects::Command(vec![path.display().to_string(), "{{key}}".to_owned()])
    };
    let counting = "case \"$1\" in none) echo 0;; one) echo 1;; \"it's two\") echo 2;; esac";
    assert_eq!(counts(program("count", counting)), Ok(vec![0, 1, 2]));
    fails(program("words", "echo many"), "`many` is no count");
    fails(program("broken", "echo 1; exit 3"), "exit status: 3");
    fails(Effects::Command(vec![Path::new("/nowhere").display().to_string()]), "No such file");
}

#[test]
fn an_address_counts() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).unwrap();
            let request = String::from_utf8_lossy(&bytes[..read]).into_owned();
            let (status, body) = match request.split(' ').nth(1).unwrap() {
                "/list/one" => (200, "{\"a\":{\"effects\":[7]}}"),
                path if path.starts_with("/list/") => (200, "{\"a\":{\"effects\":[]}}"),
                "/text" if request.to_lowercase().contains("x-tenant: acme") => (200, " 2\n"),
                _ => (500, "3"),
            };
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let url = |path: &str, pointer: Option<&str>| Effects::Url {
        url: format!("http://{address}{path}"),
        pointer: pointer.map(str::to_owned),
    };
    assert_eq!(counts(url("/text", None)), Ok(vec![2, 2, 2]));
    fails(url("/text", Some("/effects")), "has nothing at /effects");
    fails(url("/other", None), "answered 500");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listed = runtime.block_on(async {
        let load = load(url("/list/{{key}}", Some("/a/effects")));
        let probe = Probe::open(&load, &Trust::new(Vec::new()).unwrap()).await.unwrap();
        let mut counts = Vec::new();
        for key in ["none", "one"] {
            counts.push(
                probe.count(&Places { key, n: 0, random: 0, values: &Values::new() }, None).await.unwrap(),
            );
        }
        counts
    });
    assert_eq!(listed, [0, 1]);
}
