//! A run as a diagram: who has a lane, and between which lanes a step goes.
//!
//! Works from the words of the steps, which is all that a counterexample file has.

use crate::check::verdict::{Counterexample, Step};
use crate::system::describe::LATE_CALL;

/// What has a lane, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Clients, messages, alerts, schedules and loops: whatever begins attempts.
    Source,
    /// Attempts, deliveries and runs.
    Attempt,
    Guards,
    Lock,
    Store,
    Queue,
    Downstream,
    Target,
    Human,
}

/// A lane of the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    pub kind: Kind,
    pub name: String,
}

/// A step between lanes, by their indices; from a lane to itself where it concerns nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub from: usize,
    pub to: usize,
    pub says: String,
    /// What comes back at once.
    pub back: Option<String>,
    /// The client that is answered in the same step, and how.
    pub answer: Option<(usize, String)>,
}

/// The lanes of a run and a hop for each of its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagram {
    pub lanes: Vec<Lane>,
    pub hops: Vec<Hop>,
}

/// A step before its lanes have places.
struct Draft {
    from: Lane,
    to: Lane,
    says: String,
    back: Option<String>,
    answer: Option<(Lane, String)>,
}

/// The diagram of a run.
pub fn diagram(run: &Counterexample) -> Diagram {
    let mut begun_by: Vec<(String, Lane)> = Vec::new();
    let mut drafts = Vec::with_capacity(run.steps.len());
    for step in &run.steps {
        let draft = draft(step, &begun_by);
        if draft.from.kind == Kind::Source && draft.to.kind == Kind::Attempt {
            begun_by.retain(|(attempt, _)| *attempt != draft.to.name);
            begun_by.push((draft.to.name.clone(), draft.from.clone()));
        }
        drafts.push(draft);
    }
    share(&mut drafts);
    let mut lanes: Vec<Lane> = Vec::new();
    for lane in drafts.iter().flat_map(|draft| [&draft.from, &draft.to]) {
        if !lanes.contains(lane) {
            lanes.push(lane.clone());
        }
    }
    // Stable: within a kind, in the order of their first step.
    lanes.sort_by_key(|lane| lane.kind);
    let place = |lane: &Lane| lanes.iter().position(|known| known == lane).unwrap_or_default();
    let hops = drafts.iter().map(|draft| Hop {
        from: place(&draft.from),
        to: place(&draft.to),
        says: draft.says.clone(),
        back: draft.back.clone(),
        answer: draft.answer.as_ref().map(|(lane, says)| (place(lane), says.clone())),
    });
    Diagram { hops: hops.collect(), lanes }
}

/// Attempts that have a lane each; more share them.
const ATTEMPTS_MAX: usize = 5;

/// Where there are many, lets attempts of one source that come after each other have one lane.
fn share(drafts: &mut [Draft]) {
    // Of each attempt its first and its last step, in the order of the first.
    let mut spans: Vec<(String, usize, usize)> = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        for lane in [&draft.from, &draft.to].into_iter().filter(|lane| lane.kind == Kind::Attempt) {
            match spans.iter_mut().find(|(name, ..)| *name == lane.name) {
                Some((.., last)) => *last = at,
                None => spans.push((lane.name.clone(), at, at)),
            }
        }
    }
    if spans.len() <= ATTEMPTS_MAX {
        return;
    }
    // `run 1` of `run 1.7`.
    let source = |name: &str| name.rsplit_once('.').map(|(source, _)| source.to_owned());
    let mut shared: Vec<(Vec<String>, usize)> = Vec::new();
    for (name, first, last) in spans {
        let free =
            shared.iter_mut().find(|(names, until)| *until < first && source(&names[0]) == source(&name));
        match free {
            Some((names, until)) => {
                names.push(name);
                *until = last;
            }
            None => shared.push((vec![name], last)),
        }
    }
    for draft in drafts {
        for lane in [&mut draft.from, &mut draft.to].into_iter().filter(|lane| lane.kind == Kind::Attempt) {
            let Some((names, _)) = shared.iter().find(|(names, _)| names.contains(&lane.name)) else {
                continue;
            };
            if let [first, .., last] = &names[..] {
                let last = last.rsplit(' ').next().unwrap_or_default();
                lane.name = format!("{first} … {last}");
            }
        }
    }
}

