//! Receipts in Redis, 5 or later: one node, and what that means.
//!
//! Every method is one script or transaction on the server, which nothing else runs beside. Time is the server's. Receipts
//! expire by themselves, unless a sweeper is to see them.
//!
//! What is lost, and when: replication is asynchronous, so a failover forgets the last writes, and a claim
//! or a record with them; with `appendfsync everysec` a crash of the server forgets up to two seconds, and
//! without an append-only file all that came after the last snapshot. A forgotten claim can be granted a
//! second time. Who can't bear that keeps receipts in PostgreSQL. Numbers of grants never run behind the
//! server's clock in microseconds, so that what is forgotten does not come again under the same number.
//!
//! Not for Redis Cluster: the scripts compute the names of what they touch. A server that evicts is refused,
//! as it would take receipts away before their time.

use std::sync::LazyLock;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind};

use super::row::{AnswerRow, EffectRow, Row, corrupt, headers_text};
use super::{
    Answer, Audit, Audited, Draft, Effect, Entry, Expected, Key, Landing, LedgerCall, Listed, Millis,
    Receipt, Seen, Store, StoreError, Swap, Swapped, Which, Write,
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
/// Entries of receipts that are gone, cleared away with each write: more than one write can add.
const TIDIED_PER_WRITE: u32 = 4;
/// Numbers are exact up to here in a script.
const NUMBER_MAX: u64 = 1 << 53;
/// What the names of all keys begin with.
pub const PREFIX: &str = "idemcheck:";

/// A receipt's values, in the order in which they are read.
const FIELDS: [&str; 13] = [
    "status",
    "owner",
    "token",
    "revision",
    "fingerprint",
    "checkpoint",
    "answer_status",
    "answer_headers",
    "answer_body",
    "request",
    "lease_until",
    "expires_at",
    "claimed_at",
];

/// What every script begins with. Arguments are bytes; the first is the prefix.
const COMMON: &str = r"
local prefix = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number) return string.format('%.0f', number) end
local function named(kind, name) return prefix .. kind .. ':' .. name end

local function show(key)
    if redis.call('EXISTS', named('receipt', key)) == 0 then return false end
    local row = redis.pcall('HMGET', named('receipt', key), FIELDS)
    -- A key of another type is a receipt that does not read, and no more.
    return row.err and {} or row
end

-- Of a key that has no receipt.
local function forget(key)
    for _, index in ipairs({'keys', 'open', 'expiries', 'sweepable'}) do
        redis.call('ZREM', prefix .. index, key)
    end
end

local function erase(key)
    redis.call('DEL', named('receipt', key))
    forget(key)
end

-- Entries of receipts that expired by themselves.
local function tidy(most)
    local due = redis.call('ZRANGEBYSCORE', prefix .. 'expiries', '-inf', text(now), 'LIMIT', 0, most)
    for _, key in ipairs(due) do
        if redis.call('EXISTS', named('receipt', key)) == 0 then forget(key) end
    end
end

local function numbered(body, number)
    local from, to = string.find(body, '{effect}', 1, true)
    if not from then return body end
    return string.sub(body, 1, from - 1) .. number .. string.sub(body, to + 1)
end

-- Seven entries for each effect.
local function apply(operation, token, fingerprint, status, headers, body)
    local number = text(redis.call('INCR', prefix .. 'landed'))
    local effect = {number, fingerprint, token, status, headers, numbered(body, number), text(now)}
    redis.call('RPUSH', named('effects', operation), unpack(effect))
    return effect
end
";

const SWAP: &str = r"
local key, expected, revision, alive, write = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local name = named('receipt', key)
local met = true
if expected == 'absent' then
    met = redis.call('EXISTS', name) == 0
elseif expected == 'revision' then
    local there = redis.call('HMGET', name, 'revision', 'expires_at')
    local at = there[2] and tonumber(there[2])
    local over = there[2] and not (at and at > now)
    met = there[1] == revision and not (alive == '1' and over)
