//! What runs on the server: one script for each step that a transaction can't do.

use std::sync::LazyLock;

use redis::Script;

/// Of so many new receipts one clears away entries of receipts that are gone.
const TIDIED_EVERY: u32 = 8;
/// So many: more than were added meanwhile.
const TIDIED_AT_ONCE: u32 = 4 * TIDIED_EVERY;
/// A receipt's values, in the order in which they are read.
pub(super) const FIELDS: [&str; 13] = [
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

/// What every script but the one that claims begins with. Arguments are bytes; the first is the prefix.
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

/// Every claim and every record is a run of it, so it begins with no more than it needs: a function that is made
/// and not called costs as much as a command.
const SWAP: &str = r"
local prefix, key, revision = ARGV[1], ARGV[2], ARGV[4]
local expected, alive, write, with_effect, with_audit, swept, with_answer = string.byte(ARGV[3], 1, 7)
local ABSENT, REVISION, PUT, DELETE, PLUS, YES = 97, 114, 112, 100, 43, 49
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local name = prefix .. 'receipt:' .. key

-- What was there, as far as it matters.
local old, row, met = false, false, true
if expected == ABSENT then
    met = redis.call('EXISTS', name) == 0
elseif expected == REVISION or write == PUT then
    old = redis.pcall('HMGET', name, 'revision', 'expires_at', 'status', 'swept')
    -- A key of another type has no revision.
    if old.err then old = {} end
    if expected == REVISION then
        met = old[1] == revision
        if met and alive == YES and old[2] then
            local at = tonumber(old[2])
            met = at ~= nil and at > now
        end
    end
end
if not met or write ~= PUT and write ~= DELETE then
    -- Of a key of another type this is a receipt that does not read, and no more.
    if expected == ABSENT and not met or redis.call('EXISTS', name) == 1 then
        row = redis.pcall('HMGET', name, FIELDS)
        if row.err then row = {} end
    end
    if not met then return {'conflict', now, false, false, row} end
end

local number, numbered = false, false
-- Where the arguments of an effect begin, then those of an audit, then the pairs of the hash.
local at = write == PUT and 10 or 5
if with_effect == YES then
    numbered = function(text)
        local from, to = string.find(text, '{effect}', 1, true)
        if not from then return text end
        return string.sub(text, 1, from - 1) .. number .. string.sub(text, to + 1)
    end
    local effects, unchanged = prefix .. 'effects:' .. ARGV[at], ARGV[at + 1]
    if unchanged ~= '' and redis.call('LLEN', effects) ~= unchanged * 7 then
        return {'changed', now, false, false, false}
    end
    number = string.format('%.0f', redis.call('INCR', prefix .. 'landed'))
    redis.call('RPUSH', effects, number, ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5],
        numbered(ARGV[at + 6]), now)
    at = at + 7
end
if with_audit == YES then
    redis.call('LPUSH', prefix .. 'audits', string.format('%.0f', now) .. ' ' .. ARGV[at])
    at = at + 1
end

