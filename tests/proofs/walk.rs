//! Walks by chance through scopes far larger than a search could try: whatever they come to, with its clocks,
//! is made of the pieces of a proof, and no step shows what the proof excludes. The steps are those of a system
//! with a declared scope, so that nothing is taken from [`idemcheck::system::open`] but how a world is cut out.

use idemcheck::check::judge::broken_by;
use idemcheck::check::proof::Proof;
use idemcheck::check::proof::check::Invariant;
use idemcheck::model::Protocol;
use idemcheck::policy::Policy;
use idemcheck::system::System;
use idemcheck::system::facts::{FLIGHT_LEFT_OUT, FLIGHT_LIMIT};
use idemcheck::system::world::{Phase, World};
use idemcheck::time::zone::Zone;

use crate::dice::Dice;

/// As much as a world can hold of all that a policy declares some of.
fn larger(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    policy.trigger.requests = policy.trigger.requests.max(6);
    policy.trigger.retries = policy.trigger.retries.max(3);
    let faults = &mut policy.faults;
    faults.crashes = 12;
    for declared in [
        &mut faults.lost_requests,
        &mut faults.lost_responses,
        &mut faults.ambiguous_acks,
        &mut faults.aborts,
        &mut faults.failovers,
        &mut faults.store_errors,
        &mut faults.lock_losses,
        &mut faults.duplicate_requests,
        &mut faults.late_requests,
        &mut faults.redeliveries,
    ] {
        *declared = if *declared > 0 { 12 } else { 0 };
    }
    policy
}

/// The kinds of clients that there are.
fn kinds(world: &World) -> Vec<(u8, u8)> {
    let mut kinds: Vec<(u8, u8)> = world.clients.iter().map(|client| (client.class, client.role)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// How many worlds walks of this length, from so many seeds, came to.
///
/// # Errors
/// What a walk came to that the proof says is impossible.
pub fn walks(
    policy: &Policy,
    protocol: &Protocol,
    proof: &Proof,
    (seeds, length): (u64, usize),
) -> Result<usize, String> {
    let system = System::new(policy, protocol).map_err(|error| error.to_string())?;
    let open = system.open(proof.timed, proof.ordered)?;
    let invariant = Invariant::read(&open, proof).map_err(|error| error.to_string())?;
    let excluded = proof.properties.iter().fold(0, |bits, property| bits | broken_by(*property));
    let Ok(more) = System::new(&larger(policy), protocol) else { return Ok(0) };
    let bounded = open.bounded(&more);
    // A larger policy may have requests that this one has none of, of which nothing is proved.
    if kinds(&bounded.initial_world()) != kinds(&open.bounded(&system).initial_world()) {
        return Ok(0);
    }
    let mut worlds = 0;
    for seed in 0..seeds {
        let mut dice = Dice(seed);
        let mut world = bounded.initial_world();
        let mut zone = Zone::zero(world.clone().clock_count());
        let mut path = Vec::new();
        for _ in 0..length {
            let mut cut = open.cut(&world);
            let map = cut.number_clocks();
            if !invariant.has(&cut, &zone.map(&map)) {
                return Err(format!("{path:#?} leads out of the pieces:\n{cut:#?}\n{:?}", zone.map(&map)));
            }
            worlds += 1;
            let mut must = Vec::new();
            bounded.world_invariant(&world, &mut must);
            if !zone.constrain_all(&must) {
                break;
            }
            zone.elapse();
            if !zone.constrain_all(&must) {
                break;
            }
            let mut steps = Vec::new();
            bounded.steps(&world, &mut steps);
            let mut next = Vec::new();
            for mut step in steps {
                // Somebody may always come, and fail: what is forgotten otherwise is nobody's business here.
                let idle = step.world.clients.iter().filter(|c| c.role == 0 && c.phase == Phase::Idle);
                if idle.count() == 0
                    || step.facts & (FLIGHT_LEFT_OUT | FLIGHT_LIMIT) != 0
                    || step.world.budget.failovers == 0 && world.budget.failovers > 0
                    || step.world.effects.iter().any(|count| *count >= 6)
                {
                    continue;
                }
                let map = step.world.number_clocks();
                let mut after = zone.clone();
                if after.constrain_all(&step.guard) {
                    next.push((step, after.map(&map)));
                }
            }
            if next.is_empty() {
                break;
            }
            let (step, after) = next.swap_remove(dice.below(next.len()));
            let label = step.label;
            path.push(format!("{:?} of {:?} at {}", label.action, label.actor, label.at));
            if step.facts & excluded != 0 {
                return Err(format!("{path:#?} shows what is excluded"));
            }
            (world, zone) = (step.world, after);
        }
    }
    Ok(worlds)
}
