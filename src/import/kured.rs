//! kured: reboots of nodes under one lock, from its flags or from its DaemonSet.

use super::page::{self, From, Page};
use super::spans::{self, Length};
use super::{Fault, Import, Kind, PAUSE, Takes, assume, fleet, kube, yaml};
use crate::policy::remedy::keys::LIMIT_MAX;
use crate::source::suggest::short;

pub const KIND: Kind = Kind {
    name: "kured",
    reads: "kured's flags as text, or the DaemonSet that has them as arguments",
    source: "kured's command line (cmd/kured/main.go); a lock-ttl of 0 never expires: pkg/daemonsetlock",
    assumes: &[
        assume("nodes", Takes::Count(1, 6), "2", "nodes that have to reboot at the same time"),
        assume("reboot_min", Takes::Span, "2m", "from taking the lock to giving it back, at least"),
        assume("reboot_max", Takes::Span, "10m", "and at most: drain, reboot, and until kured runs again"),
        assume("crashes", Takes::Count(0, 3), "1", "nodes that take the lock and never come back"),
        fleet::NAME,
        PAUSE,
    ],
    read,
};

const USED: &[&str] = &["period", "concurrency", "lock-ttl", "lock-release-delay"];

const KNOWN: &[&str] = &[
    "ds-name",
    "ds-namespace",
    "lock-annotation",
    "drain-timeout",
    "drain-delay",
    "drain-grace-period",
    "drain-pod-selector",
    "skip-wait-for-delete-timeout",
    "force-reboot",
    "reboot-sentinel",
    "reboot-sentinel-command",
    "reboot-command",
    "reboot-method",
    "reboot-signal",
    "reboot-delay",
    "reboot-days",
    "start-time",
    "end-time",
    "time-zone",
    "annotate-nodes",
    "pre-reboot-node-labels",
    "post-reboot-node-labels",
    "node-id",
    "blocking-pod-selector",
    "prometheus-url",
    "alert-filter-regexp",
    "alert-filter-match-only",
    "alert-firing-only",
    "prefer-no-schedule-taint",
    "message-template-drain",
    "message-template-reboot",
    "message-template-uncordon",
    "notify-url",
    "slack-hook-url",
    "slack-channel",
    "slack-username",
    "log-format",
    "metrics-host",
    "metrics-port",
    "drain-only",
];

/// `--name=value` and where it stands.
struct Flag {
    name: String,
    value: String,
    place: super::tree::Place,
}

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let flags = flags(import, page)?;
    let find = |name: &str| flags.iter().rfind(|flag| flag.name == name);
    let length = |name: &str, default: Length| match find(name) {
        None => {
            Ok((default, From::Default(format!("--{name}={}", crate::source::duration::show(default.up())))))
        }
        Some(flag) => match spans::go(&flag.value) {
            Some(length) => Ok((length, From::File(format!("--{name}={}", short(&flag.value))))),
            None => Err(Fault::at(
                flag.place,
                format!("--{name}: `{}` is not a duration such as 30m", short(&flag.value)),
            )),
        },
    };
    let (period, period_from) = length("period", Length::seconds(3_600))?;
    let (ttl, ttl_from) = length("lock-ttl", Length::ms(0))?;
    let (release, _) = length("lock-release-delay", Length::ms(0))?;
    let (concurrency, concurrency_from) = match find("concurrency") {
        None => (1, From::Default("--concurrency=1".to_owned())),
        Some(flag) => match flag.value.parse::<u32>() {
            Ok(count) if count > 0 => (count, From::File(format!("--concurrency={count}"))),
            _ => {
                return Err(Fault::at(
                    flag.place,
                    format!("--concurrency: `{}` is not a number from 1 on", short(&flag.value)),
                ));
            }
        },
    };
    let model = if concurrency == 1 { "leased-action" } else { "guarded-loop" };
    page.name = "kured".to_owned();
    page.begin(model, "kured reboots nodes".to_owned(), "restart", "node");
    page.table("trigger");
    page.word("kind", "alert", From::File("each node looks at its own sentinel".to_owned()));
    page.shorter("repeat", period, period_from);
    let (nodes, nodes_from) = import.count("nodes");
    page.put("overlapping", nodes.min(4).to_string(), From::File("each node for itself".to_owned()));
    page.table("target");
    page.word("kind", "fleet", From::Kind);
    page.put("size", nodes.to_string(), nodes_from.clone());
    let (shortest, least) = import.span("reboot_min");
    let (longest, most) = import.span("reboot_max");
    let from = From::ends(least, most);
    let held = release.up();
    page.put("act", page::range(shortest.saturating_add(held), longest.saturating_add(held)), from);
    if held > 0 {
        page.note("--lock-release-delay is part of `act`: the lock is held for so long after the reboot.");
    }
    page.word("lag", "0s", From::File("a node sees its own sentinel".to_owned()));
    page.put("unknown", "false".to_owned(), From::granted("a look always tells something"));
    page.word("errors", "never", From::granted("what goes wrong is seen as a fault, not heard as an error"));
    page.word("fault", "curable", From::File("the reboot that is due".to_owned()));
    page.put("faulty", nodes.to_string(), nodes_from);
    page.note(
        "A node that waits for its reboot serves, and the checker counts it as one that does not: no \
         `capacity-floor` is asked for. --drain-timeout=0, the default, lets a drain take for ever.",
    );
    page.table("action");
    page.word("kind", "reboot", From::Kind);
    if concurrency == 1 {
        page.table("lock");
        if ttl.is_zero() {
            page.note(
                "--lock-ttl is 0: the lock of a node that never comes back stays for ever (no `lease`).",
            );
            page.put("session", "false".to_owned(), ttl_from);
        } else {
            page.shorter("lease", ttl, ttl_from);
        }
    } else {
        page.note(
            "A lock with several owners is not in the checker: the guard counts the reboots under way. A dead \
             owner, which keeps its place until --lock-ttl, is left out.",
        );
        page.table("guards.lock");
        page.word("kind", "in-flight", From::Kind);
        page.put("limit", concurrency.min(LIMIT_MAX).to_string(), concurrency_from);
        page.word("per", "fleet", From::Kind);
        page.word("memory", "durable", From::File("an annotation of the DaemonSet".to_owned()));
        page.refused("retry", period.down(), From::File("it looks again after --period".to_owned()));
    }
    page.table("faults");
    let (crashes, from) = import.count("crashes");
    page.put("crashes", crashes.to_string(), from);
    page.put("lost_responses", "0".to_owned(), From::Kind);
    let (pause, from) = import.span("pause");
    page.put("pause", page::span(pause), from);
    for flag in &flags {
        let name = format!("--{}", short(&flag.name));
        if KNOWN.contains(&flag.name.as_str()) {
            page.unused.push(name);
        } else if !USED.contains(&flag.name.as_str()) {
            page.unknown.push(name);
        }
    }
    Ok(())
}