local granted = false
if write == PUT then
    -- In microseconds, and more than the last one.
    granted = time[1] .. string.sub('00000' .. time[2], -6)
    local before = redis.call('GETSET', prefix .. 'granted', granted)
    if before and tonumber(before) >= tonumber(granted) then
        granted = string.format('%.0f', before + 1)
        redis.call('SET', prefix .. 'granted', granted)
    end

    -- `@` and a moment, or `+` and a time from now.
    local lease, expiry = ARGV[6] ~= '' and string.sub(ARGV[6], 2), ARGV[7] ~= '' and string.sub(ARGV[7], 2)
    if lease and string.byte(ARGV[6]) == PLUS then lease = string.format('%.0f', lease + now) end
    if expiry and string.byte(ARGV[7]) == PLUS then expiry = string.format('%.0f', expiry + now) end
    local last, status = #ARGV, ARGV[at + 1]
    ARGV[last + 1], ARGV[last + 2] = 'token', ARGV[5] ~= '' and ARGV[5] or granted
    ARGV[last + 3], ARGV[last + 4] = 'revision', granted
    ARGV[last + 5], ARGV[last + 6] = 'claimed_at', ARGV[8] ~= '' and ARGV[8] or now
    last = last + 6
    if lease then
        ARGV[last + 1], ARGV[last + 2] = 'lease_until', lease
        last = last + 2
    end
    if expiry then
        ARGV[last + 1], ARGV[last + 2] = 'expires_at', expiry
        last = last + 2
    end
    if with_answer == YES then
        ARGV[last + 1], ARGV[last + 2] = 'answer_body', number and numbered(ARGV[9]) or ARGV[9]
        last = last + 2
    end
    if swept == YES then ARGV[last + 1], ARGV[last + 2] = 'swept', '1' end

    -- Of one that expired by itself there may be entries still.
    local first = not (old and old[1])
    if expected ~= ABSENT then redis.call('DEL', name) end
    redis.call('HSET', name, unpack(ARGV, at))
    if first then redis.call('ZADD', prefix .. 'keys', 0, key) end
    if status ~= 'in_progress' then
        if first or old[3] == 'in_progress' then redis.call('ZREM', prefix .. 'open', key) end
    elseif first or old[3] ~= 'in_progress' then
        redis.call('ZADD', prefix .. 'open', 0, key)
    end
    local was_swept = old and old[4]
    if expiry and swept ~= YES then
        redis.call('PEXPIREAT', name, expiry)
        if first or was_swept or old[2] ~= expiry then
            redis.call('ZADD', prefix .. 'expiries', expiry, key)
        end
    elseif first or old[2] and not was_swept then
        redis.call('ZREM', prefix .. 'expiries', key)
    end
    if expiry and swept == YES then
        redis.call('ZADD', prefix .. 'sweepable', expiry, key)
    elseif was_swept then
        redis.call('ZREM', prefix .. 'sweepable', key)
    end
    -- Now and then, by the microseconds.
    if first and time[2] % EVERY == 0 then
        local due = redis.call('ZRANGEBYSCORE', prefix .. 'expiries', '-inf', now, 'LIMIT', 0, TIDIED)
        for _, gone in ipairs(due) do
            if redis.call('EXISTS', prefix .. 'receipt:' .. gone) == 0 then
                redis.call('ZREM', prefix .. 'keys', gone)
                redis.call('ZREM', prefix .. 'open', gone)
                redis.call('ZREM', prefix .. 'expiries', gone)
            end
        end
    end
elseif write == DELETE then
    redis.call('DEL', name)
    for _, index in ipairs({'keys', 'open', 'expiries', 'sweepable'}) do
        redis.call('ZREM', prefix .. index, key)
    end
end
return {'done', now, granted, number, row}
";

/// The fields of the hash that a receipt is.
pub fn fields() -> &'static [&'static str] {
    &FIELDS
}

/// The script that claims, records, renews and releases, as it is run.
pub fn claim_script() -> String {
    with_fields(
        &SWAP.replace("TIDIED", &TIDIED_AT_ONCE.to_string()).replace("EVERY", &TIDIED_EVERY.to_string()),
    )
}

fn with_fields(script: &str) -> String {
    script.replace("FIELDS", &format!("'{}'", FIELDS.join("', '")))
}

fn with_common(own: &str) -> String {
    with_fields(&format!("{COMMON}{own}"))
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
local index, beginning, skipped, looked, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local due = redis.call('ZRANGEBYSCORE', prefix .. index, '-inf', text(now), 'LIMIT', skipped, looked)
local swept, left = 0, 0
for _, key in ipairs(due) do
    if string.sub(key, 1, #beginning) ~= beginning then
        left = left + 1
    elseif swept < most then
        erase(key)
        swept = swept + 1
    end
end
return {swept, left, #due}
";

const EFFECTS: &str = "return redis.call('LRANGE', named('effects', ARGV[2]), 0, -1)";
const COUNTED: &str = "return tonumber(redis.call('GET', prefix .. 'landed') or '0')";
const AUDITED: &str = "return redis.call('LRANGE', prefix .. 'audits', 0, ARGV[2] - 1)";

pub(super) struct Scripts {
    pub swap: Script,
    pub land: Script,
    pub fence: Script,
    pub list: Script,
    pub sweep: Script,
    pub effects: Script,
    pub counted: Script,
    pub audited: Script,
}

pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
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
