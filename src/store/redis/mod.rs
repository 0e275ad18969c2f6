//! Receipts in Redis, 5 or later: one node, and what that means.
//!
//! Every method is one script or transaction on the server, which nothing else runs beside. Time is the server's.
//! Receipts expire by themselves, unless a sweeper is to see them.
//!
//! What is lost, and when: replication is asynchronous, so a failover forgets the last writes, and a claim
//! or a record with them; with `appendfsync everysec` a crash of the server forgets up to two seconds, and
//! without an append-only file all that came after the last snapshot. A forgotten claim can be granted a
//! second time. Who can't bear that keeps receipts in PostgreSQL. Numbers of grants never run behind the
//! server's clock in microseconds, so that what is forgotten does not come again under the same number.
//!
//! Not for Redis Cluster: the scripts compute the names of what they touch. A server that evicts is refused,
//! as it would take receipts away before their time.

mod scripts;
mod value;

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind};

use self::scripts::SCRIPTS;
pub use self::scripts::claim_script;
use self::value::receipt_from;
use super::row::{AnswerRow, EffectRow, corrupt, headers_text};
use super::{
    Answer, Audit, Audited, Effect, Entry, Expected, Key, Landing, LedgerCall, Listed, Millis, Seen, Stamp,
    Store, StoreError, Swap, Swapped, Which, Write,
};

/// How long it may take to connect.
pub const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// How long a caller waits for its answer.
pub const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How often a lost connection is tried again before a call is told that there is none.
const CONNECT_RETRIES: usize = 1;
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Entries of an index that one script looks at: nothing else runs meanwhile.
const LOOKED_AT_ONCE: u32 = 256;
/// Receipts that one script shows.
const SHOWN_AT_ONCE: u32 = 32;
/// Numbers are exact up to here in a script.
const NUMBER_MAX: u64 = 1 << 53;
/// What the names of all keys begin with.
pub const PREFIX: &str = "idemcheck:";

/// The values of an effect, in the order of a script.
type Values = Vec<Option<Vec<u8>>>;
/// Keys with their receipts.
type Page = Vec<(Vec<u8>, Vec<u8>)>;

/// The store: one connection that all calls share, and that comes back by itself.
pub struct Redis {
    connection: ConnectionManager,
    prefix: String,
}

impl Redis {
    /// Connects.
    ///
    /// # Errors
    /// The URL does not read, the server can't be reached, or it is set up so that receipts would vanish.
    pub async fn open(url: &str) -> Result<Redis, StoreError> {
        Redis::with_prefix(url, PREFIX).await
    }

    /// The same with names of its own, for a second store beside.
    ///
    /// # Errors
    /// As of [`Redis::open`].
    pub async fn with_prefix(url: &str, prefix: &str) -> Result<Redis, StoreError> {
        let client = redis::Client::open(url).map_err(|error| StoreError::Refused(error.to_string()))?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_WAIT))
            .set_response_timeout(Some(ANSWER_WAIT))
            .set_number_of_retries(CONNECT_RETRIES)
            .set_min_delay(CONNECT_PAUSE)
            .set_max_delay(CONNECT_PAUSE);
        let connected = ConnectionManager::new_with_config(client, config).await;
        let connection = connected.map_err(|error| match fault(&error) {
            // It never came to anything that could have been done.
            StoreError::Unknown(text) => StoreError::Unreachable(text),
            fault => fault,
        })?;
        let store = Redis { connection, prefix: prefix.to_owned() };
        store.fits().await?;
        Ok(store)
    }

    /// Whether the server keeps what it is given.
    async fn fits(&self) -> Result<(), StoreError> {
        let mut connection = self.connection.clone();
        let info: String = match redis::cmd("INFO").query_async(&mut connection).await {
            Ok(info) => info,
            // Who may not ask has to know.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => return Ok(()),
            Err(error) => return Err(fault(&error)),
        };
        match unfit(&info) {
            Some(why) => Err(StoreError::Refused(why)),
            None => Ok(()),
        }
    }

    async fn run<T: FromRedisValue>(&self, script: &Script, args: &[&[u8]]) -> Result<T, StoreError> {
        let mut connection = self.connection.clone();
        let mut call = script.prepare_invoke();
        call.arg(self.prefix.as_bytes());
        for arg in args {
            call.arg(*arg);
        }
        call.invoke_async(&mut connection).await.map_err(|error| fault(&error))
    }
}

