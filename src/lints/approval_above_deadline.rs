//! `approval-above-deadline`. Asking takes longer than telling may.

use super::{Find, Lint};
use crate::check::property::Property;
use crate::check::verdict::format_ms;
use crate::model::graph::Uses;
use crate::policy::Policy;

pub static LINT: Lint = Lint {
    name: "approval-above-deadline",
    brief: "a request for approval can wait for longer than a person may be left untold",
    why: "Nobody answers, and the fault is past its deadline before the request lapses. Let it lapse sooner, and page then.",
    source: "sum over the ladder of timeouts: Medik8s escalatingRemediations",
    shown_by: &[Property::Escalates],
    find: Find::Broken(find),
};

fn find(policy: &Policy, uses: &Uses) -> Option<String> {
    let human = policy.remedy.as_ref().filter(|_| uses.approve)?.human;
    let within = human.within?;
    let too_long = human.approval.is_none_or(|approval| approval > within);
    too_long.then(|| {
        let approval = human.approval.map_or_else(|| "(unbounded)".to_owned(), format_ms);
        format!("human.approval {approval} > human.within {}", format_ms(within))
    })
}
