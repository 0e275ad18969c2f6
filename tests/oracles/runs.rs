//! Counterexamples are taken again, and altered ones are not.

use idemcheck::check::replay;
use idemcheck::check::verdict::Counterexample;
use idemcheck::policy::Effect;
use idemcheck::system::System;
use idemcheck::system::world::Packed;

use crate::cases::Case;

/// The run can be taken again, word for word.
pub fn replays(case: &Case, counterexample: &Counterexample) -> Result<(), String> {
    let replayed = replay(&case.policy, &case.protocol, counterexample);
    let steps = replayed.map_err(|error| format!("not replayed: {error}"))?;
    if steps != counterexample.steps {
        return Err(format!("replayed otherwise: {steps:?}, not {:?}", counterexample.steps));
    }
    Ok(())
}

/// No run that says something else passes for it.
pub fn stands_alone(case: &Case, counterexample: &Counterexample) -> Result<(), String> {
    let replay = |run: &Counterexample| replay(&case.policy, &case.protocol, run);
    // Of a long run the beginning will do: each change takes the whole run again, and a run without
    // end many rounds.
    let most = if counterexample.repeats_from.is_some() && counterexample.steps.len() > 30 { 2 } else { 40 };
    for index in 0..counterexample.steps.len().min(most) {
        for by in [1, 2, 7] {
            let mut other = counterexample.clone();
            other.steps[index].edge ^= by;
            let Ok(taken) = replay(&other) else { continue };
            let same =
                taken.iter().zip(&counterexample.steps).all(|(one, other)| one.changes == other.changes);
            if same && end(case, &other) != end(case, counterexample) {
                let (edge, steps) = (other.steps[index].edge, &counterexample.steps);
                return Err(format!("step {} passes as edge {edge}, too: {steps:#?}", index + 1));
            }
        }
        let mut other = counterexample.clone();
        other.steps[index].at_ms = other.steps[..index].last().map_or(0, |step| step.at_ms) - 1;
        if replay(&other).is_ok() {
            return Err(format!("time goes back at step {}", index + 1));
        }
        let mut other = counterexample.clone();
        other.steps[index].sees += "!";
        if replay(&other).is_ok() {
            return Err(format!("step {} may see anything", index + 1));
        }
    }
    Ok(())
}

/// The world that the run ends in. Which write a failover would undo is not told before it does.
fn end(case: &Case, run: &Counterexample) -> Packed {
    let system = System::new(&case.policy, &case.protocol).expect("it was compiled before");
    let system = system.with_symmetry(false);
    let mut world = system.initial_world();
    for step in &run.steps {
        let mut steps = Vec::new();
        system.steps(&world, &mut steps);
        world = steps.swap_remove(step.edge as usize).world;
        world.number_clocks();
    }
    world.past = None;
    if case.policy.faults.failovers > 0 {
        // Nor which of its own grants an attempt is left with.
        world.keys.iter_mut().for_each(|key| key.receipt.token = 0);
    }
    if case.policy.operation.effect == Effect::Set {
        // Nor whose value it is that was set again.
        world.seen = 0;
    }
    world.rank_tokens();
    world.rank_versions();
    world.pack()
}
