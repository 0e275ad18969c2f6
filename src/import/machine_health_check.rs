//! Cluster API's MachineHealthCheck: replace machines whose node is not well, unless too many are.

use super::page::{From, Page};
use super::spans::Length;
use super::tree::At;
use super::{Fault, Import, Kind, PAUSE, Takes, assume, fleet, kube, yaml};
use crate::guard::Portion;
use crate::source::suggest::short;

pub const KIND: Kind = Kind {
    name: "machine-health-check",
    reads: "a MachineHealthCheck of Cluster API (v1beta1, v1beta2) or of OpenShift",
    source: "machinehealthcheck_types.go and its controller in Cluster API; percentages are rounded down",
    assumes: &[
        fleet::SIZE,
        fleet::FAULTY,
        fleet::FLOOR,
        fleet::FAULT,
        assume("replace_min", Takes::Span, "1m", "the shortest replacement of a machine"),
        fleet::NAME,
        PAUSE,
    ],
    read,
};

const KNOWN: &[&str] = &[
    "spec.clusterName",
    "spec.selector",
    "spec.remediationTemplate",
    "spec.remediation.templateRef",
    "spec.checks.unhealthyMachineConditions",
    "spec.unhealthyConditions",
    "spec.checks.unhealthyNodeConditions",
];

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let documents = yaml::documents(import.text())?;
    let object = kube::object(import, &documents, &["MachineHealthCheck"])?;
    let name = kube::name(&object)?;
    page.name = super::page::name(name);
    page.begin(
        "watched-loop",
        format!("MachineHealthCheck {} replaces machines", short(name)),
        "create",
        "machine",
    );

    let startup = match (
        object.find("spec.checks.nodeStartupTimeoutSeconds")?,
        object.find("spec.nodeStartupTimeout")?,
    ) {
        (Some(at), _) => Some((kube::seconds(&at)?, "nodeStartupTimeoutSeconds", at)),
        (None, Some(at)) => Some((kube::length(&at)?, "nodeStartupTimeout", at)),
        (None, None) => None,
    };
    let (longest, from) = match startup {
        None => (
            Length::seconds(600),
            From::Default("nodeStartupTimeout 10m: then the new machine is unhealthy itself".to_owned()),
        ),
        Some((length, key, at)) => {
            if length.is_zero() {
                page.note("nodeStartupTimeout is 0, which turns it off: a machine that never gets a node is never replaced. `act` has its default of 10m.");
            }
            let length = if length.is_zero() { Length::seconds(600) } else { length };
            (length, From::File(format!("{key}: {}", short(at.text()?))))
        }
    };
    let (shortest, least) = import.span("replace_min");
    let act = (Length::ms(shortest), longest, From::ends(least, from));
    let repeat = conditions(&object, page)?;
    let lag = ("0s", From::File("conditions are watched".to_owned()));
    let fleet = fleet::Fleet { together: true, action: "replace", act, repeat, size: None, lag };
    let size = fleet::write(import, page, fleet)?;

    let most = match object.find("spec.remediation.triggerIf.unhealthyLessThanOrEqualTo")? {
        Some(at) => Some((at, "unhealthyLessThanOrEqualTo")),
        None => object.find("spec.maxUnhealthy")?.map(|at| (at, "maxUnhealthy")),
    };
    let range = match object.find("spec.remediation.triggerIf.unhealthyInRange")? {
        Some(at) => Some(at),
        None => object.find("spec.unhealthyRange")?,
    };
    let (portion, from) = match (range, most) {
        (Some(at), most) => {
            let (least, most_in) = in_range(&at)?;
            if most.is_some() {
                page.note("The range of unhealthy machines wins over their maximum, as in Cluster API.");
            }
            if least > 0 {
                page.note(format!(
                    "Below {least} unhealthy machines nothing is done in reality; the policy acts there, too: the checker's \
                     gate has no lower end. A single fault that nobody repairs is not shown."
                ));
            }
            (Portion::Count(most_in), From::File(format!("unhealthy in range {}", short(at.text()?))))
        }
        (None, Some((at, key))) => (kube::portion(&at)?, From::File(format!("{key}: {}", short(at.text()?)))),
        (None, None) => (Portion::Percent(100), From::Default("100%, so the gate is always open".to_owned())),
    };
    fleet::gate(page, "unhealthy", portion, false, size, from);
    page.no_faults(import.span("pause"));
    kube::leftovers(page, &object, KNOWN);
    Ok(())
}

/// The shortest time after which an unhealthy node counts.
fn conditions(object: &At<'_>, page: &mut Page) -> Result<(Length, From), Fault> {
    let mut shortest: Option<(Length, From)> = None;
    for (list, key) in
        [("spec.unhealthyConditions", "timeout"), ("spec.checks.unhealthyNodeConditions", "timeoutSeconds")]
    {
        let Some(list) = object.find(list)? else { continue };
        for condition in list.list()? {
            condition.node_mark(&["type", "status"])?;
            let Some(timeout) = condition.get(key)? else { continue };
            let length = if key == "timeout" { kube::length(&timeout)? } else { kube::seconds(&timeout)? };
            if shortest.as_ref().is_none_or(|(known, _)| length < *known) {
                let kind = condition.get("type")?.map_or(Ok("?"), |kind| kind.text())?;
                shortest = Some((
                    length,
                    From::File(format!("{} for {}", short(kind), crate::source::duration::show(length.up()))),
                ));
            }
        }
    }
    if shortest.is_none() {
        page.note("No unhealthy conditions with a time are given.");
    }
    Ok(shortest.unwrap_or((Length::seconds(300), From::Default("5m".to_owned()))))
}

/// `[3-5]`.
fn in_range(at: &At<'_>) -> Result<(u64, u64), Fault> {
    let text = at.text()?;
    let ends =
        text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).and_then(|rest| rest.split_once('-'));
    let ends = ends.and_then(|(least, most)| Some((least.trim().parse().ok()?, most.trim().parse().ok()?)));
    match ends {
        Some((least, most)) if least <= most => Ok((least, most)),
        _ => Err(at.fault(format!("`{}` is not a range such as [3-5]", short(text)))),
    }
}
