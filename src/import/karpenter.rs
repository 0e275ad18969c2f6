//! Karpenter: how many nodes of a NodePool are disrupted at once.

use super::page::{self, From, Page};
use super::spans::Length;
use super::{Assumption, Fault, Import, Kind, PAUSE, Takes, assume, fleet, kube, yaml};
use crate::guard::{Portion, Rounding};
use crate::policy::remedy::keys::SIZE_MAX;
use crate::source::suggest::short;

const FAULTY: Assumption =
    assume("faulty", Takes::Count(1, SIZE_MAX), "2", "nodes that are up for disruption at the same time");
/// Nodes that are to be disrupted serve, and the checker counts them as if they did not.
const FLOOR: Assumption = assume("floor", Takes::Count(0, SIZE_MAX), "0", "how many must serve");

pub const KIND: Kind = Kind {
    name: "karpenter",
    reads: "a NodePool of Karpenter (karpenter.sh/v1)",
    source: "nodepool.go of Karpenter and its page on disruption; percentages of nodes are rounded up",
    assumes: &[
        fleet::SIZE,
        FAULTY,
        FLOOR,
        fleet::FAULT,
        assume("drain_min", Takes::Span, "1m", "the shortest replacement of a node"),
        assume("drain_max", Takes::Span, "15m", "and the longest, where there is no terminationGracePeriod"),
        fleet::NAME,
        PAUSE,
    ],
    read,
};

const KNOWN: &[&str] =
    &["spec.template", "spec.limits", "spec.weight", "spec.replicas", "spec.disruption.consolidationPolicy"];

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let documents = yaml::documents(import.text())?;
    let object = kube::object(import, &documents, &["NodePool"])?;
    let name = kube::name(&object)?;
    page.name = page::name(name);
    page.begin("watched-loop", format!("Karpenter disrupts nodes of {}", short(name)), "create", "node");
    let (longest, from) = match object.find("spec.template.spec.terminationGracePeriod")? {
        Some(at) if !import.was_given("drain_max") => {
            (kube::length(&at)?, From::File(format!("terminationGracePeriod: {}", short(at.text()?))))
        }
        _ => {
            let (ms, from) = import.span("drain_max");
            (Length::ms(ms), from)
        }
    };
    let (shortest, least) = import.span("drain_min");
    let act = (Length::ms(shortest), longest, From::ends(least, from));
    let repeat = (Length::seconds(10), From::File("it looks for candidates every 10s".to_owned()));
    let lag = ("0s", From::File("nodes are watched".to_owned()));
    let fleet = fleet::Fleet { together: true, action: "replace", act, repeat, size: None, lag };
    let size = fleet::write(import, page, fleet)?;
    budget(&object, page, size)?;
    if let Some(at) = object.find("spec.disruption.consolidateAfter")? {
        let text = at.text()?;
        if text == "Never" {
            page.note("consolidateAfter: Never: nothing is consolidated; drift and expiry go on.");
        } else {
            let length = kube::length(&at)?;
            if !length.is_zero() {
                page.table("guards.quiet");
                page.word(
                    "kind",
                    "cooldown-from-completion",
                    From::File("a node is left alone after its pods changed".to_owned()),
                );
                page.shorter("span", length, From::File(format!("consolidateAfter: {}", short(text))));
                page.word("memory", "process", From::File("the cluster state of the controller".to_owned()));
            }
        }
    }
    page.no_faults(import.span("pause"));
    page.note("A node that is up for disruption serves, and the checker counts it as one that does not: `floor` is 0.");
    kube::leftovers(page, &object, KNOWN);
    Ok(())
}

/// The most restrictive budget that counts at all times and for every reason.
fn budget(object: &super::tree::At<'_>, page: &mut Page, size: u32) -> Result<(), Fault> {
    let mut least: Option<(u64, Portion, String)> = None;
    let mut left_out = Vec::new();
    let budgets = object.find("spec.disruption.budgets")?;
    for budget in budgets.as_ref().map_or(Ok(Vec::new()), |budgets| budgets.list())? {
        let Some(nodes) = budget.get("nodes")? else { continue };
        let (portion, text) = (kube::portion(&nodes)?, short(nodes.text()?));
        budget.node_mark(&["schedule", "duration", "reasons"])?;
        if budget.get("schedule")?.is_some() || budget.get("reasons")?.is_some() {
            left_out.push(text);
            continue;
        }
        let most = portion.of(size.into(), Rounding::Up);
        if least.as_ref().is_none_or(|(known, ..)| most < *known) {
            least = Some((most, portion, text));
        }
    }
    if !left_out.is_empty() {
        page.note(format!(
            "Budgets with a schedule or with reasons ({}) hold at times or for some; the policy is about the rest of the time.",
            left_out.join(", ")
        ));
    }
    page.table("guards.budget");
    page.word("kind", "in-flight", From::Kind);
    let (portion, from) = match least {
        Some((_, portion, text)) => (portion, From::File(format!("budgets: nodes: {text}"))),
        None if budgets.is_none() => (Portion::Percent(10), From::Default("budgets: nodes: 10%".to_owned())),
        None => (Portion::Percent(100), From::Default("no budget counts at all times".to_owned())),
    };
    match portion {
        Portion::Percent(percent) => {
            page.put("percent", percent.to_string(), from);
            let most = portion.of(size.into(), Rounding::Up);
            page.word("rounding", "up", From::File(format!("of {size}: {most}")));
        }
        Portion::Count(count) => page.put("limit", count.min(size.into()).to_string(), from),
    }
    page.word("per", "fleet", From::Kind);
    Ok(())
}
