//! Random tables, and shipped ones with mistakes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use idemcheck::model::{
    Answer, Operation, OperationSpec, Outcome, Protocol, RecordAs, Role, State, StateId, Target, WaitFor,
    WriteKind,
};
use idemcheck::source::{FileId, Span};

/// Where an outcome leads: what is usual for it, or anything.
type Pick = (u8, u8);

fn pick() -> impl Strategy<Value = Pick> {
    (0..10_u8, any::<u8>())
}

/// What a table may do beside claims and calls. A few at a time: each of them makes a case larger.
#[derive(Clone, Copy, Debug)]
struct Extras {
    queue: bool,
    lock: bool,
    outbox: bool,
    phases: bool,
    versions: bool,
}

fn extras() -> impl Strategy<Value = Extras> {
    let one = |chance| prop::bool::weighted(chance);
    (one(0.3), one(0.25), one(0.25), one(0.25), one(0.15))
        .prop_map(|(queue, lock, outbox, phases, versions)| Extras { queue, lock, outbox, phases, versions })
}

/// An operation, with its flags and the state that a recovery point names, by its weight.
type Menu = Vec<(u16, fn(u8, StateId) -> Operation)>;

fn commit(flags: u8, kinds: &[&[WriteKind]]) -> Operation {
    let writes = kinds[usize::from(flags) % kinds.len()].to_vec();
    Operation::Commit { writes, at: None, if_unchanged: false }
}

fn record(outcome: RecordAs, flags: u8) -> Operation {
    Operation::Record { outcome, fenced: flags & 1 != 0, recognise_own: flags & 2 != 0 }
}

fn plain() -> Menu {
    use WriteKind::{Effect, Receipt};
    vec![
        (6, |flags, _| Operation::Insert { recognise_own: flags & 1 != 0 }),
        (3, |_, _| Operation::Read),
        (2, |_, _| Operation::Write),
        (4, |flags, _| Operation::TakeOver { recognise_own: flags & 1 != 0 }),
        (2, |_, _| Operation::Renew),
        (5, |flags, _| record(RecordAs::Succeeded, flags)),
        (2, |flags, _| record(RecordAs::Failed, flags)),
        (2, |flags, _| Operation::Release { fenced: flags & 1 != 0 }),
        (3, |flags, _| commit(flags, &[&[Effect, Receipt], &[Effect], &[Receipt]])),
        (2, |_, _| Operation::LeaseCheck),
        (7, |flags, _| Operation::Call { key: flags & 1 != 0, token: flags & 2 != 0 }),
        (3, |flags, _| Operation::Query { token: flags & 1 != 0 }),
        (3, |flags, _| wait(flags)),
    ]
}

fn wait(flags: u8) -> Operation {
    Operation::Wait(WaitFor::Fixed(1 + i64::from(flags % 3)))
}

fn menu(extras: Extras) -> Menu {
    use WriteKind::{Checkpoint, Effect, Outbox, Receipt};
    let mut menu = plain();
    let mut add = |wanted: bool, more: Menu| menu.extend(more.into_iter().filter(|_| wanted));
    add(
        extras.queue,
        vec![(9, |_, _| Operation::Ack), (3, |_, _| Operation::Nack), (3, |_, _| Operation::Extend)],
    );
    add(
        extras.lock,
        vec![
            (9, |_, _| Operation::Acquire),
            (3, |_, _| Operation::RenewLock),
            (5, |flags, _| Operation::Unlock { fenced: flags & 1 != 0 }),
        ],
    );
    add(
        extras.outbox,
        vec![
            (9, |flags, _| commit(flags, &[&[Effect, Receipt, Outbox], &[Effect, Outbox], &[Outbox]])),
            (5, |_, _| Operation::Publish),
            (2, |_, _| Operation::Mark),
            (2, |flags, _| Operation::NextRow { claim: flags & 1 != 0 }),
        ],
    );
    add(
        extras.phases,
        vec![
            (6, |_, at| Operation::Checkpoint { at }),
            (4, |flags, at| {
                let writes: &[&[WriteKind]] =
                    &[&[Effect, Checkpoint], &[Checkpoint], &[Effect, Receipt, Checkpoint]];
                match commit(flags, writes) {
                    Operation::Commit { writes, .. } => {
                        Operation::Commit { writes, at: Some(at), if_unchanged: flags > 220 }
                    }
                    other => other,
                }
            }),
            (1, |_, _| Operation::FindAbandoned),
            (1, |_, _| Operation::Sweep),
        ],
    );
    add(
        extras.versions,
        vec![
            (6, |_, _| Operation::Load),
            (7, |flags, _| match commit(flags, &[&[Effect], &[Effect, Receipt], &[Effect, Outbox]]) {
                Operation::Commit { writes, at, .. } => Operation::Commit { writes, at, if_unchanged: true },
                other => other,
            }),
        ],
    );
    menu
}

