//! `[system]`: several policies that touch the same target, checked together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::keys::SYSTEM_FILE;
use super::read::{expect, faults, silenced, waivers};
use super::remedy::Target;
use super::simulate::{self, Simulate};
use super::{Faults, LoadedPolicy, Policy, Waiver};
use crate::check::{property::Property, verdict::Verdict};
use crate::diag::{Code, Diagnostic};
use crate::source::reader::Reader;
use crate::source::{FileId, Located, Span, document};

/// Policies that are checked together, at most.
pub const MEMBERS_MAX: usize = 3;

/// A system file as written.
#[derive(Debug)]
pub struct SystemDraft {
    pub file: FileId,
    pub path: PathBuf,
    pub name: Option<Located<String>>,
    pub summary: Option<String>,
    /// Paths, or names of policies in the same run, with the place of each.
    pub members: Vec<Located<String>>,
    pub header: Span,
    /// What the file says of the adversary; else that of its members.
    pub faults: Option<Faults>,
    /// What the file says of durations and chances; else the first member's.
    pub simulate: Option<Simulate>,
    pub expect: BTreeMap<Property, Verdict>,
    pub waivers: Vec<Waiver>,
    pub silenced: BTreeMap<String, String>,
}

/// Reads a file with a `[system]`.
pub fn read(file: FileId, path: &Path, text: &str) -> (Option<SystemDraft>, Vec<Diagnostic>) {
    let mut reader = Reader::new(file);
    let Some(document) = document::parse(file, text, &mut reader.out) else {
        return (None, reader.out);
    };
    let root = reader.root(&SYSTEM_FILE, &document);
    let system = reader.table(&root, "system");
    let header = system.map(|table| table.header).unwrap_or_default();
    let members = system.map(|table| reader.located_texts(&table, "members")).unwrap_or_default();
    let draft = SystemDraft {
        file,
        path: path.to_owned(),
        name: reader.text(&root, "policy"),
        summary: reader.text(&root, "summary").map(|text| text.value),
        members,
        header,
        faults: reader.table(&root, "faults").map(|table| faults(Some(table), &mut reader)),
        simulate: reader.table(&root, "simulate").map(|table| simulate::read(&table, &mut reader)),
        expect: expect(&root, &mut reader),
        waivers: waivers(&root, &mut reader),
        silenced: silenced(&root, &mut reader),
    };
    (Some(draft), reader.out)
}

/// Puts the members together; none where they do not fit.
pub fn compose(draft: &SystemDraft, members: &[LoadedPolicy], out: &mut Vec<Diagnostic>) -> Option<Policy> {
    let fault = |message: String| Diagnostic::new(Code::SystemMismatch, draft.file, message);
    if !(2..=MEMBERS_MAX).contains(&members.len()) {
        let message = format!("{} members, and a system has 2 to {MEMBERS_MAX}", members.len());
        out.push(fault(message).at(draft.header, "").help("name the policies that touch the same target"));
        return None;
    }
    let mut sound = true;
    let target =
        |member: &LoadedPolicy| -> Option<Target> { Some(member.policy.remedy.as_ref()?.target.clone()) };
    let first = target(&members[0]);
    for (member, place) in members.iter().zip(&draft.members) {
        let Some(own) = target(member) else {
            sound = false;
            let message = format!("`{}` touches no target", member.policy.name);
            out.push(fault(message).at(place.span, "").help("only remediations can be checked together"));
            continue;
        };
        let Some(shared) = &first else { continue };
        let facts = |target: &Target| (target.fault, target.period, target.faulty, target.harm);
        if (&own.name, own.kind) == (&shared.name, shared.kind) && facts(&own) != facts(shared) {
            sound = false;
            let message = format!(
                "`{}` and `{}` say different things of the fault of their target",
                member.policy.name, members[0].policy.name
            );
            out.push(
                fault(message)
                    .at(place.span, "")
                    .help("`fault`, `period`, `faulty` and `harm` are the target's"),
            );
        }
        if (&own.name, own.kind) != (&shared.name, shared.kind) {
            sound = false;
            let message = format!(
                "`{}` touches the target `{}`, and `{}` touches `{}`, or one of another kind",
                member.policy.name, own.name, members[0].policy.name, shared.name
            );
            out.push(
                fault(message)
                    .at(place.span, "")
                    .help("give both targets the same `name`, `kind`, size and floor")
                    .paste(format!("[target]\nname = \"{}\"", shared.name)),
            );
        }
    }
    if !sound {
        return None;
    }
    let name = draft.name.as_ref()?.value.clone();
    let mut policy = members[0].policy.clone();
    policy.summary = draft.summary.clone().unwrap_or_else(|| name.clone());
    policy.name = name;
    policy.path = draft.path.clone();
    if let Some(simulate) = &draft.simulate {
        policy.simulate = simulate.clone();
    }
    policy.expect = draft.expect.clone();
    policy.waivers = draft.waivers.clone();
    policy.silenced = draft.silenced.clone();
    policy.faults = match &draft.faults {
        Some(faults) => faults.clone(),
        None => members.iter().skip(1).fold(policy.faults, |all, member| all.most(&member.policy.faults)),
    };
    let mut locks = members.iter().filter_map(|member| member.policy.lock.as_ref());
    policy.lock = locks.next().cloned();
    if let (Some(first), Some(other)) = (&policy.lock, locks.find(|lock| policy.lock.as_ref() != Some(lock)))
    {
        let keys = first.unlike(other).join("`, `");
        let message = format!("the members' locks differ in `{keys}`");
        out.push(fault(message).at(draft.header, "").help("they take the same lock: describe it alike"));
        return None;
    }
    // What any of them promises of the target, the system promises.
    if let Some(all) = &mut policy.remedy {
        for own in members.iter().filter_map(target) {
            all.target.limit = all.target.limit.into_iter().chain(own.limit).min();
            all.target.hold = all.target.hold.max(own.hold);
            all.target.reversals = all.target.reversals.min(own.reversals);
        }
    }
    policy.members = members.iter().map(|m| (m.policy.clone(), m.protocol.clone())).collect();
    Some(policy)
}

/// Targets that several policies touch and no system puts together: what one of them proves, another
/// may undo.
pub fn shared_targets(policies: &[LoadedPolicy]) -> Vec<Diagnostic> {
    let mut by_target: BTreeMap<&str, Vec<&LoadedPolicy>> = BTreeMap::new();
    for policy in policies.iter().filter(|policy| policy.policy.members.is_empty()) {
        if let Some(remedy) = &policy.policy.remedy {
            by_target.entry(&remedy.target.name).or_default().push(policy);
        }
    }
    let together = |names: &[&str]| {
        policies.iter().any(|system| {
            let has = |name: &&str| system.policy.members.iter().any(|(member, _)| member.name == **name);
            names.iter().all(has)
        })
    };
    let mut out = Vec::new();
    for (target, users) in by_target {
        let names: Vec<&str> = users.iter().map(|user| user.policy.name.as_str()).collect();
        if names.len() < 2 || together(&names) {
            continue;
        }
        let listed = crate::source::suggest::list(names.iter().copied());
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let message =
            format!("the target `{target}` is touched by {listed}, and no system checks them together");
        out.push(
            Diagnostic::new(Code::TargetShared, users[0].policy_file, message)
                .help("check them together, in a file of its own")
                .paste(format!(
                    "policy = \"{target}-together\"\n\n[system]\nmembers = [{}]",
                    quoted.join(", ")
                )),
        );
    }
    out
}
