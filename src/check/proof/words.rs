//! Pieces of an invariant in words.

use super::views::{Order, Part, Relation};
use crate::system::System;
use crate::system::open::Open;
use crate::system::world::{
    Attempt, CLASS_CONFLICTING, CLASS_MAIN, CLASS_MERGED, Call, Class, Grip, Known, Phase, Status, World,
};

/// What all share.
pub fn shared(system: &System, world: &World) -> String {
    let mut out = Vec::new();
    let receipt = &world.keys[0].receipt;
    if system.uses_store {
        let what = match receipt.status {
            Status::Absent => "no receipt".to_owned(),
            Status::InProgress => format!("a claim{}", of(receipt.class)),
            Status::Succeeded => format!("a recorded success{}", of(receipt.class)),
            Status::Failed => format!("a recorded failure{}", of(receipt.class)),
        };
        out.push(what);
        if receipt.checkpoint > 0 {
            let state = &system.table[usize::from(receipt.checkpoint) - 1].name;
            out.push(format!("a recovery point at `{state}`"));
        }
        if receipt.was_recorded && receipt.status != Status::Succeeded {
            out.push("a success was recorded".to_owned());
        }
    }
    for class in [CLASS_MAIN, CLASS_CONFLICTING, CLASS_MERGED] {
        match world.effects[usize::from(class)] {
            0 => {}
            1 => out.push(format!("the effect{} exists", of(class))),
            count => out.push(format!("{count} effects{} exist", of(class))),
        }
    }
    if world.effects == [0; 3] {
        out.push("no effect".to_owned());
    }
    let native = &world.keys[0].native;
    if native.used {
        out.push(format!("the downstream knows the key{}", of(native.class)));
    }
    if system.uses_lock {
        out.push(if world.locks[0].held { "the lock is held" } else { "the lock is free" }.to_owned());
    }
    if world.past.is_some() {
        out.push("the store remembers what was before".to_owned());
    }
    match receipt.first_answer {
        Known::Nothing => {}
        Known::Failed { class } => out.push(format!("a failure{} was answered", of(class))),
        Known::Done { class, .. } => out.push(format!("a success{} was answered", of(class))),
    }
    if world.fence > 0 {
        out.push("the resource has seen a token".to_owned());
    }
    out.join(", ")
}

/// One part, and what it has to do with what is shared.
pub fn part(open: &Open, shared: &World, part: &Part) -> String {
    let system = open.system();
    match part {
        Part::Client(client) => {
            let who = match (client.role.checked_sub(1), system.queue) {
                (Some(role), _) => system.roles[usize::from(role)].name.as_str(),
                (None, true) => "a message",
                (None, false) => "a client",
            };
            let class = of(client.class);
            let phase = match (client.phase, client.attempt.is_some()) {
                (_, true) if client.role > 0 => "runs",
                (Phase::Done, _) => "is acknowledged, its delivery",
                (_, true) if system.queue => "is delivered to an attempt",
                (_, true) => "waits for an attempt",
                (Phase::Waiting, false) => "waits, and nobody works for it",
                _ => "will try again",
            };
            let attempt = client.attempt.as_ref().map(|a| attempt(open, shared, a)).unwrap_or_default();
            format!("{who}{class} {phase}{attempt}")
        }
        Part::Zombie(zombie) => {
            format!("an attempt{} that nobody waits for{}", of(zombie.class), attempt(open, shared, zombie))
        }
        Part::Flight(flight) => {
            let claim = claim(open, shared, flight.grant);
            format!("a call{} on its way that nobody waits for{claim}", of(flight.class))
        }
    }
}

fn attempt(open: &Open, shared: &World, attempt: &Attempt) -> String {
    let mut out = format!(" at `{}`", open.system().table[usize::from(attempt.at)].name);
    match attempt.call {
        _ if attempt.down => out.push_str(", not begun"),
        Call::None => {}
        Call::Pending => out.push_str(", its call not landed"),
        Call::Landed(_) => out.push_str(", its call landed"),
        Call::Refused => out.push_str(", its call refused"),
    }
    if attempt.owns {
        out.push_str(", believes that the claim is its own");
    }
    out.push_str(&claim(open, shared, attempt.token));
    match attempt.known {
        Known::Nothing => {}
        Known::Failed { .. } => out.push_str(", knows of a failure"),
        Known::Done { .. } => out.push_str(", knows a result"),
    }
    match attempt.lock {
        Grip::None => {}
        Grip::Holds => out.push_str(", holds the lock"),
        Grip::Believes => out.push_str(", believes that it holds the lock"),
        Grip::Unaware => out.push_str(", holds the lock without knowing"),
    }
    out
}

/// What a token is worth.
fn claim(open: &Open, shared: &World, token: u8) -> String {
    let receipt = shared.keys[0].receipt.token;
    match token {
        0 => return String::new(),
        _ if token == receipt => return ", under the claim that the receipt shows".to_owned(),
        _ if open.is_old(shared, token) => return ", under a claim too old to count".to_owned(),
        _ => {}
    }
    let fence = shared.fence;
    let resource = match token.cmp(&fence) {
        _ if fence == 0 => "",
        std::cmp::Ordering::Less => ", too old for the resource",
        std::cmp::Ordering::Equal => ", the newest that the resource has seen",
        std::cmp::Ordering::Greater => ", newer than all that the resource has seen",
    };
    format!(", under another claim{resource}")
}

/// How two parts relate.
pub fn relation(relation: Relation) -> Option<String> {
    let order = match relation.order {
        Order::Unrelated => None,
        Order::Less => Some("the first claim is older than the second"),
        Order::Equal => Some("both under the same claim"),
        Order::Greater => Some("the first claim is newer than the second"),
    };
    let same = (relation.same != 0).then_some("both know the same result");
    let all: Vec<&str> = order.into_iter().chain(same).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn of(class: Class) -> &'static str {
    match class {
        CLASS_CONFLICTING => " of the other payload",
        CLASS_MERGED => " of the other operation",
        _ => "",
    }
}
