//! Alertmanager: when a webhook that remediates is called, and how often for one alert.

use super::page::{self, From, Page};
use super::spans::{self, Length};
use super::tree::At;
use super::{FAULTS, Fault, Import, Kind, PAUSE, Takes, assume, yaml};
use crate::policy::remedy::ActionKind;
use crate::source::suggest::{list, short};

/// The action of the webhook: anything that works on one target.
const ACTIONS: Takes =
    Takes::Word(&["restart", "reboot", "power-cycle", "failover", "replace", "drain", "notify", "other"]);

pub const KIND: Kind = Kind {
    name: "alertmanager",
    reads: "alertmanager.yml: the route to one receiver",
    source: "Alertmanager's configuration page and dispatch.go: a repeat comes with a flush of its group",
    assumes: &[
        assume("receiver", Takes::Name, "", "whose route; the top one where none is named"),
        assume(
            "notifiers",
            Takes::Count(1, 2),
            "2",
            "members of the cluster that may send the same notification",
        ),
        assume("action", ACTIONS, "restart", "what the webhook does"),
        assume("act_min", Takes::Span, "10s", "from the call of the webhook to its effect, at least"),
        assume("act_max", Takes::Span, "2m", "and at most"),
        assume("lag", Takes::Span, "0s", "how old what the alert shows can be: scrape and evaluation"),
        assume("fault", FAULTS, "curable", "whether it helps"),
        PAUSE,
    ],
    read,
};

const KNOWN: &[&str] = &[
    "match",
    "match_re",
    "matchers",
    "continue",
    "mute_time_intervals",
    "active_time_intervals",
    "group_by",
    "routes",
];

/// The timings that a route has, its own or its parent's.
#[derive(Clone)]
struct Timing {
    interval: (Length, From),
    wait: (Length, From),
    repeat: (Length, From),
}

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let documents = yaml::documents(import.text())?;
    let Some(document) = documents.first() else { return Err(Fault::new("the file is empty")) };
    let top = At::top(document);
    let Some(route) = top.get("route")? else { return Err(Fault::new("no `route:` at the top")) };
    let defaults = Timing {
        wait: (Length::seconds(30), From::Default("group_wait: 30s".to_owned())),
        interval: (Length::seconds(300), From::Default("group_interval: 5m".to_owned())),
        repeat: (Length::seconds(4 * 3_600), From::Default("repeat_interval: 4h".to_owned())),
    };
    let wanted = import.assumed("receiver").0;
    let mut receivers = Vec::new();
    let found = find(&route, &defaults, "", &wanted, &mut receivers)?;
    let Some((timing, receiver)) = found else {
        return Err(Fault::new(format!(
            "no route to `{}`: there are routes to {}",
            short(&wanted),
            list(receivers.iter().take(10).map(String::as_str))
        )));
    };
    if wanted.is_empty() && receivers.len() > 1 {
        page.note(format!(
            "This is the top route, to `{}`; there are routes to {} as well: `--assume receiver=NAME`.",
            short(&receiver),
            list(receivers.iter().skip(1).take(10).map(String::as_str))
        ));
    }
    let Timing { interval, wait, repeat } = timing;
    page.name = page::name(&receiver);
    page.begin(
        "act-on-alert",
        format!("A webhook behind {} acts on each notification", short(&receiver)),
        "restart",
        "alert",
    );
    page.table("trigger");
    page.word("kind", "alert", From::Kind);
    // A group is flushed every group_interval, and a repeat waits for the next flush.
    let step = interval.0.up().max(1);
    let flushes = (repeat.0.up() + step - 1) / step;
    let rounded = Length::ms(flushes.saturating_mul(step));
    if rounded != repeat.0 {
        page.note("repeat_interval is rounded up to whole group_intervals, as the flushes of a group come.");
    }
    page.shorter("repeat", rounded, repeat.1);
    let delay = wait.0.max_of(interval.0);
    let from = if wait.0 >= interval.0 { wait.1 } else { interval.1 };
    page.longer("delay", delay, from);
    let (notifiers, from) = import.count("notifiers");
    page.put("notifiers", notifiers.to_string(), from);
    page.table("target");
    page.word("kind", "instance", From::Kind);
    let (shortest, least) = import.span("act_min");
    let (longest, most) = import.span("act_max");
    let from = From::ends(least, most);
    page.put("act", page::range(shortest.min(longest), longest), from);
    let (lag, from) = import.span("lag");
    page.put("lag", page::span(lag), from);
    page.put("unknown", "false".to_owned(), From::File("no alert, no notification".to_owned()));
    page.word("errors", "never", From::granted("what goes wrong is seen as a fault, not heard as an error"));
    let (fault, from) = import.assumed("fault");
    page.word("fault", &fault, from);
    page.table("action");
    let (action, from) = import.assumed("action");
    debug_assert!(ActionKind::from_name(&action).is_some());
    page.word("kind", &action, from);
    page.no_faults(import.span("pause"));
    page.note(
        "The webhook is taken to act on every call; give it a model of its own where it asks guards first. Members of \
         a cluster tell one another what they sent, in time or not: both may send.",
    );
    for path in top.unused() {
        let last = path.rsplit('.').next().unwrap_or_default();
        let last = last.split('[').next().unwrap_or_default();
        let known = KNOWN.contains(&last) || !path.starts_with("route");
        if known { page.unused.push(path) } else { page.unknown.push(path) }
    }
    Ok(())
}

fn length(at: &At<'_>, key: &str, parent: &(Length, From)) -> Result<(Length, From), Fault> {
    match at.get(key)? {
        None => Ok(parent.clone()),
        Some(at) => {
            let text = at.text()?;
            let length = spans::prometheus(text);
            let length = length
                .ok_or_else(|| at.fault(format!("`{}` is not a duration such as 5m or 4h", short(text))))?;
            Ok((length, From::File(format!("{key}: {}", short(text)))))
        }
    }
}

/// The first route to a receiver, with what it inherits. Depth is bounded by that of the tree.
fn find(
    route: &At<'_>,
    parent: &Timing,
    inherited: &str,
    wanted: &str,
    receivers: &mut Vec<String>,
) -> Result<Option<(Timing, String)>, Fault> {
    let receiver = route.get("receiver")?.map_or(Ok(inherited), |receiver| receiver.text())?.to_owned();
    let timing = Timing {
        interval: length(route, "group_interval", &parent.interval)?,
        wait: length(route, "group_wait", &parent.wait)?,
        repeat: length(route, "repeat_interval", &parent.repeat)?,
    };
    if timing.interval.0.is_zero() || timing.repeat.0.is_zero() {
        return Err(route.fault("group_interval and repeat_interval can't be 0; Alertmanager refuses it"));
    }
    if !receivers.contains(&short(&receiver)) {
        receivers.push(short(&receiver));
    }
    let mut found = (wanted.is_empty() || receiver == wanted).then(|| (timing.clone(), receiver.clone()));
    for child in route.get("routes")?.map_or(Ok(Vec::new()), |routes| routes.list())? {
        let below = find(&child, &timing, &receiver, wanted, receivers)?;
        found = found.or(below);
    }
    Ok(found)
}