/// Why a server is not for receipts, from what it says of itself.
fn unfit(info: &str) -> Option<String> {
    let of =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    let major = of("redis_version").and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    let policy = of("maxmemory_policy").unwrap_or("noeviction");
    if of("cluster_enabled") == Some("1") {
        Some("it is a Redis Cluster; receipts need one node".to_owned())
    } else if of("role").is_some_and(|role| role != "master") {
        Some("it is a replica, which takes no writes; name the primary".to_owned())
    } else if of("maxmemory").is_some_and(|most| most != "0") && policy != "noeviction" {
        Some(format!("it evicts (`maxmemory-policy {policy}`), and receipts with it; set `noeviction`"))
    } else {
        let early = major.filter(|major| *major < 5);
        early.map(|major| format!("it is Redis {major}; 5 or later is needed"))
    }
}

fn fault(error: &RedisError) -> StoreError {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading,
        ) => StoreError::Unreachable(text),
        ErrorKind::Io if error.is_connection_refusal() => StoreError::Unreachable(text),
        ErrorKind::Io => StoreError::Unknown(text),
        ErrorKind::Server(_) | ErrorKind::Extension if text.contains("WRONGTYPE") => {
            StoreError::Corrupt(text)
        }
        // Another script has been running for too long; too few replicas: nothing was begun.
        ErrorKind::Extension if matches!(error.code(), Some("BUSY" | "NOREPLICAS")) => {
            StoreError::Unreachable(text)
        }
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => StoreError::Unknown(text),
        _ => StoreError::Refused(text),
    }
}

/// A number that a script can count with.
fn number(number: u64) -> Result<String, StoreError> {
    if number < NUMBER_MAX {
        return Ok(number.to_string());
    }
    Err(StoreError::Refused(format!("{number} is no token of this store")))
}

fn optional(number: Option<impl ToString>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

fn flag(set: bool) -> &'static [u8] {
    if set { b"1" } else { b"0" }
}

/// The values of a row, taken one by one.
struct Fields(std::vec::IntoIter<Option<Vec<u8>>>);

impl Fields {
    fn of(values: Values) -> Fields {
        Fields(values.into_iter())
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        self.0.next().flatten()
    }

    fn needed(&mut self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.bytes().ok_or_else(|| corrupt(format!("no {name}")))
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let text = self.bytes().map(String::from_utf8).transpose();
        text.map_err(|_| corrupt(format!("a {name} that is no text")))
    }

    fn number(&mut self, name: &str) -> Result<Option<i64>, StoreError> {
        let text = self.text(name)?;
        let number = text.map(|text| text.parse()).transpose();
        number.map_err(|_| corrupt(format!("a {name} that is no number")))
    }

    fn needed_number(&mut self, name: &str) -> Result<i64, StoreError> {
        self.number(name)?.ok_or_else(|| corrupt(format!("no {name}")))
    }

    fn answer(&mut self) -> Result<AnswerRow, StoreError> {
        Ok(AnswerRow {
            status: self.number("answer_status")?,
            headers: self.text("answer_headers")?,
            body: self.bytes(),
        })
    }
}

fn seen(value: Option<Vec<u8>>, now: Millis) -> Result<Seen, StoreError> {
    Ok(Seen { receipt: value.map(receipt_from).transpose()?, now })
}

fn effect_from(values: Values) -> Result<Effect, StoreError> {
    let mut fields = Fields::of(values);
    let row = EffectRow {
        number: fields.needed_number("number")?,
        fingerprint: fields.needed("fingerprint")?,
        token: fields.needed_number("token")?,
        answer: fields.answer()?,
        at: fields.needed_number("moment")?,
    };
    row.effect()
}

/// The arguments of a swap, in the order of the script.
fn swap_args(swap: &Swap) -> Result<Vec<Vec<u8>>, StoreError> {
    let (expected, revision, alive) = match swap.expected {
        Expected::Absent => (b'a', 0, false),
        Expected::Anything => (b'x', 0, false),
        Expected::Revision { revision, alive } => (b'r', revision, alive),
    };
    let (write, draft) = match &swap.write {
        Write::Put(draft) => (b'p', Some(draft)),
        Write::Delete => (b'd', None),
        Write::Nothing => (b'n', None),
    };
    let flags =
        [expected, flag(alive)[0], write, flag(swap.effect.is_some())[0], flag(swap.audit.is_some())[0]];
    let mut args: Vec<Vec<u8>> = vec![swap.key.as_str().into(), flags.into(), value::column(revision)];
    if let Some(draft) = draft {
        args.extend([
            draft.token.map(number).transpose()?.map(value::column).unwrap_or_default(),
            moment(draft.lease).into(),
            moment(draft.expiry).into(),
            draft.claimed_at.map(value::column).unwrap_or_default(),
            value::first(draft),
            value::rest(draft)?,
            draft.response.as_ref().map_or_else(Vec::new, |response| response.body.clone()),
        ]);
    }
    if let Some(entry) = &swap.effect {
        args.extend([
            entry.operation.as_str().into(),
            optional(swap.unchanged).into(),
            entry.fingerprint.clone(),
            number(entry.token)?.into(),
            entry.response.status.to_string().into(),
            headers_text(&entry.response.headers).into(),
            entry.response.body.clone(),
        ]);
    }
    if let Some(audit) = &swap.audit {
        args.push(audit_text(&swap.key, audit).into());
    }
    Ok(args)
}

