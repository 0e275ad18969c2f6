//! Random tables, and shipped ones with mistakes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use idemcheck::model::{
    Answer, Operation, OperationSpec, Outcome, Protocol, RecordAs, State, Target, WaitFor, WriteKind,
};
use idemcheck::source::{FileId, Span};

/// Where an outcome leads: what is usual for it, or anything.
type Pick = (u8, u8);

fn pick() -> impl Strategy<Value = Pick> {
    (0..10_u8, any::<u8>())
}

fn operation() -> impl Strategy<Value = Operation> {
    let record = |outcome| {
        (any::<bool>(), any::<bool>()).prop_map(move |(fenced, recognise_own)| Operation::Record {
            outcome,
            fenced,
            recognise_own,
        })
    };
    let writes = select(vec![
        vec![WriteKind::Effect, WriteKind::Receipt],
        vec![WriteKind::Effect],
        vec![WriteKind::Receipt],
    ]);
    let call = (any::<bool>(), any::<bool>());
    prop_oneof![
        6 => any::<bool>().prop_map(|recognise_own| Operation::Insert { recognise_own }),
        3 => Just(Operation::Read),
        2 => Just(Operation::Write),
        4 => any::<bool>().prop_map(|recognise_own| Operation::TakeOver { recognise_own }),
        2 => Just(Operation::Renew),
        5 => record(RecordAs::Succeeded),
        2 => record(RecordAs::Failed),
        2 => any::<bool>().prop_map(|fenced| Operation::Release { fenced }),
        3 => writes.prop_map(|writes| Operation::Commit { writes, at: None, if_unchanged: false }),
        2 => Just(Operation::LeaseCheck),
        7 => call.prop_map(|(key, token)| Operation::Call { key, token }),
        3 => any::<bool>().prop_map(|token| Operation::Query { token }),
        3 => (1..=3_i64).prop_map(|ms| Operation::Wait(WaitFor::Fixed(ms))),
    ]
}

pub fn table() -> impl Strategy<Value = Protocol> {
    table_of(operation(), 3..=8)
}

/// Tables in which attempts pile up: most states take time.
pub fn slow() -> impl Strategy<Value = Protocol> {
    let waits = prop_oneof![
        5 => (1..=3_i64).prop_map(|ms| Operation::Wait(WaitFor::Fixed(ms))),
        2 => any::<bool>().prop_map(|token| Operation::Call { key: false, token }),
        1 => Just(Operation::Commit { writes: vec![WriteKind::Effect], at: None, if_unchanged: false }),
        4 => operation(),
    ];
    table_of(waits, 2..=4)
}

fn table_of(
    operation: impl Strategy<Value = Operation>,
    states: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Protocol> {
    vec((operation, vec(pick(), 6)), states).prop_map(|genes| {
        let count = genes.len();
        let state = |(at, (operation, picks)): (usize, (Operation, Vec<Pick>))| {
            let outcomes = OperationSpec::named(operation.name()).expect("it is in the table").outcomes;
            let next = outcomes.iter().zip(picks);
            let next = next.map(|(outcome, pick)| (*outcome, target(pick, &operation, *outcome, at, count)));
            State { name: format!("s{at}"), next: next.collect(), operation, span: Span::default() }
        };
        let states = genes.into_iter().enumerate().map(state).collect();
        Protocol {
            roles: Vec::new(),
            resume: None,
            name: "random".to_owned(),
            title: "Random".to_owned(),
            start: 0,
            states,
            choices: Vec::new(),
        }
    })
}

fn target((kind, n): Pick, operation: &Operation, outcome: Outcome, at: usize, count: usize) -> Target {
    match kind {
        0..=6 => usual(n, operation, outcome, at, count),
        7 => Target::State(usize::from(n) % count),
        8 => Target::Respond(Answer::ALL[usize::from(n) % Answer::ALL.len()]),
        _ => Target::End("page".to_owned()),
    }
}

fn usual(n: u8, operation: &Operation, outcome: Outcome, at: usize, count: usize) -> Target {
    let onward = |or: Answer| {
        let next = at + 1 + usize::from(n % 3 / 2);
        if next < count { Target::State(next) } else { Target::Respond(or) }
    };
    let sometimes =
        |answer: Answer| if n.is_multiple_of(4) { onward(answer) } else { Target::Respond(answer) };
    match outcome {
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
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let state = any::<u8>();
    prop_oneof![
        4 => (any::<u8>(), any::<u8>(), pick())
            .prop_map(|(state, outcome, pick)| Mutation::Retarget { state, outcome, pick }),
        3 => (any::<u8>(), any::<bool>()).prop_map(|(state, which)| Mutation::Flip { state, which }),
        2 => state.prop_map(|state| Mutation::Split { state }),
        1 => any::<u8>().prop_map(|state| Mutation::Skip { state }),
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

pub fn mutated() -> impl Strategy<Value = Protocol> {
    let models = shipped();
    // The receipt has the most to go wrong.
    let receipt = models.iter().position(|model| model.name == "receipt").expect("it is shipped");
    let weighted: Vec<Protocol> = models.iter().cloned().chain(vec![models[receipt].clone(); 3]).collect();
    (select(weighted), vec(mutation(), 0..=2)).prop_map(|(mut protocol, mutations)| {
        mutations.iter().for_each(|mutation| mutate(&mut protocol, mutation));
        protocol
    })
}

fn mutate(protocol: &mut Protocol, mutation: &Mutation) {
    let count = protocol.states.len();
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
            *to = target(*pick, &state.operation, *outcome, at, count);
        }
        Mutation::Flip { state, which } => {
            let Some(at) = of(*state, &|op| !matches!(op, Operation::Read | Operation::Write)) else {
                return;
            };
            match &mut protocol.states[at].operation {
                Operation::Insert { recognise_own } | Operation::TakeOver { recognise_own } => {
                    *recognise_own = !*recognise_own;
                }
                Operation::Record { fenced, recognise_own, .. } => {
                    let flag = if *which { fenced } else { recognise_own };
                    *flag = !*flag;
                }
                Operation::Release { fenced } => *fenced = !*fenced,
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
