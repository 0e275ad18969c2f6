//! Integer time, the plain way: every clock a number, time in steps of one. Exact for closed
//! constraints that compare no two clocks.

use std::collections::{HashMap, VecDeque};

use idemcheck::time::{ClockFrom, Constraint, TimedSystem};

/// Each discrete state that is reachable, with the fewest edges that lead to it.
pub fn reachable<S: TimedSystem>(system: &S) -> HashMap<S::State, usize> {
    // Values above every constant are all the same.
    let most = system.greatest_constant() + 1;
    let holds = |clocks: &[i64], constraints: &[Constraint]| {
        let value = |clock: u8| if clock == 0 { 0 } else { clocks[usize::from(clock) - 1] };
        constraints.iter().all(|c| {
            assert!(!c.strict && (c.left == 0 || c.right == 0));
            value(c.left) - value(c.right) <= c.bound
        })
    };
    let invariant = |state: &S::State| {
        let mut out = Vec::new();
        system.invariant(state, &mut out);
        out
    };
    let mut steps = HashMap::new();
    let mut queue = VecDeque::new();
    let mut best: HashMap<(S::State, Vec<i64>), usize> = HashMap::new();
    for state in system.initial() {
        let clocks = vec![0; system.clock_count(&state)];
        if holds(&clocks, &invariant(&state)) {
            best.insert((state.clone(), clocks.clone()), 0);
            queue.push_back((state, clocks, 0));
        }
    }
    let mut edges = Vec::new();
    // Delays cost no edge: they go to the front.
    while let Some((state, clocks, edge_count)) = queue.pop_front() {
        if best[&(state.clone(), clocks.clone())] < edge_count {
            continue;
        }
        steps.entry(state.clone()).or_insert(edge_count);
        let later: Vec<i64> = clocks.iter().map(|value| (value + 1).min(most)).collect();
        if holds(&later, &invariant(&state)) {
            let known = best.entry((state.clone(), later.clone())).or_insert(usize::MAX);
            if edge_count < *known {
                *known = edge_count;
                queue.push_front((state.clone(), later, edge_count));
            }
        }
        edges.clear();
        system.edges(&state, &mut edges);
        for edge in edges.drain(..).filter(|edge| holds(&clocks, &edge.guard)) {
            let source = |from: &ClockFrom| match *from {
                ClockFrom::Zero => 0,
                ClockFrom::Old(old) => clocks[usize::from(old) - 1],
            };
            let next: Vec<i64> = edge.clocks.iter().map(source).collect();
            if holds(&next, &invariant(&edge.target)) {
                let known = best.entry((edge.target.clone(), next.clone())).or_insert(usize::MAX);
                if edge_count + 1 < *known {
                    *known = edge_count + 1;
                    queue.push_back((edge.target, next, edge_count + 1));
                }
            }
        }
    }
    steps
}
