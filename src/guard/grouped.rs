//! A guard of its own for every group.

use std::collections::BTreeMap;

use super::{Answer, CooldownFromStart, Edge, Event, Guard};

/// One guard per group: what one target used up, another still has. Bounds nothing over all groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped<K, G> {
    fresh: G,
    guards: BTreeMap<K, G>,
}

impl<K: Ord + Clone> Grouped<K, CooldownFromStart> {
    /// The `once_within` throttle of Event-Driven Ansible, by its `group_by_attributes`: the first event of a
    /// group acts, and those that follow within the window are dropped.
    pub fn once_within(window_ms: i64) -> Self {
        Self::new(CooldownFromStart::new(window_ms, Edge::Reached))
    }
}

impl<K: Ord + Clone, G: Guard + Clone> Grouped<K, G> {
    /// Every group begins with a copy of `fresh`.
    pub fn new(fresh: G) -> Self {
        Self { fresh, guards: BTreeMap::new() }
    }

    /// As [`Guard::ask`].
    pub fn ask(&self, group: &K, now_ms: i64) -> Answer {
        self.guards.get(group).unwrap_or(&self.fresh).ask(now_ms)
    }

    /// As [`Guard::admit`].
    pub fn admit(&mut self, group: &K, now_ms: i64) -> Answer {
        self.of(group).admit(now_ms)
    }

    /// As [`Guard::tell`].
    pub fn tell(&mut self, group: &K, now_ms: i64, event: Event) {
        self.of(group).tell(now_ms, event);
    }

    fn of(&mut self, group: &K) -> &mut G {
        self.guards.entry(group.clone()).or_insert_with(|| self.fresh.clone())
    }
}