fn chosen(menu: &Menu, number: u16, flags: u8, at: StateId) -> Operation {
    let mut left = number % menu.iter().map(|(weight, _)| weight).sum::<u16>();
    for (weight, make) in menu {
        if left < *weight {
            return make(flags, at);
        }
        left -= weight;
    }
    unreachable!("the number is below the sum of the weights")
}

pub fn table() -> impl Strategy<Value = Protocol> {
    let roles = prop_oneof![5 => vec(role(), 0..=0), 3 => vec(role(), 1), 1 => vec(role(), 2)];
    table_of(extras(), menu, 3..=8, roles)
}

/// Tables in which attempts pile up: most states take time.
pub fn slow() -> impl Strategy<Value = Protocol> {
    let waits = |extras: Extras| {
        let mut waits: Menu = vec![
            (45, |flags, _| wait(flags)),
            (18, |flags, _| Operation::Call { key: false, token: flags & 1 != 0 }),
            (9, |_, _| commit(0, &[&[WriteKind::Effect]])),
        ];
        waits.extend(menu(extras));
        waits
    };
    table_of(extras(), waits, 2..=4, prop_oneof![6 => vec(role(), 0..=0), 1 => vec(role(), 1)])
}

/// Tables that work on a target.
pub fn remedies() -> impl Strategy<Value = Protocol> {
    let menu = |extras: Extras| {
        let mut menu: Menu = vec![
            (9, |_, _| Operation::Act),
            (7, |flags, _| Operation::Observe { fresh: flags & 1 != 0 }),
            (6, |_, _| Operation::Admit),
            (2, |flags, _| Operation::Report { success: flags & 1 != 0 }),
            (2, |_, _| Operation::Undo),
            (3, |_, _| Operation::Page),
            (1, |_, _| Operation::Approve),
            (2, |flags, _| wait(flags)),
        ];
        if extras.lock {
            menu.push((6, |_, _| Operation::Acquire));
            menu.push((4, |flags, _| Operation::Unlock { fenced: flags & 1 != 0 }));
        }
        menu
    };
    table_of(extras(), menu, 1..=5, vec(role(), 0..=0))
        .prop_map(|protocol| Protocol { resume: None, ..protocol })
}

/// What a role does, how often, and where that leads.
#[derive(Clone, Debug)]
struct RoleGene {
    kind: u8,
    flags: u8,
    every: i64,
    picks: Vec<Vec<Pick>>,
}

fn role() -> impl Strategy<Value = RoleGene> {
    (0..4_u8, any::<u8>(), 0..=2_i64, vec(vec(pick(), 7), 3))
        .prop_map(|(kind, flags, every, picks)| RoleGene { kind, flags, every, picks })
}

impl RoleGene {
    /// States of its own; none: it begins somewhere in the table.
    fn operations(&self, extras: Extras) -> Vec<Operation> {
        let relay = || {
            let next = Operation::NextRow { claim: self.flags & 1 != 0 };
            vec![next, Operation::Publish, Operation::Mark]
        };
        match self.kind {
            0 | 1 if extras.outbox => relay(),
            0 => vec![Operation::Sweep],
            1 | 2 => vec![Operation::FindAbandoned],
            _ => Vec::new(),
        }
    }
}

