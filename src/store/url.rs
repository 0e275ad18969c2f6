//! A store from its address.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "dynamodb")]
use super::dynamodb::DynamoDb;
use super::memory::Memory;
use super::postgres::Postgres;
use super::redis::Redis;
use super::sqlite::Sqlite;
use super::{SharedStore, StoreError};

/// The addresses there are, for messages.
#[cfg(not(feature = "dynamodb"))]
const FORMS: &str =
    "`memory:`, `sqlite:PATH`, `postgres://USER@HOST/DATABASE`, `redis://HOST` and `redis://HOST/NUMBER`";
#[cfg(feature = "dynamodb")]
const FORMS: &str = "`memory:`, `sqlite:PATH`, `postgres://USER@HOST/DATABASE`, `redis://HOST`, \
     `redis://HOST/NUMBER` and `dynamodb://TABLE?region=REGION`";

/// Why a store was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The address is wrong: what about it, and what to write instead.
    Address(String),
    /// The address is good, and the store is not.
    Store { shown: String, error: StoreError },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Address(what) => f.write_str(what),
            OpenError::Store { shown, error } => write!(f, "{shown}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Address(_) => None,
            OpenError::Store { error, .. } => Some(error),
        }
    }
}

/// Opens the store at an address, and makes its tables where they are missing.
///
/// # Errors
/// The address is none, or the store can't be reached or used. No message has the password in it.
pub async fn open(url: &str) -> Result<SharedStore, OpenError> {
    let wrong = |what: String| Err(OpenError::Address(what));
    let scheme = url.split(':').next().unwrap_or_default();
    let opened: Result<SharedStore, StoreError> = match scheme {
        _ if !url.contains(':') => return wrong(format!("a store's address is one of {FORMS}")),
        "memory" if url == "memory:" => Ok(Arc::new(Memory::new())),
        "memory" => return wrong("the store in memory has no name: write `memory:`".to_owned()),
        "sqlite" => {
            let path = sqlite_path(url)?;
            Sqlite::open(Path::new(path)).await.map(|store| Arc::new(store) as SharedStore)
        }
        "postgres" | "postgresql" => {
            slashes(url, scheme, "USER@HOST/DATABASE")?;
            no_tls_asked(url)?;
            Postgres::open(url).await.map(|store| Arc::new(store) as SharedStore)
        }
        "redis" => {
            slashes(url, scheme, "HOST")?;
            Redis::open(url).await.map(|store| Arc::new(store) as SharedStore)
        }
        "rediss" => {
            return wrong(
                "TLS to Redis is not in this version: write `redis://`, over a network that you trust or \
                 through a tunnel"
                    .to_owned(),
            );
        }
        "dynamodb" => {
            slashes(url, scheme, "TABLE?region=REGION")?;
            dynamodb(url).await?
        }
        "valkey" | "redis+unix" | "unix" | "mysql" | "mariadb" | "mongodb" | "http" | "https" | "file" => {
            return wrong(format!("`{scheme}:` is no store of ours; there are {FORMS}"));
        }
        // Whatever came before the first colon may be a secret.
        _ => return wrong(format!("this is no store's address; there are {FORMS}")),
    };
    opened.map_err(|error| OpenError::Store { shown: shown(url), error })
}

#[cfg(feature = "dynamodb")]
async fn dynamodb(url: &str) -> Result<Result<SharedStore, StoreError>, OpenError> {
    let DynamoDbPlace { table, region, endpoint } = dynamodb_place(url)?;
    let opened = DynamoDb::open(table, region, endpoint).await;
    Ok(opened.map(|store| Arc::new(store) as SharedStore))
}

#[cfg(not(feature = "dynamodb"))]
async fn dynamodb(url: &str) -> Result<Result<SharedStore, StoreError>, OpenError> {
    dynamodb_place(url)?;
    Err(OpenError::Address(
        "this build has no DynamoDB; one that has it: `cargo build --release --features dynamodb`".to_owned(),
    ))
}

/// What an address of DynamoDB says.
#[cfg_attr(not(feature = "dynamodb"), expect(dead_code, reason = "only read where there is DynamoDB"))]
struct DynamoDbPlace<'a> {
    table: &'a str,
    region: Option<&'a str>,
    endpoint: Option<&'a str>,
}

