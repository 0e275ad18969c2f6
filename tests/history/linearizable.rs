//! Without refusals in flight the key is a single object: the first payload is kept, every other one is refused. Then
//! a history is accepted exactly if it is linearizable, and stateright judges that.

use idemcheck::history::judge;
use idemcheck::history::key::{Judgement, KeyHistory, Kind, NEVER, Op};
use idemcheck::history::record::{Failure, Terms};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use super::agree::plan;
use super::generate::{Random, chance, honest, mutate};

/// A place that keeps the first payload.
#[derive(Clone, Debug, Default)]
struct Kept(Option<u32>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    Result,
    Mismatch,
}

impl SequentialSpec for Kept {
    type Op = u32;
    type Ret = Said;

    fn invoke(&mut self, body: &u32) -> Said {
        if *self.0.get_or_insert(*body) == *body { Said::Result } else { Said::Mismatch }
    }
}

fn linearizable(ops: &[Op]) -> bool {
    // At one moment, everything is sent before anything is answered.
    let mut events: Vec<(i64, bool, usize)> = Vec::new();
    for (index, op) in ops.iter().enumerate() {
        events.push((op.start, false, index));
        if op.end != NEVER {
            events.push((op.end, true, index));
        }
    }
    events.sort_unstable();
    let mut tester = LinearizabilityTester::new(Kept::default());
    for (_, answered, index) in events {
        let op = &ops[index];
        if answered {
            let said = if op.kind == Kind::Mismatch { Said::Mismatch } else { Said::Result };
            tester.on_return(index, said).unwrap();
        } else {
            tester.on_invoke(index, op.body).unwrap();
        }
    }
    tester.is_consistent()
}

#[test]
fn agree_with_stateright() {
    let (count, seed) = plan(4000);
    let terms = Terms { failure: Failure::Hold, ..Terms::default() };
    let mut tally = [0_u64; 2];
    for case in 0..count {
        let mut random = Random::new(seed.wrapping_add(case));
        let mut history =
            if random.one_in(2) { chance(&terms, &mut random) } else { honest(&terms, &mut random) };
        if random.one_in(2) {
            mutate(&mut history, &terms, &mut random);
        }
        history.ops.retain(|op| op.kind != Kind::InFlight);
        for op in &mut history.ops {
            if op.kind.is_final() {
                (op.kind, op.answer) = (Kind::Success, 0);
            }
        }
        let history = KeyHistory { ops: history.ops, ..KeyHistory::default() };
        let expected = linearizable(&history.ops);
        let said = judge(&history, &terms);
        let same = matches!((&said, expected), (Judgement::Accepted, true) | (Judgement::Rejected(_), false));
        assert!(same, "IDEMCHECK_SEED={}: {said:?}, {expected}: {history:?}", seed.wrapping_add(case));
        tally[usize::from(expected)] += 1;
    }
    println!("stateright: {count} histories from seed {seed}: rejected, accepted {tally:?}");
    assert!(tally.iter().all(|share| *share >= count / 10), "{tally:?}");
}