fn table_of(
    extras: impl Strategy<Value = Extras>,
    menu: impl Fn(Extras) -> Menu,
    states: std::ops::RangeInclusive<usize>,
    roles: impl Strategy<Value = Vec<RoleGene>>,
) -> impl Strategy<Value = Protocol> {
    let state = (any::<u16>(), any::<u8>(), any::<u8>(), vec(pick(), 7));
    let resume = any::<u8>();
    (extras, vec(state, states), roles, resume).prop_map(move |(extras, genes, roles, resume)| {
        let menu = menu(extras);
        let main = genes.len();
        let mut all: Vec<(Operation, Vec<Pick>)> = genes
            .into_iter()
            .map(|(number, flags, at, picks)| (chosen(&menu, number, flags, usize::from(at) % main), picks))
            .collect();
        let mut begin = |(index, role): (usize, RoleGene)| {
            let operations = role.operations(extras);
            let start = if operations.is_empty() { usize::from(role.flags) % main } else { all.len() };
            all.extend(operations.into_iter().zip(role.picks));
            Role { name: format!("r{index}"), start, every: role.every, span: Span::default() }
        };
        let roles = roles.into_iter().enumerate().map(&mut begin).collect();
        let resume = extras.phases.then(|| usize::from(resume) % main);
        let count = all.len();
        let state = |(at, (operation, picks)): (usize, (Operation, Vec<Pick>))| {
            let spec = OperationSpec::named(operation.name()).expect("it is in the table");
            // Most leave it to the attempt to give up.
            let unavailable = spec.may_be_unavailable() && picks[6].1 % 4 == 1;
            let outcomes = spec.outcomes.iter().chain(unavailable.then_some(&Outcome::Unavailable));
            let place = Place { at, count, resumes: resume.is_some() };
            let next = outcomes
                .zip(picks)
                .map(|(outcome, pick)| (*outcome, target(pick, &operation, *outcome, place)));
            State { name: format!("s{at:02}"), next: next.collect(), operation, span: Span::default() }
        };
        let states = all.into_iter().enumerate().map(state).collect();
        Protocol {
            roles,
            resume,
            name: "random".to_owned(),
            title: "Random".to_owned(),
            start: 0,
            states,
            choices: Vec::new(),
        }
    })
}

/// The state whose outcome is led somewhere.
#[derive(Clone, Copy)]
struct Place {
    at: StateId,
    /// States there are.
    count: usize,
    /// The model says where `resume` leads.
    resumes: bool,
}

fn target((kind, n): Pick, operation: &Operation, outcome: Outcome, place: Place) -> Target {
    match kind {
        0..=6 => usual(n, operation, outcome, place),
        7 if place.resumes && n % 2 == 0 => Target::Resume,
        7 => Target::State(usize::from(n) % place.count),
        8 => Target::Respond(Answer::ALL[usize::from(n) % Answer::ALL.len()]),
        _ => Target::End("page".to_owned()),
    }
}

