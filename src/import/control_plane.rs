//! Cluster API's KubeadmControlPlane: replace one control-plane machine at a time, with retries.

use super::page::{self, From, Page};
use super::spans::Length;
use super::tree::At;
use super::{Assumption, Fault, Import, Kind, PAUSE, Takes, assume, fleet, kube, yaml};
use crate::guard::Portion;
use crate::policy::remedy::keys::{LIMIT_MAX, SIZE_MAX};
use crate::source::suggest::short;

/// Correlated failures are stopped by the quorum; one at a time shows the retries.
const FAULTY: Assumption =
    assume("faulty", Takes::Count(1, SIZE_MAX), "1", "machines that are unhealthy at the same time, at most");

pub const KIND: Kind = Kind {
    name: "control-plane",
    reads: "a KubeadmControlPlane of Cluster API (v1beta1, v1beta2)",
    source: "kubeadm_control_plane_types.go and remediation.go of Cluster API",
    assumes: &[
        fleet::SIZE,
        FAULTY,
        fleet::FLOOR,
        assume("fault", super::FAULTS, "persistent", "whether a new machine is better"),
        assume("replace_min", Takes::Span, "1m", "the shortest replacement of a machine"),
        assume(
            "replace_max",
            Takes::Span,
            "10m",
            "and the longest: until the new one is unhealthy in its turn",
        ),
        fleet::NAME,
        PAUSE,
    ],
    read,
};

const KNOWN: &[&str] = &[
    "spec.version",
    "spec.machineTemplate",
    "spec.kubeadmConfigSpec",
    "spec.rollout",
    "spec.rolloutStrategy",
    "spec.rolloutBefore",
    "spec.rolloutAfter",
    "spec.machineNaming",
    "spec.machineNamingStrategy",
];

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let documents = yaml::documents(import.text())?;
    let object = kube::object(import, &documents, &["KubeadmControlPlane"])?;
    let name = kube::name(&object)?;
    page.name = page::name(name);
    page.begin(
        "watched-loop",
        format!("KubeadmControlPlane {} replaces machines", short(name)),
        "create",
        "machine",
    );
    let size = match object.find("spec.replicas")? {
        None => (1, From::Default("replicas: 1".to_owned())),
        Some(at) => {
            let replicas = at.count()?;
            if replicas > u64::from(SIZE_MAX) {
                page.note(format!("{replicas} replicas are more than the {SIZE_MAX} that are checked."));
            }
            if replicas < 2 {
                page.note(
                    "With one replica KubeadmControlPlane remediates nothing: it wants two at the least.",
                );
            }
            (replicas.clamp(1, SIZE_MAX.into()) as u32, From::File(format!("replicas: {replicas}")))
        }
    };
    let size = if import.was_given("size") { import.count("size") } else { size };
    let (longest, from) = import.span("replace_max");
    let (shortest, least) = import.span("replace_min");
    let act = (Length::ms(shortest), Length::ms(longest), From::ends(least, from));
    let (retry, retry_from) = period(&object, "retryPeriod")?
        .unwrap_or((Length::ms(0), From::Default("no retryPeriod: at once".to_owned())));
    let repeat = if retry.is_zero() {
        (Length::seconds(10), From::File("it looks again when something changes".to_owned()))
    } else {
        (retry, From::File("as retryPeriod: what comes sooner is refused".to_owned()))
    };
    let lag = ("0s", From::File("conditions are watched".to_owned()));
    let fleet = fleet::Fleet { together: false, action: "replace", act, repeat, size: Some(size), lag };
    let size = fleet::write(import, page, fleet)?;
    let quorum = u64::from(size.saturating_sub(1) / 2);
    fleet::gate(
        page,
        "a-quorum",
        Portion::Count(quorum),
        false,
        size,
        From::File(format!("etcd keeps its quorum: of {size} at most {quorum} may be unhealthy")),
    );
    page.table("guards.b-one-at-a-time");
    page.word("kind", "in-flight", From::File("the last remediation must be over".to_owned()));
    page.put("limit", "1".to_owned(), From::Kind);
    page.word("per", "fleet", From::Kind);
    if !retry.is_zero() {
        page.table("guards.c-retry-period");
        page.word("kind", "cooldown", From::File("counts from the start of the last remediation".to_owned()));
        page.shorter("span", retry, retry_from);
        page.word("edge", "reached", From::Kind);
        page.word("memory", "durable", From::File("an annotation".to_owned()));
    }
    let most = match object.find("spec.remediation.maxRetry")? {
        Some(at) => Some(at),
        None => object.find("spec.remediationStrategy.maxRetry")?,
    };
    let healthy = period(&object, "minHealthyPeriod")?;
    match most {
        None => page.note(
            "maxRetry is not set: KubeadmControlPlane retries for ever, so no guard counts the attempts.",
        ),
        Some(at) => {
            let count = at.count()?;
            let (span, from) =
                healthy.unwrap_or((Length::seconds(3_600), From::Default("minHealthyPeriod 1h".to_owned())));
            page.table("guards.d-retries");
            page.word(
                "kind",
                "quiet-reset",
                From::File("a failure later than minHealthyPeriod begins anew".to_owned()),
            );
            // The first remediation is no retry.
            let admitted = count.saturating_add(1);
            if admitted > LIMIT_MAX.into() {
                page.note(format!(
                    "{count} retries are more than the checker counts: the guard ends after {LIMIT_MAX} attempts. Whether it ever \
                     ends is the same for both."
                ));
            }
            page.put(
                "limit",
                admitted.min(LIMIT_MAX.into()).to_string(),
                From::File(format!("maxRetry: {count}, and the first one")),
            );
            page.shorter("span", span, from);
            page.word("edge", "reached", From::Kind);
            page.word("memory", "durable", From::File("an annotation".to_owned()));
        }
    }
    page.no_faults(import.span("pause"));
    kube::leftovers(page, &object, KNOWN);
    Ok(())
}

/// `remediation.NAMESeconds`, or `remediationStrategy.NAME` of v1beta1.
fn period(object: &At<'_>, name: &str) -> Result<Option<(Length, From)>, Fault> {
    let said =
        |at: &At<'_>| -> Result<From, Fault> { Ok(From::File(format!("{name}: {}", short(at.text()?)))) };
    if let Some(at) = object.find(&format!("spec.remediation.{name}Seconds"))? {
        return Ok(Some((kube::seconds(&at)?, said(&at)?)));
    }
    match object.find(&format!("spec.remediationStrategy.{name}"))? {
        Some(at) => Ok(Some((kube::length(&at)?, said(&at)?))),
        None => Ok(None),
    }
}
