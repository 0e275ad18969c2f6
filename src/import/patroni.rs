//! Patroni: the leader's lease, and how long a leader goes on without renewing it.

use super::page::{self, From, Page};
use super::tree::At;
use super::{Fault, Import, Kind, PAUSE, Takes, assume, yaml};
use crate::guard::PatroniTimings;

pub const KIND: Kind = Kind {
    name: "patroni",
    reads: "patroni.yml (`bootstrap.dcs`), or the dynamic configuration that `patronictl show-config` prints",
    source: "dynamic configuration in Patroni's documentation; the rule loop_wait + 2*retry_timeout <= ttl and how it \
             is repaired: config.py and global_config.py",
    assumes: &[
        assume("fault", super::FAULTS, "curable", "whether a failover helps"),
        assume("crashes", Takes::Count(0, 3), "1", "leaders that die while they hold the lease"),
        PAUSE,
    ],
    read,
};

const KNOWN: &[&str] = &[
    "maximum_lag_on_failover",
    "maximum_lag_on_syncnode",
    "primary_start_timeout",
    "master_start_timeout",
    "primary_stop_timeout",
    "master_stop_timeout",
    "primary_race_backoff",
    "max_timelines_history",
    "check_timeline",
    "synchronous_mode",
    "synchronous_mode_strict",
    "synchronous_node_count",
    "failsafe_mode",
    "postgresql",
    "standby_cluster",
    "slots",
    "ignore_slots",
    "member_slots_ttl",
    "pause",
];

const OUTSIDE: &[&str] = &[
    "scope",
    "name",
    "namespace",
    "log",
    "restapi",
    "ctl",
    "etcd",
    "etcd3",
    "consul",
    "zookeeper",
    "exhibitor",
    "kubernetes",
    "raft",
    "citus",
    "bootstrap",
    "postgresql",
    "watchdog",
    "tags",
    "proxy_address",
];

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let documents = yaml::documents(import.text())?;
    let Some(document) = documents.first() else { return Err(Fault::new("the file is empty")) };
    let top = At::top(document);
    let timed = |at: &At<'_>| -> Result<bool, Fault> {
        Ok(at.get("ttl")?.is_some() || at.get("loop_wait")?.is_some() || at.get("retry_timeout")?.is_some())
    };
    let dcs = match top.find("bootstrap.dcs")? {
        Some(dcs) if !timed(&top)? => {
            page.note("bootstrap.dcs counts only when the cluster is made; what runs is in the DCS: `patronictl show-config`.");
            dcs
        }
        _ => top.clone(),
    };
    if dcs.path.is_empty() && !timed(&top)? && !KNOWN.iter().any(|key| matches!(top.get(key), Ok(Some(_)))) {
        return Err(Fault::new(
            "neither `bootstrap.dcs` nor the keys of a dynamic configuration (ttl, loop_wait, retry_timeout)",
        ));
    }
    let seconds = |key: &str, default: i64| -> Result<(i64, String), Fault> {
        match dcs.get(key)? {
            None => Ok((default, format!("{key} {default} (default)"))),
            Some(at) => {
                let count = at.count()?;
                let value = i64::try_from(count).ok().filter(|value| *value <= 86_400 * 30);
                match value {
                    Some(value) => Ok((value, format!("{key} {value}"))),
                    None => Err(at.fault("more than 30 days")),
                }
            }
        }
    };
    let (ttl_s, ttl) = seconds("ttl", 30)?;
    let (loop_wait_s, loop_wait) = seconds("loop_wait", 10)?;
    let (retry_timeout_s, retry_timeout) = seconds("retry_timeout", 10)?;
    let written = PatroniTimings { ttl_s, loop_wait_s, retry_timeout_s };
    let real = written.adjusted();
    let scope = match top.get("scope")? {
        Some(scope) => scope.text()?,
        None => "patroni",
    };
    page.name = page::name(scope);
    page.begin("leased-action", "Patroni: who leads, under a lease".to_owned(), "toggle", "cluster");
    if real != written {
        page.note(format!(
            "WATCH OUT: the file says {ttl}, {loop_wait}, {retry_timeout}, and Patroni runs with ttl {}, loop_wait {}, \
             retry_timeout {}: minima are 20, 1 and 3, and loop_wait + 2*retry_timeout <= ttl. Only its log says so.",
            real.ttl_s, real.loop_wait_s, real.retry_timeout_s
        ));
    }
    let adjusted = |said: &str, from: i64, to: i64| {
        if from == to { From::File(said.to_owned()) } else { From::File(format!("{said}, adjusted to {to}")) }
    };
    page.note(
        "The action is what a leader does between two renewals: at most loop_wait + 2*retry_timeout, then it demotes \
         itself. `single-flight` and `lock-safe` say that no two lead at once. What a stalled machine does is in `pause`; \
         only a watchdog bounds it.",
    );
    page.table("trigger");
    page.word("kind", "alert", From::File("each member looks at the leader's key".to_owned()));
    page.put(
        "repeat",
        page::span(real.loop_wait_s * 1_000),
        adjusted(&loop_wait, loop_wait_s, real.loop_wait_s),
    );
    page.put("overlapping", "2".to_owned(), From::File("two members that want to lead".to_owned()));
    page.table("target");
    page.word("kind", "instance", From::Kind);
    let longest = (real.loop_wait_s + 2 * real.retry_timeout_s) * 1_000;
    page.put(
        "act",
        page::range(0, longest),
        adjusted(&format!("{loop_wait} + 2 * {retry_timeout}"), retry_timeout_s, real.retry_timeout_s),
    );
    page.word("lag", "0s", From::File("the key is read under the lock".to_owned()));
    page.put("unknown", "false".to_owned(), From::granted("a look always tells something"));
    page.word("errors", "never", From::granted("what goes wrong is seen as a fault, not heard as an error"));
    let (fault, from) = import.assumed("fault");
    page.word("fault", &fault, from);
    page.table("action");
    page.word("kind", "failover", From::Kind);
    page.word("form", "compare-and-set", From::File("the key is taken only while it is free".to_owned()));
    page.table("lock");
    // At exactly the TTL both readings would be tried, and none of the stores frees a key by then.
    page.put(
        "lease",
        page::span(real.ttl_s * 1_000 + 1),
        From::File(format!(
            "{}: a store frees the key after that, never at it",
            adjusted_text(&ttl, ttl_s, real.ttl_s)
        )),
    );
    page.table("faults");
    let (crashes, from) = import.count("crashes");
    page.put("crashes", crashes.to_string(), from);
    page.put("lost_responses", "0".to_owned(), From::Kind);
    let (pause, from) = import.span("pause");
    page.put("pause", page::span(pause), from);
    for path in top.unused() {
        let key = path.rsplit('.').next().unwrap_or_default();
        let first = path.split('.').next().unwrap_or_default();
        let known = KNOWN.contains(&key) || (OUTSIDE.contains(&first) && !path.starts_with("bootstrap.dcs"));
        if known { page.unused.push(path) } else { page.unknown.push(path) }
    }
    Ok(())
}

fn adjusted_text(said: &str, from: i64, to: i64) -> String {
    if from == to { said.to_owned() } else { format!("{said}, adjusted to {to}") }
}