fn usual(n: u8, operation: &Operation, outcome: Outcome, place: Place) -> Target {
    let Place { at, count, resumes } = place;
    let onward = |or: Answer| {
        let next = at + 1 + usize::from(n % 3 / 2);
        if next < count { Target::State(next) } else { Target::Respond(or) }
    };
    let sometimes =
        |answer: Answer| if n.is_multiple_of(4) { onward(answer) } else { Target::Respond(answer) };
    match outcome {
        Outcome::Found | Outcome::Taken if resumes => Target::Resume,
        Outcome::Inserted if resumes && n.is_multiple_of(3) => Target::Resume,
        Outcome::Inserted | Outcome::Written | Outcome::Taken | Outcome::Renewed | Outcome::Held => {
            onward(Answer::Success)
        }
        Outcome::Absent | Outcome::Expired => onward(Answer::Error),
        Outcome::Ok | Outcome::Applied => onward(Answer::Success),
        Outcome::Error | Outcome::Timeout => sometimes(Answer::Unknown),
        Outcome::Elapsed => Target::State(usize::from(n) % count),
        Outcome::InProgress => sometimes(Answer::InFlight),
        Outcome::Succeeded => sometimes(Answer::Replay),
        Outcome::Failed => sometimes(Answer::Failed),
        Outcome::Mismatch => Target::Respond(Answer::Mismatch),
        Outcome::Recorded => match operation {
            Operation::Record { outcome: RecordAs::Failed, .. } => sometimes(Answer::Failed),
            _ => sometimes(Answer::Success),
        },
        Outcome::Committed => sometimes(Answer::Success),
        Outcome::Released | Outcome::Lost => sometimes(Answer::Error),
        Outcome::Aborted => Target::State(at),
        Outcome::Unknown | Outcome::Unavailable => sometimes(Answer::Unknown),
        Outcome::Acquired | Outcome::Message | Outcome::Found | Outcome::Extended => onward(Answer::Success),
        Outcome::Busy | Outcome::Empty | Outcome::None => sometimes(Answer::Error),
        Outcome::Acked | Outcome::Requeued | Outcome::Marked | Outcome::Swept => onward(Answer::Success),
        Outcome::Diverged | Outcome::Admitted | Outcome::Done | Outcome::Approved => onward(Answer::Success),
        Outcome::Converged | Outcome::Denied | Outcome::Paged => sometimes(Answer::Success),
        Outcome::Cooling | Outcome::Limited | Outcome::Open | Outcome::Flapping | Outcome::Exhausted => {
            sometimes(Answer::Error)
        }
    }
}

/// A change to a model. Numbers wrap around what there is.
#[derive(Clone, Debug)]
enum Mutation {
    Retarget {
        state: u8,
        outcome: u8,
        pick: Pick,
    },
    Flip {
        state: u8,
        which: bool,
    },
    /// Insert becomes read and write: the atomic step is split.
    Split {
        state: u8,
    },
    /// A step is left out: its first outcome is taken for granted.
    Skip {
        state: u8,
    },
    /// A transaction writes something else.
    Rewrite {
        state: u8,
        write: u8,
    },
    /// A state says what to do while its store is out of reach.
    Unavailable {
        state: u8,
        pick: Pick,
    },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let state = any::<u8>();
    prop_oneof![
        4 => (any::<u8>(), any::<u8>(), pick())
            .prop_map(|(state, outcome, pick)| Mutation::Retarget { state, outcome, pick }),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(state, which)| Mutation::Flip { state, which }),
        2 => state.prop_map(|state| Mutation::Split { state }),
        1 => any::<u8>().prop_map(|state| Mutation::Skip { state }),
        1 => (any::<u8>(), 0..3_u8).prop_map(|(state, write)| Mutation::Rewrite { state, write }),
        1 => (any::<u8>(), pick()).prop_map(|(state, pick)| Mutation::Unavailable { state, pick }),
    ]
}

/// Every shipped model.
pub fn shipped() -> Vec<Protocol> {
    let read = |(path, text): (String, &str)| {
        let (protocol, diagnostics) = idemcheck::model::read::read(FileId(0), text);
        protocol.unwrap_or_else(|| panic!("{path}: {diagnostics:?}"))
    };
    idemcheck::model::shipped::shipped().into_iter().map(read).collect()
}

fn works_on_target(protocol: &Protocol) -> bool {
    protocol.states.iter().any(|state| state.operation.uses_target())
}

pub fn mutated() -> impl Strategy<Value = Protocol> {
    let models: Vec<Protocol> = shipped().into_iter().filter(|model| !works_on_target(model)).collect();
    // The receipt has the most to go wrong.
    let receipt = models.iter().position(|model| model.name == "receipt").expect("it is shipped");
    let weighted: Vec<Protocol> = models.iter().cloned().chain(vec![models[receipt].clone(); 2]).collect();
    (select(weighted), vec(mutation(), 0..=2)).prop_map(|(mut protocol, mutations)| {
        mutations.iter().for_each(|mutation| mutate(&mut protocol, mutation));
        protocol
    })
}

