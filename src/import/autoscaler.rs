//! Kubernetes' HorizontalPodAutoscaler: one direction of it, towards the end that it stops at.

use super::page::{self, From, Page};
use super::spans::Length;
use super::tree::At;
use super::{Fault, Import, Kind, PAUSE, Takes, assume, fleet, kube, yaml};
use crate::policy::remedy::keys::VALUE_MAX;
use crate::source::suggest::short;

pub const KIND: Kind = Kind {
    name: "autoscaler",
    reads: "a HorizontalPodAutoscaler (autoscaling/v1, v2)",
    source: "autoscaling/v2 types.go and defaults.go of Kubernetes; the controller's own flags have their defaults",
    assumes: &[
        assume(
            "direction",
            Takes::Word(&["down", "up"]),
            "down",
            "which of the two: a policy has one action",
        ),
        assume(
            "sync",
            Takes::Span,
            "15s",
            "--horizontal-pod-autoscaler-sync-period of the controller manager",
        ),
        assume("act_max", Takes::Span, "30s", "from the decision until the pods are there, or gone"),
        assume("lag", Takes::Span, "0s", "how old the metrics can be"),
        fleet::NAME,
        PAUSE,
    ],
    read,
};

const KNOWN: &[&str] = &[
    "spec.scaleTargetRef",
    "spec.metrics",
    "spec.targetCPUUtilizationPercentage",
    "spec.behavior.scaleUp",
    "spec.behavior.scaleDown",
];

/// At most so many pods in a period.
struct Rate {
    pods: u64,
    period: Length,
    from: From,
}

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let documents = yaml::documents(import.text())?;
    let object = kube::object(import, &documents, &["HorizontalPodAutoscaler"])?;
    let name = kube::name(&object)?;
    let direction = import.assumed("direction").0;
    let down = direction == "down";
    let Some(most) = object.find("spec.maxReplicas")? else {
        return Err(object.fault("no spec.maxReplicas, which Kubernetes requires"));
    };
    let least = match object.find("spec.minReplicas")? {
        Some(at) => (at.count()?, From::File(format!("minReplicas: {}", short(at.text()?)))),
        None => (1, From::Default("minReplicas: 1".to_owned())),
    };
    let most_real = most.count()?;
    if most_real < least.0.max(1) {
        return Err(most.fault("maxReplicas is below minReplicas; Kubernetes refuses it"));
    }
    page.name = page::name(&format!("{}-{direction}", name.chars().take(40).collect::<String>()));
    page.begin(
        "guarded-loop",
        format!("HorizontalPodAutoscaler {} scales {direction}", short(name)),
        "delta",
        "deployment",
    );
    // Differences count, not how many there are in all.
    let top = u64::from(VALUE_MAX);
    let shift = most_real.saturating_sub(top).min(least.0);
    let (low, high) = (least.0 - shift, (most_real - shift).min(top));
    if most_real > top {
        page.note(format!(
            "{most_real} replicas are more than the checker's {top}: the policy counts from {shift} on, and ends at {high}. A rate \
             in percent is of the real number."
        ));
    }
    let other = if down { "up" } else { "down" };
    page.note(format!(
        "A policy has one action: this one scales {direction}, with the load that makes it do so until the end. The other \
         direction: `--assume direction={other}`; both together make a [system]."
    ));
    page.table("trigger");
    page.word("kind", "loop", From::Kind);
    let (sync, from) = import.span("sync");
    page.put("every", page::span(sync), from.clone());
    page.put("delay", page::span(0), From::File("a timer".to_owned()));
    page.table("target");
    page.word("kind", "value", From::File("replicas".to_owned()));
    page.put(
        "start",
        (if down { high } else { low }).to_string(),
        From::File(format!("from {}", if down { "maxReplicas" } else { "minReplicas" })),
    );
    page.put("floor", low.to_string(), least.1.clone());
    let (act, from) = import.span("act_max");
    page.put("act", page::range(0, act), from);
    let (lag, from) = import.span("lag");
    page.put("lag", page::span(lag), from);
    page.put(
        "unknown",
        "false".to_owned(),
        From::File("missing metrics keep it from scaling down".to_owned()),
    );
    page.word("errors", "never", From::granted("what goes wrong is seen as a fault, not heard as an error"));
    let key = if down { "scaleDown" } else { "scaleUp" };
    let behavior = object.find(&format!("spec.behavior.{key}"))?;
    let rate = rate(behavior.as_ref(), down, most_real, page)?;
    let Some(rate) = rate else {
        return Err(Fault::new(format!("{key}: selectPolicy is Disabled, so there is nothing to check")));
    };
    let distance = high - low;
    page.table("action");
    page.word("kind", "scale-by", From::Kind);
    let step = rate.pods.min(distance.max(1));
    page.put(
        if down { "removes" } else { "adds" },
        step.to_string(),
        From::File("as much as one period allows".to_owned()),
    );
    if down {
        page.put(
            "wants_max",
            (low + step).saturating_sub(1).min(top).to_string(),
            From::File("no step goes below minReplicas; the last one is left out".to_owned()),
        );
    } else {
        page.put(
            "wants_min",
            (high + 1).saturating_sub(step).to_string(),
            From::File("no step goes above maxReplicas; the last one is left out".to_owned()),
        );
    }
    page.word(
        "form",
        "compare-and-set",
        From::File("the scale is written with its resourceVersion".to_owned()),
    );
    page.table("guards.rate");
    page.word("kind", "sliding", From::Kind);
    page.put("limit", "1".to_owned(), From::Kind);
    page.shorter("span", rate.period, rate.from);
    page.word("edge", "reached", From::File("a change counts for less than a period".to_owned()));
    let default = Length::seconds(if down { 300 } else { 0 });
    let (window, from) =
        match behavior.as_ref().map(|at| at.get("stabilizationWindowSeconds")).transpose()?.flatten() {
            Some(at) => {
                let window = kube::seconds(&at)?;
                if window > Length::seconds(3_600) {
                    return Err(at.fault("more than 3600; Kubernetes refuses it"));
                }
                (window, From::File(format!("stabilizationWindowSeconds: {}", at.text()?)))
            }
            None => (
                default,
                From::Default(format!("stabilizationWindowSeconds: {}", if down { 300 } else { 0 })),
            ),
        };
    if !window.is_zero() {
        page.table("guards.stabilization");
        page.word("kind", "stabilization", From::Kind);
        page.shorter("span", window, from);
    }
    page.refused("retry", sync, From::File("the next round".to_owned()));
    page.no_faults(import.span("pause"));
    if let Some(behavior) = object.find("spec.behavior")? {
        for key in ["scaleUp", "scaleDown"] {
            if let Some(tolerance) = behavior.find(&format!("{key}.tolerance"))? {
                tolerance.mark();
                page.unused.push(tolerance.path);
            }
        }
    }
    kube::leftovers(page, &object, KNOWN);
    Ok(())
}