/// A moment as the script reads it: `@` and when, or `+` and how long from now.
fn moment(stamp: Stamp) -> String {
    match stamp.halves() {
        (Some(at), _) => format!("@{at}"),
        (None, Some(after)) => format!("+{after}"),
        (None, None) => String::new(),
    }
}

fn audit_text(key: &Key, audit: &Audit) -> String {
    let texts = [key.as_str(), &audit.action, &audit.reason, &audit.by, &audit.before];
    serde_json::to_string(&texts).unwrap_or_default()
}

fn audit_from(text: &str) -> Option<Audited> {
    let (at, texts) = text.split_once(' ')?;
    let [key, action, reason, by, before]: [String; 5] = serde_json::from_str(texts).ok()?;
    let audit = Audit { action, reason, by, before };
    Some(Audited { key: Key::from_stored(key), at: at.parse().ok()?, audit })
}

async fn swap(store: &Redis, swap: &Swap) -> Result<Swapped, StoreError> {
    swap.fits()?;
    let args = swap_args(swap)?;
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    type Reply = (String, Millis, Option<u64>, Option<u64>, Option<Vec<u8>>);
    let (what, now, granted, number, row): Reply = store.run(&SCRIPTS.swap, &args).await?;
    match what.as_str() {
        "changed" => return Ok(Swapped::Changed),
        "conflict" => return Ok(Swapped::Conflict(seen(row, now)?)),
        _ => {}
    }
    let effect = match (&swap.effect, number) {
        (Some(entry), Some(number)) => Some(entry.effect(number, now)),
        _ => None,
    };
    let seen = match (&swap.write, granted, &effect) {
        (Write::Put(draft), Some(granted), None) => Seen { receipt: Some(draft.receipt(granted, now)), now },
        (Write::Put(draft), Some(granted), Some(effect)) => {
            Seen { receipt: Some(draft.numbered(effect.number).receipt(granted, now)), now }
        }
        _ => seen(row, now)?,
    };
    Ok(Swapped::Done { seen, effect })
}

async fn land(store: &Redis, call: &LedgerCall) -> Result<Landing, StoreError> {
    call.fits()?;
    let Entry { operation, fingerprint, token, response } = &call.entry;
    let token = number(*token)?;
    let (status, headers) = (response.status.to_string(), headers_text(&response.headers));
    let native = call.native.as_ref();
    let ttl = optional(native.and_then(|native| native.ttl));
    let args: [&[u8]; 11] = [
        operation.as_str().as_bytes(),
        flag(call.fencing),
        token.as_bytes(),
        fingerprint,
        status.as_bytes(),
        headers.as_bytes(),
        &response.body,
        flag(native.is_some()),
        native.map_or(b"", |native| native.key.as_str().as_bytes()),
        ttl.as_bytes(),
        flag(native.is_some_and(|native| native.compares)),
    ];
    let (what, effect): (String, Option<Values>) = store.run(&SCRIPTS.land, &args).await?;
    let Some(effect) = effect.filter(|_| what != "refused") else { return Ok(Landing::Refused) };
    let effect = effect_from(effect)?;
    Ok(if what == "applied" { Landing::Applied(effect) } else { Landing::Deduplicated(effect) })
}

/// In portions, each of them a step of its own: the list as a whole is not of one moment.
async fn list(store: &Redis, which: Which, after: Option<&Key>, limit: u32) -> Result<Listed, StoreError> {
    let which = match which {
        Which::All => "all",
        Which::InProgress => "in_progress",
        Which::Abandoned => "abandoned",
    };
    let mut listed = Listed { receipts: Vec::new(), now: 0 };
    let mut after = after.map(|key| key.as_str().as_bytes().to_vec());
    loop {
        let rest = limit.saturating_sub(u32::try_from(listed.receipts.len()).unwrap_or(limit));
        let (looked, shown) = (LOOKED_AT_ONCE.to_string(), SHOWN_AT_ONCE.min(rest).to_string());
        let args: [&[u8]; 5] = [
            which.as_bytes(),
            flag(after.is_some()),
            after.as_deref().unwrap_or_default(),
            looked.as_bytes(),
            shown.as_bytes(),
        ];
        let (now, more, page): (Millis, Option<Vec<u8>>, Page) = store.run(&SCRIPTS.list, &args).await?;
        listed.now = now;
        for (key, row) in page.into_iter().take(rest as usize) {
            let key = String::from_utf8(key)
                .map_err(|_| StoreError::Refused("a receipt's key is no text".to_owned()))?;
            listed.receipts.push((Key::from_stored(key), receipt_from(row)));
        }
        after = more;
        if after.is_none() || listed.receipts.len() >= limit as usize {
            return Ok(listed);
        }
    }
}

