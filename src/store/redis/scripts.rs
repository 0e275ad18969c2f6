//! What runs on the server: one script for each step that a transaction can't do.

use std::sync::LazyLock;

use redis::Script;

/// Of so many new receipts one clears away entries of receipts that are gone.
const TIDIED_EVERY: u32 = 8;
/// So many: more than were added meanwhile.
const TIDIED_AT_ONCE: u32 = 4 * TIDIED_EVERY;
/// What every script but the one that claims begins with. Arguments are bytes; the first is the prefix.
const COMMON: &str = r"
local prefix = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number) return string.format('%.0f', number) end
local function named(kind, name) return prefix .. kind .. ':' .. name end

local function show(key)
    local value = redis.pcall('GET', named('receipt', key))
    -- A key of another type is a receipt that does not read, and no more.
    return type(value) == 'table' and '' or value
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
local expected, alive, write, with_effect, with_audit = string.byte(ARGV[3], 1, 5)
local ABSENT, REVISION, PUT, DELETE, PLUS, YES, OPEN, SWEPT = 97, 114, 112, 100, 43, 49, 105, 115
local NONE = '                    '
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local name = prefix .. 'receipt:' .. key

-- What is there. A key of another type is a receipt that does not read, and no more.
local old = redis.pcall('GET', name)
if type(old) == 'table' then old = '' end
local met = true
if expected == ABSENT then
    met = not old
elseif expected == REVISION then
    met = old and string.sub(old, 24, 43) == revision
    local ends = met and alive == YES and string.sub(old, 84, 103)
    if ends and ends ~= NONE then
        ends = tonumber(ends)
        met = ends ~= nil and ends > now
    end
end
if not met then return {'conflict', now, false, false, old} end

local number, numbered = false, false
-- Where the arguments of an effect begin, then those of an audit.
local at = write == PUT and 12 or 5
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
    local lease = ARGV[6] ~= '' and tonumber(string.sub(ARGV[6], 2))
    local expiry = ARGV[7] ~= '' and tonumber(string.sub(ARGV[7], 2))
    if lease and string.byte(ARGV[6]) == PLUS then lease = lease + now end
    if expiry and string.byte(ARGV[7]) == PLUS then expiry = expiry + now end
    local revised, ends = string.format('%20s', granted), expiry and string.format('%20.0f', expiry) or NONE
    local value = ARGV[9] .. (ARGV[5] ~= '' and ARGV[5] or revised) .. revised
        .. (ARGV[8] ~= '' and ARGV[8] or string.format('%20.0f', now))
        .. (lease and string.format('%20.0f', lease) or NONE) .. ends .. ARGV[10]
        .. (number and numbered(ARGV[11]) or ARGV[11])
    local _, status, swept = string.byte(ARGV[9], 1, 3)
    swept = swept == SWEPT
    if not expiry or swept then
        redis.call('SET', name, value)
    elseif expiry > now then
        redis.call('SET', name, value, 'PX', string.format('%.0f', expiry - now))
    else
        redis.call('DEL', name)
    end

    -- Of one that expired by itself there may be entries still.
    local first = not old or #old < 103
    local was_open, was_swept, ended = false, false, NONE
    if not first then
        local _, before, kept = string.byte(old, 1, 3)
        was_open, was_swept, ended = before == OPEN, kept == SWEPT, string.sub(old, 84, 103)
    end
    if first then redis.call('ZADD', prefix .. 'keys', 0, key) end
    if status ~= OPEN then
        if first or was_open then redis.call('ZREM', prefix .. 'open', key) end
    elseif first or not was_open then
        redis.call('ZADD', prefix .. 'open', 0, key)
    end
    if expiry and not swept then
        if first or was_swept or ended ~= ends then
            redis.call('ZADD', prefix .. 'expiries', string.format('%.0f', expiry), key)
        end
    elseif first or ended ~= NONE and not was_swept then
        redis.call('ZREM', prefix .. 'expiries', key)
    end
    if expiry and swept then
        redis.call('ZADD', prefix .. 'sweepable', string.format('%.0f', expiry), key)
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
return {'done', now, granted, number, write ~= PUT and write ~= DELETE and old}
";

/// The script that claims, records, renews and releases, as it is run.
pub fn claim_script() -> String {
    SWAP.replace("TIDIED", &TIDIED_AT_ONCE.to_string()).replace("EVERY", &TIDIED_EVERY.to_string())
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
        local lease = tonumber(string.sub(row, 64, 83))
        if which == 'all' or string.sub(row, 2, 2) == 'i'
            and (which == 'in_progress' or lease and lease <= now) then
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
    let script = |own: &str| Script::new(&format!("{COMMON}{own}"));
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