end
if not met then return {'conflict', now, false, false, show(key)} end

local number = false
if ARGV[7] == '1' then
    local operation, unchanged = ARGV[8], ARGV[13]
    if unchanged ~= '' and redis.call('LLEN', named('effects', operation)) ~= unchanged * 7 then
        return {'changed', now, false, false, false}
    end
    number = apply(operation, ARGV[9], ARGV[10], ARGV[11], ARGV[12], ARGV[14])[1]
end

local granted = false
if write == 'put' then
    local micros = time[1] * 1000000 + time[2]
    local last = tonumber(redis.call('GET', prefix .. 'granted') or '0')
    granted = text(math.max(last + 1, micros))
    redis.call('SET', prefix .. 'granted', granted)

    local function moment(at, after)
        if at ~= '' then return at end
        return after ~= '' and text(now + after)
    end
    local token, lease, expiry = ARGV[17], moment(ARGV[18], ARGV[19]), moment(ARGV[20], ARGV[21])
    local receipt = {
        'token', token ~= '' and token or granted, 'revision', granted,
        'claimed_at', ARGV[22] ~= '' and ARGV[22] or text(now)
    }
    local function keep(field, value)
        receipt[#receipt + 1] = field
        receipt[#receipt + 1] = value
    end
    if lease then keep('lease_until', lease) end
    if expiry then keep('expires_at', expiry) end
    if ARGV[24] == '1' then
        keep('answer_body', number and numbered(ARGV[25], number) or ARGV[25])
    end
    local status, swept, first = ARGV[27], ARGV[23] == '1', expected == 'absent'
    for at = 26, #ARGV do receipt[#receipt + 1] = ARGV[at] end

    if not first then redis.call('DEL', name) end
    redis.call('HSET', name, unpack(receipt))
    local function index(which, score)
        if score then
            redis.call('ZADD', prefix .. which, score, key)
        else
            redis.call('ZREM', prefix .. which, key)
        end
    end
    if expected ~= 'revision' then index('keys', 0) end
    index('open', status == 'in_progress' and 0)
    index('expiries', not swept and expiry)
    -- Nothing is left there by a receipt that is gone.
    if swept or not first then index('sweepable', swept and expiry) end
    if expiry and not swept then redis.call('PEXPIREAT', name, expiry) end
elseif write == 'delete' then
    erase(key)
end
if ARGV[15] == '1' then
    redis.call('LPUSH', prefix .. 'audits', text(now) .. ' ' .. ARGV[16])
end
tidy(TIDIED)
return {'done', now, granted, number, write == 'nothing' and show(key)}
";

/// The fields of the hash that a receipt is.
pub fn fields() -> &'static [&'static str] {
    &FIELDS
}

/// The script that claims, records, renews and releases, as it is run.
pub fn claim_script() -> String {
    with_common(&SWAP.replace("TIDIED", &TIDIED_PER_WRITE.to_string()))
}

fn with_common(own: &str) -> String {
    let common = COMMON.replace("FIELDS", &format!("'{}'", FIELDS.join("', '")));
    format!("{common}{own}")
}

const LAND: &str = r"
local operation, fencing, token, fingerprint = ARGV[2], ARGV[3] == '1', ARGV[4], ARGV[5]
local fence = tonumber(redis.call('GET', named('fence', operation)) or '0')
if fencing and token ~= '0' and tonumber(token) < fence then return {'refused', false} end
local native = ARGV[9] == '1' and named('native', ARGV[10])
if native then
    local known = redis.call('HMGET', native, 'first', 'number', 'fingerprint', 'token', 'status',
        'headers', 'body', 'at')
    local first = known[1]
    if first and (ARGV[11] == '' or now < first + ARGV[11]) then
        if ARGV[12] == '1' and known[3] ~= fingerprint then return {'refused', false} end
        table.remove(known, 1)
        return {'deduplicated', known}
    end
end
local effect = apply(operation, token, fingerprint, ARGV[6], ARGV[7], ARGV[8])
if fencing then redis.call('SET', named('fence', operation), text(math.max(fence, token))) end
if native then
    redis.call('HSET', native, 'first', text(now), 'number', effect[1], 'fingerprint', effect[2],
        'token', effect[3], 'status', effect[4], 'headers', effect[5], 'body', effect[6], 'at', effect[7])
end
return {'applied', effect}
";

const FENCE: &str = r"
local fence = tonumber(redis.call('GET', named('fence', ARGV[2])) or '0')
redis.call('SET', named('fence', ARGV[2]), text(math.max(fence, ARGV[3])))
return 1
";

const LIST: &str = r"
local which, looked, shown = ARGV[2], tonumber(ARGV[5]), tonumber(ARGV[6])
local index = prefix .. (which == 'all' and 'keys' or 'open')
local from = ARGV[3] == '1' and '(' .. ARGV[4] or '-'
local keys = redis.call('ZRANGEBYLEX', index, from, '+', 'LIMIT', 0, looked)
local page, last = {}, false
for _, key in ipairs(keys) do
    local row = show(key)
    last = key
    if not row then
        forget(key)
    else
        local lease = row[11] and tonumber(row[11])
        if which == 'all' or row[1] == 'in_progress' and (which == 'in_progress' or lease and lease <= now) then
            page[#page + 1] = {key, row}
            if #page >= shown then break end
        end
    end
end
local more = last and (#page >= shown or #keys >= looked)
return {now, more and last, page}
";

const SWEEP: &str = r"
local swept = 0
for _, index in ipairs({'sweepable', 'expiries'}) do
    local most = ARGV[2] - swept
    if most > 0 then
        local due = redis.call('ZRANGEBYSCORE', prefix .. index, '-inf', text(now), 'LIMIT', 0, most)
        for _, key in ipairs(due) do erase(key) end
        swept = swept + #due
    end
end
return swept
";

const EFFECTS: &str = "return redis.call('LRANGE', named('effects', ARGV[2]), 0, -1)";
const COUNTED: &str = "return tonumber(redis.call('GET', prefix .. 'landed') or '0')";
const AUDITED: &str = "return redis.call('LRANGE', prefix .. 'audits', 0, ARGV[2] - 1)";

struct Scripts {
    swap: Script,
    land: Script,
    fence: Script,
    list: Script,
    sweep: Script,
    effects: Script,
    counted: Script,
    audited: Script,
}

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let script = |own: &str| Script::new(&with_common(own));
    Scripts {
        swap: Script::new(&claim_script()),
        land: script(LAND),
        fence: script(FENCE),
        list: script(LIST),
        sweep: script(SWEEP),
        effects: script(EFFECTS),
        counted: script(COUNTED),
        audited: script(AUDITED),
    }
});

/// The values of a hash, in the order that a script asked for them.
type Values = Vec<Option<Vec<u8>>>;
/// Keys with their values.
type Page = Vec<(Vec<u8>, Values)>;

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

fn receipt_from(values: Values) -> Result<Receipt, StoreError> {
    let mut fields = Fields::of(values);
    let row = Row {
        status: fields.text("status")?.unwrap_or_default(),
        owner: fields.needed("owner")?,
        token: fields.needed_number("token")?,
        revision: fields.needed_number("revision")?,
        fingerprint: fields.needed("fingerprint")?,
        checkpoint: fields.text("checkpoint")?,
        answer: fields.answer()?,
        request: fields.needed("request")?,
        lease_until: fields.number("lease_until")?,
        expires_at: fields.number("expires_at")?,
        claimed_at: fields.needed_number("claimed_at")?,
    };
    row.receipt()
}

fn seen(row: Option<Values>, now: Millis) -> Result<Seen, StoreError> {
    Ok(Seen { receipt: row.map(receipt_from).transpose()?, now })
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
        Expected::Absent => ("absent", 0, false),
        Expected::Anything => ("anything", 0, false),
        Expected::Revision { revision, alive } => ("revision", revision, alive),
    };
    let write = match &swap.write {
        Write::Put(_) => "put",
        Write::Delete => "delete",
        Write::Nothing => "nothing",
    };
    let mut args: Vec<Vec<u8>> = vec![
        swap.key.as_str().into(),
        expected.into(),
        revision.to_string().into(),
        flag(alive).into(),
        write.into(),
    ];
    let none = Vec::new;
    match &swap.effect {
        None => args.extend([flag(false).into(), none(), none(), none(), none(), none(), none(), none()]),
        Some(entry) => args.extend([
            flag(true).into(),
            entry.operation.as_str().into(),
            number(entry.token)?.into(),
            entry.fingerprint.clone(),
            entry.response.status.to_string().into(),
            headers_text(&entry.response.headers).into(),
            optional(swap.unchanged).into(),
            entry.response.body.clone(),
        ]),
    }
    match &swap.audit {
        None => args.extend([flag(false).into(), none()]),
        Some(audit) => args.extend([flag(true).into(), audit_text(&swap.key, audit).into()]),
    }
    if let Write::Put(draft) = &swap.write {
        args.extend(draft_args(draft)?);
    }
    Ok(args)
}