/// The flags of a text or of a DaemonSet.
fn flags(import: &Import<'_>, page: &mut Page) -> Result<Vec<Flag>, Fault> {
    let text = import.text();
    let mut words: Vec<(String, super::tree::Place)> = Vec::new();
    let first =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#') && *line != "---");
    let is_yaml = first.is_some_and(|line| line.contains(": ") || line.ends_with(':'));
    if is_yaml {
        let documents = yaml::documents(text)?;
        let object = kube::object(import, &documents, &["DaemonSet"])?;
        let mut all = Vec::new();
        let containers = object.find("spec.template.spec.containers")?;
        for container in containers.map_or(Ok(Vec::new()), |containers| containers.list())? {
            let name = container.get("name")?.map_or(Ok(""), |name| name.text())?;
            all.push((name, container));
        }
        let named = all.iter().position(|(name, _)| *name == "kured").unwrap_or(0);
        let Some((_, container)) = all.get(named) else {
            return Err(object.fault("the DaemonSet has no containers"));
        };
        for key in ["command", "args"] {
            for word in container.get(key)?.map_or(Ok(Vec::new()), |words| words.list())? {
                words.push((word.text()?.to_owned(), word.node.place));
            }
        }
        page.note("Environment variables such as KURED_PERIOD are not read.");
    } else {
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split(" #").next().unwrap_or_default().trim().trim_end_matches('\\');
            if !line.starts_with('#') {
                words.extend(line.split_whitespace().map(|word| (word.to_owned(), Some((number, 1)))));
            }
        }
    }
    let mut flags = Vec::new();
    let mut words = words.into_iter().peekable();
    let mut first = true;
    while let Some((word, place)) = words.next() {
        let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
            // The program's own name may come first.
            if std::mem::take(&mut first) && !word.starts_with('-') {
                continue;
            }
            return Err(Fault::at(place, format!("`{}` is not a flag such as --period=1h", short(&word))));
        };
        first = false;
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let value = words.next_if(|(next, _)| !next.starts_with("--"));
                (flag.to_owned(), value.map_or("true".to_owned(), |(value, _)| value))
            }
        };
        let value = value.trim_matches(['"', '\'']).to_owned();
        flags.push(Flag { name, value, place });
    }
    if flags.is_empty() && !is_yaml {
        return Err(Fault::new("there are no flags in the file"));
    }
    Ok(flags)
}