fn lane(kind: Kind, name: &str) -> Lane {
    Lane { kind, name: name.to_owned() }
}

fn draft(step: &Step, begun_by: &[(String, Lane)]) -> Draft {
    let from = actor(&step.who);
    let (seen, answered) = match step.sees.find("answers `") {
        Some(0) => ("", Some(step.sees.as_str())),
        Some(at) => (step.sees[..at].trim_end_matches("; "), Some(&step.sees[at..])),
        None => (step.sees.as_str(), None),
    };
    let client = begun_by.iter().find(|(attempt, _)| *attempt == from.name).map(|(_, client)| client.clone());
    let answer = client.zip(answered.map(str::to_owned));
    // With nobody to answer, it is told where it happens.
    let seen = if answer.is_some() { seen } else { step.sees.as_str() };
    let told = |says: &str| match seen {
        "" => says.to_owned(),
        seen => format!("{says}: {seen}"),
    };
    let operation = step.does.rsplit_once(": ").map_or(step.does.as_str(), |(_, operation)| operation);
    let to_part = |kind, name: &str| lane(kind, name);
    let family = operation.split('.').next().unwrap_or_default();
    let part = match family {
        "store" => Some(to_part(Kind::Store, "store")),
        "lock" => Some(to_part(Kind::Lock, "lock")),
        "queue" | "outbox" => Some(to_part(Kind::Queue, family)),
        "guard" => Some(to_part(Kind::Guards, "guards")),
        "downstream" => Some(to_part(Kind::Downstream, "downstream")),
        "target" => Some(to_part(Kind::Target, &target_of(step))),
        "human" => Some(to_part(Kind::Human, "human")),
        _ => None,
    };
    let begins = attempt_named(&step.does).filter(|_| from.kind == Kind::Source);
    match (part, begins) {
        // The call is on its way; later it comes back, or does not.
        (Some(part), _) if matches!(part.kind, Kind::Downstream | Kind::Target) && seen != "begins" => {
            let asks = operation == "target.observe";
            let (says, back) = (operation.to_owned(), Some(seen.to_owned()));
            match asks {
                true => Draft { from, to: part, says, back, answer },
                false => Draft { from: part, to: from, says: told(operation), back: None, answer },
            }
        }
        (Some(part), _) => {
            let back = (!seen.is_empty()).then(|| seen.to_owned());
            Draft { from, to: part, says: operation.to_owned(), back, answer }
        }
        (None, Some(attempt)) => {
            Draft { from, to: lane(Kind::Attempt, &attempt), says: told(&step.does), back: None, answer }
        }
        (None, None) => {
            let to = match step.does.as_str() {
                "sends downstream.call" | "sends downstream.query" | "call arrives" => {
                    lane(Kind::Downstream, "downstream")
                }
                "is over" => lane(Kind::Target, &target_of(step)),
                _ => from.clone(),
            };
            Draft { from, to, says: told(&step.does), back: None, answer }
        }
    }
}

/// Which lane somebody has, by name.
fn actor(who: &str) -> Lane {
    let who = who.strip_prefix(LATE_CALL).or_else(|| who.strip_prefix("action of ")).unwrap_or(who).trim();
    let kind = match who.split(' ').next().unwrap_or_default() {
        "store" => Kind::Store,
        "lock" => Kind::Lock,
        "downstream" => Kind::Downstream,
        "target" | "member" => Kind::Target,
        _ if attempt_named(who).is_some() => Kind::Attempt,
        _ => Kind::Source,
    };
    lane(kind, if kind == Kind::Lock { "lock" } else { who })
}