/// In portions, past what is of other policies.
async fn sweep(store: &Redis, of: Option<&str>, limit: u32) -> Result<u64, StoreError> {
    let beginning = of.map(Key::beginning).unwrap_or_default();
    let looked = LOOKED_AT_ONCE.to_string();
    let mut swept = 0;
    for index in [b"sweepable".as_slice(), b"expiries"] {
        let mut skipped = 0;
        while swept < limit {
            let (skip, most) = (skipped.to_string(), (limit - swept).to_string());
            let args: [&[u8]; 5] =
                [index, beginning.as_bytes(), skip.as_bytes(), looked.as_bytes(), most.as_bytes()];
            let (gone, left, found): (u32, u32, u32) = store.run(&SCRIPTS.sweep, &args).await?;
            swept += gone;
            skipped += left;
            if found < LOOKED_AT_ONCE {
                break;
            }
        }
    }
    Ok(swept.into())
}

impl Store for Redis {
    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Seen> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let name = format!("{}receipt:{}", self.prefix, key.as_str());
            // A transaction: one step as a script is, for less of the server's time.
            let mut asked = redis::pipe();
            asked.atomic().cmd("TIME").cmd("GET").arg(name);
            type Reply = ((Millis, Millis), Option<Vec<u8>>);
            let answer = asked.query_async::<Reply>(&mut connection).await;
            let ((seconds, micros), value) = answer.map_err(|error| fault(&error))?;
            seen(value, seconds * 1000 + micros / 1000)
        })
    }

    fn swap<'a>(&'a self, wanted: &'a Swap) -> Answer<'a, Swapped> {
        Box::pin(swap(self, wanted))
    }

    fn land<'a>(&'a self, call: &'a LedgerCall) -> Answer<'a, Landing> {
        Box::pin(land(self, call))
    }

    fn fence<'a>(&'a self, operation: &'a Key, token: u64) -> Answer<'a, ()> {
        Box::pin(async move {
            operation.fits()?;
            let token = number(token)?;
            let args = [operation.as_str().as_bytes(), token.as_bytes()];
            self.run::<i64>(&SCRIPTS.fence, &args).await.map(drop)
        })
    }

    fn effects<'a>(&'a self, operation: &'a Key) -> Answer<'a, Vec<Effect>> {
        Box::pin(async move {
            let values: Values = self.run(&SCRIPTS.effects, &[operation.as_str().as_bytes()]).await?;
            values.chunks(7).map(|effect| effect_from(effect.to_vec())).collect()
        })
    }

    fn counted(&self) -> Answer<'_, u64> {
        Box::pin(async move { self.run::<u64>(&SCRIPTS.counted, &[]).await })
    }

    fn list<'a>(&'a self, which: Which, after: Option<&'a Key>, limit: u32) -> Answer<'a, Listed> {
        Box::pin(list(self, which, after, limit))
    }

    fn sweep<'a>(&'a self, of: Option<&'a str>, limit: u32) -> Answer<'a, u64> {
        Box::pin(sweep(self, of, limit))
    }

    fn audited(&self, limit: u32) -> Answer<'_, Vec<Audited>> {
        Box::pin(async move {
            if limit == 0 {
                return Ok(Vec::new());
            }
            let texts: Vec<String> = self.run(&SCRIPTS.audited, &[limit.to_string().as_bytes()]).await?;
            let read = |text: &String| {
                audit_from(text).ok_or_else(|| corrupt("an audit that does not read".to_owned()))
            };
            texts.iter().map(read).collect()
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let answer: Result<String, _> = redis::cmd("PING").query_async(&mut connection).await;
            answer.map(drop).map_err(|error| fault(&error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_loses_receipts_is_not_taken() {
        let good = "redis_version:7.0.15\r\nrole:master\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(unfit(good), None);
        for (from, to, why) in [
            ("maxmemory:0", "maxmemory:1", "evicts"),
            ("role:master", "role:slave", "replica"),
            ("7.0.15", "4.0.9", "5 or later"),
            ("role:master", "cluster_enabled:1", "Cluster"),
        ] {
            let found = unfit(&good.replace(from, to)).unwrap_or_default();
            assert!(found.contains(why), "{to}: {found}");
        }
    }
}
