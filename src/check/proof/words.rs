//! Pieces of an invariant in words.

use super::views::{Order, Part, Relation};
use crate::check::verdict::format_ms;
use crate::system::System;
use crate::system::open::Open;
use crate::system::world::{
    Attempt, CLASS_CONFLICTING, CLASS_MAIN, CLASS_MERGED, Call, Class, Grip, Known, Phase, Slot, Status,
    World,
};
use crate::time::Clock;
use crate::time::zone::{Zone, ZoneView};

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
            let last = client.retries == 0 && client.role == 0 && client.phase == Phase::Waiting;
            let last = if last && open.is_timed() { ", the last try" } else { "" };
            format!("{who}{class} {phase}{attempt}{last}")
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
    (!all.is_empty()).then(|| format!("where {}", all.join(", ")))
}

/// What is known of the clocks of a piece: how long ago was what each of them counts from, and how much
/// sooner than others, where that says more. The zone has them in this order: those of what is shared, then
/// those of each part.
pub fn clocks(system: &System, shared: &World, parts: &[Part], zone: &Zone) -> Option<String> {
    let mut names = shared_events(shared);
    for (number, part) in parts.iter().enumerate() {
        let whose = match (parts.len(), number) {
            (1, _) => "its",
            (_, 0) => "the first one's",
            _ => "the second one's",
        };
        names.extend(events(system, part).into_iter().map(|event| format!("{whose} {event}")));
    }
    let time = |units: i64| format_ms(units * system.times.unit_ms);
    let bound = |left: usize, right: usize| zone.difference(left as Clock, right as Clock);
    let mut out = Vec::new();
    for (at, name) in (1..).zip(&names) {
        let most = bound(at, 0);
        let least = bound(0, at).filter(|least| *least != (0, false)).map(|(bound, strict)| (-bound, strict));
        let least_says = least.map(|(bound, strict)| {
            format!("{} {}", if strict { "more than" } else { "at least" }, time(bound))
        });
        let most_says = most.map(|(bound, strict)| {
            format!("{} {}", if strict { "less than" } else { "at most" }, time(bound))
        });
        out.extend(match (least_says, most_says) {
            _ if most == Some((0, false)) => Some(format!("{name} now")),
            _ if least.is_some() && least == most => {
                most.map(|(bound, _)| format!("{name} {} ago", time(bound)))
            }
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some(format!("{name} {one} ago")),
            (Some(least), Some(most)) => Some(format!("{name} {least} and {most} ago")),
        });
    }
    for (left, sooner) in (1..).zip(&names) {
        for (right, later) in (1..).zip(&names).filter(|(right, _)| *right != left) {
            let Some((most, strict)) = bound(left, right) else { continue };
            // What the two say by themselves.
            let least_of_right = bound(0, right).map_or(0, |(bound, _)| -bound);
            if bound(left, 0).is_some_and(|(most_of_left, _)| most_of_left - least_of_right <= most) {
                continue;
            }
            out.push(match (most, strict) {
                (1.., false) => format!("{sooner} at most {} before {later}", time(most)),
                (1.., true) => format!("{sooner} less than {} before {later}", time(most)),
                (0, false) => format!("{sooner} not before {later}"),
                (0, true) => format!("{sooner} after {later}"),
                (_, false) => format!("{sooner} at least {} after {later}", time(-most)),
                (_, true) => format!("{sooner} more than {} after {later}", time(-most)),
            });
        }
    }
    (!out.is_empty()).then(|| format!("where {}", out.join(", ")))
}

/// What the clocks of what is shared count from, in the order of [`World::each_slot`].
fn shared_events(world: &World) -> Vec<String> {
    let mut out = Vec::new();
    let mut add = |slot: Slot, event: &str| out.extend(slot.present().then(|| event.to_owned()));
    let of_receipt = |status: Status| if status == Status::InProgress { "the claim" } else { "the record" };
    add(world.horizon, "the first request");
    for key in &world.keys {
        add(key.receipt.clock, of_receipt(key.receipt.status));
        add(key.receipt.born, "the receipt's beginning");
        add(key.native.clock, "the native key's beginning");
    }
    world.locks.iter().for_each(|lock| add(lock.clock, "the lock's grant"));
    if let Some(past) = &world.past {
        add(past.receipt.clock, "the write that may come back");
        add(past.receipt.born, "the beginning of the receipt that may come back");
        add(past.clock, "the last write");
    }
    out
}

/// The same of a part.
fn events(system: &System, part: &Part) -> Vec<String> {
    let mut out = Vec::new();
    let mut add = |slot: Slot, event: &str| out.extend(slot.present().then(|| event.to_owned()));
    let of_attempt = |attempt: &Attempt, add: &mut dyn FnMut(Slot, &str)| {
        let state = &system.table[usize::from(attempt.at)].name;
        let what = if attempt.call == Call::None { "arrival at" } else { "call at" };
        add(attempt.clock, &format!("{what} `{state}`"));
        add(attempt.held, "own claim, as it counts");
    };
    match part {
        Part::Client(client) => {
            let event = if client.phase == Phase::Between { "last answer" } else { "last request" };
            add(client.clock, if client.role > 0 { "last start" } else { event });
            client.attempt.iter().for_each(|attempt| of_attempt(attempt, &mut add));
        }
        Part::Zombie(attempt) => of_attempt(attempt, &mut add),
        Part::Flight(flight) => add(flight.clock, "sending"),
    }
    out
}

fn of(class: Class) -> &'static str {
    match class {
        CLASS_CONFLICTING => " of the other payload",
        CLASS_MERGED => " of the other operation",
        _ => "",
    }
}