/// `attempt 1.2` in `gives up and sends attempt 1.2`: a word and a number with a dot.
fn attempt_named(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(' ').collect();
    let dotted = |word: &str| {
        word.split_once('.').is_some_and(|(one, other)| {
            [one, other].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    words.windows(2).find(|pair| dotted(pair[1])).map(|pair| pair.join(" "))
}

/// The member that a step changes; else the target as a whole.
fn target_of(step: &Step) -> String {
    let member = step.changes.iter().find_map(|change| {
        let number = change.what.strip_prefix("member ")?;
        let number = number.split(',').next()?;
        number.bytes().all(|b| b.is_ascii_digit()).then(|| format!("member {number}"))
    });
    member.unwrap_or_else(|| "target".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::property::Property;
    use crate::check::verdict::Change;

    fn step(who: &str, does: &str, sees: &str) -> Step {
        let (who, does, sees) = (who.to_owned(), does.to_owned(), sees.to_owned());
        Step { at_ms: 0, who, does, sees, changes: Vec::new(), edge: 0, breaks: None }
    }

    fn hops(steps: Vec<Step>) -> Vec<String> {
        let run =
            Counterexample { property: Property::SingleExecution, steps, repeats_from: None, round_ms: None };
        let diagram = diagram(&run);
        let name = |index: usize| diagram.lanes[index].name.clone();
        let shown = diagram.hops.iter().map(|hop| {
            let back = hop.back.as_ref().map(|says| format!(" < {says}")).unwrap_or_default();
            let answer = hop.answer.as_ref().map(|(to, says)| format!(" => {}: {says}", name(*to)));
            format!("{} > {}: {}{back}{}", name(hop.from), name(hop.to), hop.says, answer.unwrap_or_default())
        });
        shown.collect()
    }

    #[test]
    fn a_request_goes_through_its_lanes() {
        let shown = hops(vec![
            step("client 1 (other payload)", "gives up and sends attempt 1.2", ""),
            step("attempt 1.2", "claim: store.insert", "inserted"),
            step("attempt 1.2", "sends downstream.call", ""),
            step("attempt 1.2", "call: downstream.call", "ok"),
            step("late call of attempt 1.1", "call arrives", "applied downstream"),
            step("attempt 1.2", "save: store.record succeeded", "recorded; answers `success`"),
            step("attempt 1.2", "crashes (fault)", "its client does not notice"),
        ]);
        insta::assert_snapshot!(shown.join("\n"), @r"
        client 1 (other payload) > attempt 1.2: gives up and sends attempt 1.2
        attempt 1.2 > store: store.insert < inserted
        attempt 1.2 > downstream: sends downstream.call
        downstream > attempt 1.2: downstream.call: ok
        attempt 1.1 > downstream: call arrives: applied downstream
        attempt 1.2 > store: store.record succeeded < recorded => client 1 (other payload): answers `success`
        attempt 1.2 > attempt 1.2: crashes (fault): its client does not notice
        ");
    }

    #[test]
    fn many_attempts_share_lanes_unless_they_overlap() {
        let mut steps = Vec::new();
        for number in 1..=8 {
            steps.push(step("loop 1", &format!("begins run 1.{number}"), ""));
            steps.push(step(&format!("run 1.{number}"), "look: target.observe", "diverged"));
        }
        // The third goes on beside the fourth.
        steps.insert(8, step("run 1.3", "is run again", ""));
        let run = Counterexample { property: Property::Quiesces, steps, repeats_from: None, round_ms: None };
        let diagram = diagram(&run);
        let names: Vec<&str> = diagram.lanes.iter().map(|lane| lane.name.as_str()).collect();
        assert_eq!(names, ["loop 1", "run 1.1 … 1.8", "run 1.4", "target"]);
    }

    #[test]
    fn a_remediation_goes_through_its_lanes() {
        let mut act = step("run 1.1", "act: target.act", "begins");
        act.changes.push(Change { what: "member 2".to_owned(), from: String::new(), to: String::new() });
        let shown = hops(vec![
            step("alert 1", "fires and begins run 1.1 on member 2", ""),
            step("run 1.1", "look: target.observe", "diverged"),
            step("run 1.1", "admit: guard.admit", "admitted"),
            act,
            step("action of run 1.1", "is over", "done"),
            step("run 1.1", "page: human.page", "paged; ends without an answer"),
        ]);
        insta::assert_snapshot!(shown.join("\n"), @r"
        alert 1 > run 1.1: fires and begins run 1.1 on member 2
        run 1.1 > target: target.observe < diverged
        run 1.1 > guards: guard.admit < admitted
        run 1.1 > member 2: target.act < begins
        run 1.1 > target: is over: done
        run 1.1 > human: human.page < paged; ends without an answer
        ");
    }
}
