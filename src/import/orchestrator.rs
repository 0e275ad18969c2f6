//! orchestrator: recoveries of a MySQL cluster, and how long it holds back the next one.

use super::page::{self, From, Page};
use super::spans::Length;
use super::tree::At;
use super::{FAULTS, Fault, Import, Kind, PAUSE, Takes, assume, json};

pub const KIND: Kind = Kind {
    name: "orchestrator",
    reads: "orchestrator.conf.json",
    source: "config.go of orchestrator: RecoveryPeriodBlockSeconds counts from the start of a recovery, per cluster",
    assumes: &[
        assume("recovery_min", Takes::Span, "10s", "the shortest recovery"),
        assume("recovery_max", Takes::Span, "5m", "and the longest, hooks included"),
        assume("fault", FAULTS, "recurring", "whether a failover helps"),
        PAUSE,
    ],
    read,
};

const USED: &[&str] =
    &["RecoveryPeriodBlockSeconds", "RecoveryPeriodBlockMinutes", "RecoverMasterClusterFilters"];

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let document = json::document(import.text())?;
    let top = At::top(&document);
    let seconds = top.get("RecoveryPeriodBlockSeconds")?;
    let minutes = top.get("RecoveryPeriodBlockMinutes")?;
    let (block, from) = match (&seconds, &minutes) {
        // Minutes are the old way to say it, and win where they are set.
        (_, Some(at)) if at.count()? > 0 => {
            let count = at.count()?;
            (count.saturating_mul(60), From::File(format!("RecoveryPeriodBlockMinutes: {count}")))
        }
        (Some(at), _) => (at.count()?, From::File(format!("RecoveryPeriodBlockSeconds: {}", at.count()?))),
        _ => (3_600, From::Default("RecoveryPeriodBlockSeconds: 3600".to_owned())),
    };
    let filters = match top.get("RecoverMasterClusterFilters")? {
        Some(at) => at.list()?.len(),
        None => 0,
    };
    if filters == 0 {
        return Err(Fault::new(
            "RecoverMasterClusterFilters is empty: orchestrator recovers no master by itself, so there is nothing to check",
        ));
    }
    page.name = "orchestrator".to_owned();
    page.begin("guarded-loop", "orchestrator recovers dead masters".to_owned(), "toggle", "cluster");
    let block = Length::seconds(block);
    page.table("trigger");
    page.word("kind", "alert", From::Kind);
    // Every second would be the same in a thousand steps: what comes within the block is refused.
    let repeat = if block.is_zero() { Length::ms(1_000) } else { block };
    page.shorter(
        "repeat",
        repeat,
        From::File("it analyses every second; within the block all is refused".to_owned()),
    );
    page.put(
        "overlapping",
        "2".to_owned(),
        From::File("a recovery does not keep the next analysis from starting one".to_owned()),
    );
    page.table("target");
    page.word("kind", "instance", From::File("one cluster".to_owned()));
    let (shortest, least) = import.span("recovery_min");
    let (longest, most) = import.span("recovery_max");
    let act_from = From::ends(least, most);
    page.put("act", page::range(shortest.min(longest), longest), act_from);
    page.word("lag", "0s", From::File("analysis reads what was polled".to_owned()));
    page.put("unknown", "false".to_owned(), From::granted("a look always tells something"));
    page.word("errors", "never", From::granted("what goes wrong is seen as a fault, not heard as an error"));
    let (fault, fault_from) = import.assumed("fault");
    page.word("fault", &fault, fault_from);
    page.table("action");
    page.word("kind", "failover", From::Kind);
    if block.is_zero() {
        page.table("guards.none");
        page.word("kind", "population", From::File("the block is off: this guard never refuses".to_owned()));
        page.put("limit", "1".to_owned(), from);
    } else {
        page.table("guards.block");
        page.word("kind", "cooldown", From::File("counts from the start of the last recovery".to_owned()));
        page.shorter("span", block, from);
        page.word("memory", "durable", From::File("in the backend database".to_owned()));
    }
    page.note("An acknowledgement by a person ends the block early, and a manual recovery ignores it: neither is in the policy.");
    page.refused("retry", 1_000, From::File("it looks again, and tells nobody".to_owned()));
    page.no_faults(import.span("pause"));
    // Some two hundred settings have nothing to do with recoveries; a slip of those that do is worth a word.
    for path in top.unused() {
        match crate::source::suggest::closest(&path, USED.iter().copied()) {
            Some(near) => page.unknown.push(format!("{path} (did you mean {near}?)")),
            None => page.unused.push(path),
        }
    }
    Ok(())
}
