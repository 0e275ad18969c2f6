//! The catalogue of actions: what a second application of each does, what would make it safe, and
//! where that is known from.

use super::Class;
use super::Class::{Conditionally, NaturallyIdempotent, UnsafeToRepeat};
use crate::policy::remedy::ActionKind;

/// What is known of an action.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub class: Class,
    pub twice: &'static str,
    pub safe_form: &'static str,
    pub evidence: &'static str,
    /// One application in error can cost more than one member.
    pub blast: bool,
}

const fn known(
    class: Class,
    twice: &'static str,
    safe_form: &'static str,
    evidence: &'static str,
    blast: bool,
) -> Entry {
    Entry { class, twice, safe_form, evidence, blast }
}

/// The row of an action. What the catalogue does not know is unsafe to repeat.
pub fn entry(kind: ActionKind) -> Entry {
    match kind {
        ActionKind::Restart => known(
            NaturallyIdempotent,
            "a second outage; kills what is warming up, hides the evidence",
            "skip it if the process started after the trigger",
            "systemd; Nomad",
            false,
        ),
        ActionKind::Reboot => known(
            NaturallyIdempotent,
            "a reboot during the boot: file-system checks, loss of a quorum",
            "compare the boot id; one at a time in a failure domain",
            "kured; NVIDIA/NVSentinel#1543",
            false,
        ),
        ActionKind::PowerCycle => known(
            UnsafeToRepeat,
            "a machine that had recovered is cut off",
            "two idempotent steps: ensure off, ensure on",
            "metal3-io/cluster-api-provider-metal3#668",
            false,
        ),
        ActionKind::ScaleBy => known(
            UnsafeToRepeat,
            "a double step, down to nothing",
            "a key for each decision, and compare-and-set on the generation",
            "openshift/kubernetes-autoscaler#125",
            true,
        ),
        ActionKind::ScaleTo => known(
            Conditionally,
            "a stale number overwrites a newer decision",
            "compare-and-set on the version, within a floor and a cap",
            "kubernetes/autoscaler#3104, #4634",
            false,
        ),
        ActionKind::Failover => known(
            UnsafeToRepeat,
            "a second promotion: split brain, lost writes",
            "an epoch that the resource checks; blocked for longer than the longest recovery",
            "openark/orchestrator#1217; GitHub, October 2018",
            true,
        ),
        ActionKind::FailBack => {
            known(UnsafeToRepeat, "back and forth", "never by itself; hold", "GitHub, September 2012", true)
        }
        ActionKind::Delete => known(
            NaturallyIdempotent,
            "not found is success; dangerous only where an id is used again",
            "a precondition on the uid",
            "Kubernetes UIDs",
            false,
        ),
        ActionKind::DeleteBySelector => known(
            Conditionally,
            "the set has changed between the runs; an empty selector is everything",
            "resolve the set once, store the list, cap it, refuse an empty one",
            "Site Reliability Engineering, chapter 7 (Diskerase)",
            true,
        ),
        ActionKind::Terminate => known(
            UnsafeToRepeat,
            "more capacity is lost where any one of N is terminated",
            "by id, with the desired capacity lowered along with it",
            "AWS Auto Scaling",
            true,
        ),
        ActionKind::Replace => known(
            Conditionally,
            "two replacements, one of them an orphan",
            "a record of who owns it; wait until the last one is done",
            "Cluster API KubeadmControlPlane",
            false,
        ),
        ActionKind::Drain => known(
            Conditionally,
            "what was rescheduled here is evicted again",
            "an owner in an annotation",
            "kured; draino",
            false,
        ),
        ActionKind::Cordon => {
            known(NaturallyIdempotent, "nothing", "an owner in an annotation", "Kubernetes", false)
        }
        ActionKind::Uncordon => known(
            UnsafeToRepeat,
            "a late one opens a node that another run is draining",
            "uncordon only what oneself has cordoned",
            "kured, metadata.unschedulable",
            false,
        ),
        ActionKind::Reconfigure => known(
            NaturallyIdempotent,
            "a needless reload",
            "compare the hashes",
            "configuration management",
            false,
        ),
        ActionKind::Append => known(
            UnsafeToRepeat,
            "duplicate lines; a list that grows",
            "set semantics, or a test before the addition",
            "RFC 6902, test",
            false,
        ),
        ActionKind::Rollback => known(
            Conditionally,
            "back and forth where `previous` is relative",
            "name the revision; hold what triggered it",
            "argoproj/argo-cd#9570",
            false,
        ),
        ActionKind::SwitchDns => known(
            Conditionally,
            "a stale plan overwrites a newer one; flip-flop within the TTL",
            "compare-and-set on the plan's version, held for longer than the TTL",
            "AWS, October 2025",
            true,
        ),
        ActionKind::Restore => known(
            UnsafeToRepeat,
            "destroys what was written since the first restore",
            "restore beside it, swap once, with approval",
            "snapshot restore",
            true,
        ),
        ActionKind::Rotate => known(
            UnsafeToRepeat,
            "the second one invalidates what clients have just fetched",
            "two slots, current and next; retire only what is unused",
            "credential rotation",
            true,
        ),
        ActionKind::Notify => known(
            UnsafeToRepeat,
            "duplicates; a storm of pages",
            "a key for each episode; update instead",
            "prometheus/alertmanager#4108",
            false,
        ),
        ActionKind::Purge => known(
            UnsafeToRepeat,
            "deletes messages that are new",
            "purge up to an offset or a time",
            "queue purge",
            true,
        ),
        ActionKind::Replay => known(
            UnsafeToRepeat,
            "messages are processed twice, some while still in flight",
            "consumers with receipts that outlive the replay",
            "dead-letter replay",
            true,
        ),
        ActionKind::ClearCache => known(
            NaturallyIdempotent,
            "a stampede",
            "jitter, and a limiter",
            "Facebook, September 2010",
            true,
        ),
        ActionKind::Charge => known(
            UnsafeToRepeat,
            "the money is taken twice",
            "a receipt reserved before the call",
            "Twilio, July 2013",
            true,
        ),
        ActionKind::Pause => known(
            NaturallyIdempotent,
            "another reconciler takes it back unnoticed",
            "in the same store, with its owner",
            "Reddit, August 2016",
            false,
        ),
        ActionKind::Other => known(
            UnsafeToRepeat,
            "nobody knows",
            "classify it first",
            "the rule: what is not classified is unsafe to repeat",
            true,
        ),
    }
}