/// What a direction's policies permit. None: it is disabled.
fn rate(
    behavior: Option<&At<'_>>,
    down: bool,
    replicas: u64,
    page: &mut Page,
) -> Result<Option<Rate>, Fault> {
    let said = if down { "100 % in 15 s" } else { "4 pods or 100 % in 15 s, whichever is more" };
    let default = || Rate {
        pods: if down { replicas } else { replicas.max(4) },
        period: Length::seconds(15),
        from: From::Default(said.to_owned()),
    };
    let Some(behavior) = behavior else { return Ok(Some(default())) };
    let select = behavior.get("selectPolicy")?.map_or(Ok("Max"), |at| at.text())?;
    if !["Max", "Min", "Disabled"].contains(&select) {
        return Err(
            behavior.fault(format!("selectPolicy `{}` is none of Max, Min and Disabled", short(select)))
        );
    }
    if select == "Disabled" {
        return Ok(None);
    }
    let Some(policies) = behavior.get("policies")? else { return Ok(Some(default())) };
    let mut rates = Vec::new();
    for policy in policies.list()? {
        let kind = policy.get("type")?.map_or(Ok(""), |at| at.text())?;
        let value = match policy.get("value")? {
            Some(at) => at.count()?,
            None => return Err(policy.fault("no `value`")),
        };
        let period = match policy.get("periodSeconds")? {
            Some(at) if (1..=1_800).contains(&at.count()?) => at.count()?,
            Some(at) => return Err(at.fault("not from 1 to 1800 seconds; Kubernetes refuses it")),
            None => return Err(policy.fault("no `periodSeconds`")),
        };
        let pods = match kind {
            "Pods" => value,
            "Percent" => replicas.saturating_mul(value).div_ceil(100),
            _ => return Err(policy.fault(format!("type `{}` is neither Pods nor Percent", short(kind)))),
        };
        let from = From::File(format!("{} {kind} in {period} s", value));
        rates.push(Rate { pods: pods.max(1), period: Length::seconds(period), from });
    }
    if rates.is_empty() {
        return Ok(Some(default()));
    }
    if rates.len() > 1 {
        page.note(format!(
            "Of {} policies the policy has the one that selectPolicy ({select}) takes at first, of the most replicas.",
            rates.len()
        ));
    }
    // Which permits more in the same time.
    rates.sort_by_key(|rate| rate.pods.saturating_mul(3_600_000) / rate.period.up().max(1) as u64);
    Ok(if select == "Max" { rates.pop() } else { Some(rates.remove(0)) })
}