fn draft_args(draft: &Draft) -> Result<Vec<Vec<u8>>, StoreError> {
    let (lease_at, lease_in) = draft.lease.halves();
    let (expiry_at, expiry_in) = draft.expiry.halves();
    let answer = AnswerRow::new(draft.response.as_ref());
    let mut args: Vec<Vec<u8>> = vec![
        optional(draft.token.map(number).transpose()?).into(),
        optional(lease_at).into(),
        optional(lease_in).into(),
        optional(expiry_at).into(),
        optional(expiry_in).into(),
        optional(draft.claimed_at).into(),
        flag(draft.swept).into(),
        flag(answer.body.is_some()).into(),
        answer.body.unwrap_or_default(),
        // From here on, the hash as it becomes.
        "status".into(),
        draft.status.name().into(),
        "owner".into(),
        draft.owner.as_bytes().into(),
        "fingerprint".into(),
        draft.fingerprint.clone(),
        "request".into(),
        draft.request.clone(),
    ];
    if let Some(checkpoint) = &draft.checkpoint {
        args.extend(["checkpoint".into(), checkpoint.clone().into()]);
    }
    if let (Some(status), Some(headers)) = (answer.status, answer.headers) {
        args.extend(["answer_status".into(), status.to_string().into()]);
        args.extend(["answer_headers".into(), headers.into()]);
    }
    Ok(args)
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
    type Reply = (String, Millis, Option<u64>, Option<u64>, Option<Values>);
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

async fn sweep(store: &Redis, limit: u32) -> Result<u64, StoreError> {
    let mut swept = 0;
    loop {
        let portion = LOOKED_AT_ONCE.min(limit - swept);
        let gone: u32 = store.run(&SCRIPTS.sweep, &[portion.to_string().as_bytes()]).await?;
        swept += gone.min(portion);
        if swept >= limit || gone < portion {
            return Ok(swept.into());
        }
    }
}

impl Store for Redis {
    fn read<'a>(&'a self, key: &'a Key) -> Answer<'a, Seen> {
        Box::pin(async move {
            let mut connection = self.connection.clone();
            let name = format!("{}receipt:{}", self.prefix, key.as_str());
            // A transaction: one step as a script is, for less of the server's time.
            let mut asked = redis::pipe();
            asked.atomic().cmd("TIME").cmd("HMGET").arg(name).arg(&FIELDS);
            let answer: Result<((Millis, Millis), Values), RedisError> =
                asked.query_async(&mut connection).await;
            let ((seconds, micros), row) = answer.map_err(|error| fault(&error))?;
            let there = row.iter().any(Option::is_some);
            seen(there.then_some(row), seconds * 1000 + micros / 1000)
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

    fn sweep(&self, limit: u32) -> Answer<'_, u64> {
        Box::pin(sweep(self, limit))
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