fn mutate(protocol: &mut Protocol, mutation: &Mutation) {
    let (count, resumes) = (protocol.states.len(), protocol.resume.is_some());
    let of = |wanted: u8, fits: &dyn Fn(&Operation) -> bool| {
        let fitting: Vec<usize> = (0..count).filter(|at| fits(&protocol.states[*at].operation)).collect();
        (!fitting.is_empty()).then(|| fitting[usize::from(wanted) % fitting.len()])
    };
    match mutation {
        Mutation::Retarget { state, outcome, pick } => {
            let at = usize::from(*state) % count;
            let state = &mut protocol.states[at];
            let which = usize::from(*outcome) % state.next.len();
            let (outcome, to) = &mut state.next[which];
            *to = target(*pick, &state.operation, *outcome, Place { at, count, resumes });
        }
        Mutation::Flip { state, which } => {
            let flags = |op: &Operation| {
                let options = OperationSpec::named(op.name()).map(|spec| spec.options.keys);
                options.is_some_and(|keys| keys.iter().any(|key| key.name != "as" && key.name != "at"))
            };
            let Some(at) = of(*state, &flags) else { return };
            match &mut protocol.states[at].operation {
                Operation::Insert { recognise_own } | Operation::TakeOver { recognise_own } => {
                    *recognise_own = !*recognise_own;
                }
                Operation::Record { fenced, recognise_own, .. } => {
                    let flag = if *which { fenced } else { recognise_own };
                    *flag = !*flag;
                }
                Operation::Release { fenced } | Operation::Unlock { fenced } => *fenced = !*fenced,
                Operation::NextRow { claim } => *claim = !*claim,
                Operation::Commit { if_unchanged, .. } => *if_unchanged = !*if_unchanged,
                Operation::Call { key, token } => {
                    let flag = if *which { key } else { token };
                    *flag = !*flag;
                }
                Operation::Query { token } => *token = !*token,
                _ => {}
            }
        }
        Mutation::Split { state } => {
            let Some(at) = of(*state, &|op| matches!(op, Operation::Insert { .. })) else { return };
            let split = &mut protocol.states[at];
            split.operation = Operation::Read;
            let onward = split.next[0].1.clone();
            // In the order of the operation's own outcomes: `absent` comes first, too.
            split.next[0] = (Outcome::Absent, Target::State(count));
            protocol.states.push(State {
                name: "write".to_owned() + &count.to_string(),
                operation: Operation::Write,
                next: vec![(Outcome::Written, onward)],
                span: Span::default(),
            });
        }
        Mutation::Rewrite { state, write } => {
            let Some(at) = of(*state, &|op| matches!(op, Operation::Commit { .. })) else { return };
            let Operation::Commit { writes, .. } = &mut protocol.states[at].operation else { return };
            let kind = [WriteKind::Effect, WriteKind::Receipt, WriteKind::Outbox][usize::from(*write)];
            match writes.iter().position(|write| *write == kind) {
                Some(_) if writes.len() == 1 => {}
                Some(index) => drop(writes.remove(index)),
                None => {
                    writes.push(kind);
                    writes.sort();
                }
            }
        }
        Mutation::Unavailable { state, pick } => {
            let Some(at) = of(*state, &Operation::may_be_unavailable) else { return };
            let state = &mut protocol.states[at];
            state.next.retain(|(outcome, _)| *outcome != Outcome::Unavailable);
            let place = Place { at, count, resumes };
            let to = target(*pick, &state.operation, Outcome::Unavailable, place);
            state.next.push((Outcome::Unavailable, to));
        }
        Mutation::Skip { state } => {
            let at = usize::from(*state) % count;
            let onward = protocol.states[at].next[0].1.clone();
            if onward == Target::State(at) || at == protocol.start {
                return;
            }
            let targets = protocol.states.iter_mut().flat_map(|state| &mut state.next).map(|(_, to)| to);
            let options = protocol.choices.iter_mut().flat_map(|choice| &mut choice.options);
            let nested = matches!(onward, Target::Choice(_));
            // An option never leads to another choice.
            let options = options.map(|(_, to)| to).filter(|_| !nested);
            targets.chain(options).filter(|to| **to == Target::State(at)).for_each(|to| *to = onward.clone());
        }
    }
}
