//! Medik8s' NodeHealthCheck: remediate nodes that are not well, unless too few are healthy.

use super::page::{From, Page};
use super::spans::Length;
use super::{Fault, Import, Kind, PAUSE, Takes, assume, fleet, kube, yaml};
use crate::guard::{Portion, Rounding};
use crate::source::suggest::short;

pub const KIND: Kind = Kind {
    name: "node-health-check",
    reads: "a NodeHealthCheck of Medik8s",
    source: "nodehealthcheck_types.go of the node-healthcheck-operator; minHealthy and maxUnhealthy are rounded up",
    assumes: &[
        fleet::SIZE,
        fleet::FAULTY,
        fleet::FLOOR,
        fleet::FAULT,
        assume("remedy_min", Takes::Span, "1m", "the shortest remediation of a node"),
        assume("remedy_max", Takes::Span, "10m", "and the longest: until the node is back"),
        fleet::NAME,
        PAUSE,
    ],
    read,
};

const KNOWN: &[&str] = &[
    "spec.selector",
    "spec.remediationTemplate",
    "spec.pauseRequests",
    "spec.healthyDelay",
    "spec.stormCooldownDuration",
    "spec.controlPlaneRemediation",
];

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let documents = yaml::documents(import.text())?;
    let object = kube::object(import, &documents, &["NodeHealthCheck"])?;
    let name = kube::name(&object)?;
    page.name = super::page::name(name);
    page.begin(
        "watched-loop",
        format!("NodeHealthCheck {} remediates nodes", short(name)),
        "restart",
        "node",
    );
    let mut repeat = (Length::seconds(300), From::Default("Ready False or Unknown for 300s".to_owned()));
    if let Some(list) = object.find("spec.unhealthyConditions")? {
        let mut shortest: Option<Length> = None;
        for condition in list.list()? {
            condition.node_mark(&["type", "status"])?;
            let Some(at) = condition.get("duration")? else { continue };
            let length = kube::length(&at)?;
            shortest = Some(shortest.map_or(length, |known| known.min(length)));
        }
        if let Some(length) = shortest {
            let shown = crate::source::duration::show(length.up());
            repeat = (length, From::File(format!("the shortest of unhealthyConditions: {shown}")));
        }
    }
    let (mut longest, mut from) = import.span("remedy_max");
    let mut steps = 0;
    if let Some(ladder) = object.find("spec.escalatingRemediations")? {
        let mut sum = Length::ms(0);
        for step in ladder.list()? {
            step.node_mark(&["order", "remediationTemplate"])?;
            if let Some(at) = step.get("timeout")? {
                sum = Length::ms(sum.up().saturating_add(kube::length(&at)?.up()));
            }
            steps += 1;
        }
        if sum.up() > 0 && !import.was_given("remedy_max") {
            longest = sum.up();
            from = From::File(format!("the timeouts of {steps} escalating remediations, added up"));
        }
        page.note(format!(
            "The {steps} escalating remediations are one action in the policy, as long as all of them together: the checker \
             has no ladder. After the last one nobody is told."
        ));
    }
    let (shortest, least) = import.span("remedy_min");
    let act = (Length::ms(shortest), Length::ms(longest), From::ends(least, from));
    let lag = ("0s", From::File("nodes are watched".to_owned()));
    let fleet = fleet::Fleet { together: true, action: "reboot", act, repeat, size: None, lag };
    let size = fleet::write(import, page, fleet)?;
    let (healthy, unhealthy) = (object.find("spec.minHealthy")?, object.find("spec.maxUnhealthy")?);
    if let (Some(_), Some(at)) = (&healthy, &unhealthy) {
        return Err(at.fault("minHealthy and maxUnhealthy exclude one another"));
    }
    if let Some(at) = unhealthy {
        let portion = kube::portion(&at)?;
        fleet::gate(
            page,
            "unhealthy",
            portion,
            true,
            size,
            From::File(format!("maxUnhealthy: {}", short(at.text()?))),
        );
    } else {
        let (portion, from) = match healthy {
            Some(at) => (kube::portion(&at)?, From::File(format!("minHealthy: {}", short(at.text()?)))),
            None => (Portion::Percent(51), From::Default("minHealthy: 51%".to_owned())),
        };
        let least = portion.of(size.into(), Rounding::Up);
        page.note(format!(
            "minHealthy is a limit of unhealthy ones in the policy: {least} of {size} must be healthy (rounded up), so {} may \
             be unhealthy.",
            u64::from(size).saturating_sub(least)
        ));
        fleet::gate(
            page,
            "unhealthy",
            Portion::Count(u64::from(size).saturating_sub(least)),
            true,
            size,
            from,
        );
    }
    page.no_faults(import.span("pause"));
    kube::leftovers(page, &object, KNOWN);
    Ok(())
}