fn dynamodb_place(url: &str) -> Result<DynamoDbPlace<'_>, OpenError> {
    let wrong = |what: &str| Err(OpenError::Address(what.to_owned()));
    let rest = url.strip_prefix("dynamodb://").unwrap_or_default();
    if rest.contains('@') {
        return wrong(
            "credentials are no part of DynamoDB's address: they come from where AWS tools look for them, \
             such as the environment",
        );
    }
    let (table, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let named = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    if table.is_empty() || !table.chars().all(named) {
        return wrong("after `dynamodb://` comes the name of a table: `dynamodb://TABLE?region=REGION`");
    }
    let mut place = DynamoDbPlace { table, region: None, endpoint: None };
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("region", region)) => place.region = Some(region),
            Some(("endpoint", endpoint)) => place.endpoint = Some(endpoint),
            _ => return wrong("the parameters of `dynamodb://TABLE` are `region` and `endpoint`"),
        }
    }
    Ok(place)
}

fn sqlite_path(url: &str) -> Result<&str, OpenError> {
    let wrong = |what: &str| Err(OpenError::Address(what.to_owned()));
    let path = url.strip_prefix("sqlite:").unwrap_or_default();
    if path.is_empty() {
        wrong("`sqlite:` needs the path of a file: `sqlite:receipts.db`")
    } else if path.contains(":memory:") {
        wrong("SQLite in memory is a database for each connection: for receipts in memory write `memory:`")
    } else if path.starts_with("//") && !path.starts_with("///") {
        wrong("`sqlite://` would name a host: write `sqlite:PATH`, or `sqlite:///PATH` for one from the root")
    } else if path.contains('?') {
        wrong("`sqlite:PATH` has no parameters after `?`")
    } else {
        // Three slashes are how others write a path from the root.
        Ok(path.strip_prefix("//").unwrap_or(path))
    }
}

fn slashes(url: &str, scheme: &str, rest: &str) -> Result<(), OpenError> {
    if url[scheme.len()..].starts_with("://") {
        return Ok(());
    }
    Err(OpenError::Address(format!("after `{scheme}:` come two slashes: `{scheme}://{rest}`")))
}

fn no_tls_asked(url: &str) -> Result<(), OpenError> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let mode = parameters.split('&').find_map(|parameter| parameter.strip_prefix("sslmode="));
    match mode {
        None | Some("disable" | "prefer") => Ok(()),
        Some("allow") => Err(OpenError::Address("for `sslmode=allow` write `sslmode=prefer`".to_owned())),
        Some(_) => Err(OpenError::Address(
            "TLS to PostgreSQL is not in this version, and this `sslmode` asks for it: write \
             `sslmode=disable`, over a network that you trust or through a tunnel"
                .to_owned(),
        )),
    }
}

/// An address as logs may have it: without its password.
pub fn shown(url: &str) -> String {
    if url == "memory:" || url.starts_with("sqlite:") {
        return url.to_owned();
    }
    let known = ["postgres", "postgresql", "redis", "rediss", "dynamodb"];
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| known.contains(scheme)) else {
        return "(no store's address)".to_owned();
    };
    // At the last of them: a password may have an `@` of its own.
    let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
    let user = user.map_or_else(String::new, |user| match user.split_once(':') {
        Some((name, _)) => format!("{name}:***@"),
        None => format!("{user}@"),
    });
    let (place, parameters) =
        place.split_once('?').map_or((place, None), |(place, parameters)| (place, Some(parameters)));
    let hidden = |parameter: &str| match parameter.split_once('=') {
        // By the name, however it is written: percent signs could spell it.
        Some((name, _)) if name.contains('%') || name.to_lowercase().contains("pass") => {
            format!("{name}=***")
        }
        _ => parameter.to_owned(),
    };
    let parameters = parameters.map_or_else(String::new, |parameters| {
        format!("?{}", parameters.split('&').map(hidden).collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{user}{place}{parameters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, expected) in [
            ("memory:", "memory:"),
            ("sqlite:a/b.db", "sqlite:a/b.db"),
            ("postgres://u@h:1/d", "postgres://u@h:1/d"),
            ("postgres://u:s3cret@h:1/d?a=b", "postgres://u:***@h:1/d?a=b"),
            ("postgres://u:s3@c/r?e:t@h/d", "postgres://u:***@h/d"),
            ("postgresql://h/d?password=s3cret&x=y", "postgresql://h/d?password=***&x=y"),
            ("postgres://h/d?p%61ssword=s3cret", "postgres://h/d?p%61ssword=***"),
            ("postgres://u:s3cret@h/d?options=a@b", "postgres://u:***@b"),
            ("redis://:s3cret@h", "redis://:***@h"),
            ("rediss://u:s3cret@h/1", "rediss://u:***@h/1"),
            ("dynamodb://t?region=r&endpoint=http://h:1", "dynamodb://t?region=r&endpoint=http://h:1"),
            ("host=h password=s3cret", "(no store's address)"),
            ("u:s3cret@h", "(no store's address)"),
            ("mysql://u:s3cret@h", "(no store's address)"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
