//! The zone graph as an explicit graph, for what reachability does not tell: cycles.

use std::collections::VecDeque;

use super::search::{Arcs, Exploration, SearchError, SearchOptions, Starts, Subsumption, explore_from};
use super::verdict::SearchStats;
use crate::time::zone::Zone;
use crate::time::{Edge, TimedSystem};

/// A transition between two nodes, by their numbers.
#[derive(Clone, Debug)]
pub struct Arc<L> {
    pub from: usize,
    pub to: usize,
    /// The number of the edge among all edges of the state of `from`.
    pub number: u32,
    pub label: L,
}

/// Nodes and arcs that are reachable from given nodes along given edges. Zones are told apart by
/// equality, so a cycle here is a cycle of the system.
pub struct Graph<'s, S: TimedSystem> {
    exploration: Exploration<'s, S>,
    starts: Vec<usize>,
    list: ArcList<S::Label>,
}

/// Arcs in order of their source.
struct ArcList<L> {
    arcs: Vec<Arc<L>>,
    /// Where the arcs of each node begin; nodes behind the last have none.
    first: Vec<usize>,
}

impl<L: Clone> Arcs<L> for ArcList<L> {
    fn arc(&mut self, from: usize, to: usize, number: u32, label: &L) {
        while self.first.len() <= from {
            self.first.push(self.arcs.len());
        }
        self.arcs.push(Arc { from, to, number, label: label.clone() });
    }

    fn memory(&self) -> u64 {
        (self.arcs.capacity() * size_of::<Arc<L>>() + self.first.capacity() * size_of::<usize>()) as u64
    }
}

impl<'s, S: TimedSystem> Graph<'s, S> {
    /// Explores from the given nodes, taking their zones as they are, along the edges that `keep`
    /// admits. Nodes are numbered from 0 in the order found. Subsumption is by equality, whatever
    /// the options say.
    pub fn build(
        system: &'s S,
        options: &SearchOptions,
        starts: Vec<(S::State, Zone)>,
        keep: impl FnMut(&Edge<S::State, S::Label>) -> bool,
    ) -> Result<Self, SearchError> {
        let options = SearchOptions { subsumption: Subsumption::Equality, ..*options };
        let mut list = ArcList { arcs: Vec::new(), first: Vec::new() };
        let (exploration, starts) =
            explore_from(system, &options, Starts::At(starts), &mut (), &mut list, keep)?;
        Ok(Self { exploration, starts, list })
    }

    pub fn stats(&self) -> &SearchStats {
        self.exploration.stats()
    }

    pub fn node_count(&self) -> usize {
        self.stats().stored as usize
    }

    /// State and zone of a node.
    pub fn node(&self, node: usize) -> (&S::State, Zone) {
        self.exploration.node(node).expect("equality drops no node")
    }

    /// For each of the nodes started from, in the order given, its number here.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// All arcs, in order of their source.
    pub fn arcs(&self) -> &[Arc<S::Label>] {
        &self.list.arcs
    }

    /// The arcs out of a node.
    pub fn arcs_from(&self, node: usize) -> &[Arc<S::Label>] {
        let at = |node: usize| self.list.first.get(node).copied().unwrap_or(self.list.arcs.len());
        &self.list.arcs[at(node)..at(node + 1)]
    }

    /// The strongly connected components.
    pub fn components(&self) -> Components {
        self.components_where(|_| true)
    }

    /// The strongly connected components of the graph with only these arcs.
    pub fn components_where(&self, keep: impl Fn(&Arc<S::Label>) -> bool) -> Components {
        let targets = |node: usize, at: usize| {
            let arcs = self.arcs_from(node);
            (at..arcs.len()).find(|&at| keep(&arcs[at])).map(|at| (arcs[at].to, at + 1))
        };
        Components::find(self.node_count(), targets)
    }

    /// A way with the fewest arcs between two nodes, along these arcs only. Empty when the nodes are
    /// the same; none when there is no way.
    pub fn shortest_way(
        &self,
        from: usize,
        to: usize,
        keep: impl Fn(&Arc<S::Label>) -> bool,
    ) -> Option<Vec<&Arc<S::Label>>> {
        let mut reached: Vec<Option<&Arc<S::Label>>> = vec![None; self.node_count()];
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if node == to {
                let mut way = Vec::new();
                let mut at = to;
                while let Some(arc) = reached[at].filter(|_| at != from) {
                    way.push(arc);
                    at = arc.from;
                }
                way.reverse();
                return Some(way);
            }
            for arc in self.arcs_from(node).iter().filter(|arc| keep(arc)) {
                if reached[arc.to].is_none() && arc.to != from {
                    reached[arc.to] = Some(arc);
                    queue.push_back(arc.to);
                }
            }
        }
        None
    }

    /// The shortest ways out of a node, along these arcs only. The way to any node is the one that
    /// [`Graph::shortest_way`] gives.
    pub fn ways(&self, from: usize, keep: impl Fn(&Arc<S::Label>) -> bool) -> Ways<'_, S::Label> {
        let mut ways = Ways { from, last: vec![None; self.node_count()], steps: vec![0; self.node_count()] };
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            for arc in self.arcs_from(node).iter().filter(|arc| keep(arc)) {
                if ways.last[arc.to].is_none() && arc.to != from {
                    ways.last[arc.to] = Some(arc);
                    ways.steps[arc.to] = ways.steps[node] + 1;
                    queue.push_back(arc.to);
                }
            }
        }
        ways
    }

    /// For each node, the steps of a shortest way from it to this one.
    pub fn steps_to(&self, to: usize) -> Vec<Option<usize>> {
        let mut into = vec![Vec::new(); self.node_count()];
        for arc in self.arcs() {
            into[arc.to].push(arc.from);
        }
        let mut steps = vec![None; self.node_count()];
        steps[to] = Some(0);
        let mut queue = VecDeque::from([to]);
        while let Some(node) = queue.pop_front() {
            for &from in &into[node] {
                if steps[from].is_none() {
                    steps[from] = steps[node].map(|steps| steps + 1);
                    queue.push_back(from);
                }
            }
        }
        steps
    }

    /// A shortest cycle that begins with this arc, along these arcs only.
    pub fn cycle_through<'a>(
        &'a self,
        arc: &'a Arc<S::Label>,
        keep: impl Fn(&Arc<S::Label>) -> bool,
    ) -> Option<Vec<&'a Arc<S::Label>>> {
        let mut cycle = vec![arc];
        cycle.extend(self.shortest_way(arc.to, arc.from, keep)?);
        Some(cycle)
    }
}

/// The shortest ways out of one node.
pub struct Ways<'g, L> {
    from: usize,
    /// The last arc of the way to each node.
    last: Vec<Option<&'g Arc<L>>>,
    steps: Vec<usize>,
}

impl<'g, L> Ways<'g, L> {
    /// How many steps it is to a node; none: there is no way.
    pub fn steps(&self, to: usize) -> Option<usize> {
        (to == self.from || self.last[to].is_some()).then(|| self.steps[to])
    }

    pub fn way(&self, to: usize) -> Option<Vec<&'g Arc<L>>> {
        self.steps(to)?;
        let mut way = Vec::new();
        let mut at = to;
        while let Some(arc) = self.last[at] {
            way.push(arc);
            at = arc.from;
        }
        way.reverse();
        Some(way)
    }
}

/// Strongly connected components, numbered so that arcs lead to the same or a smaller number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// The component of each node.
    pub of: Vec<usize>,
    pub count: usize,
}

impl Components {
    /// Tarjan's algorithm with a stack of its own: zone graphs are deeper than the call stack.
    ///
    /// `next(node, at)` gives the first arc of the node at or after position `at`, as its target and
    /// the position behind it.
    pub fn find(nodes: usize, next: impl Fn(usize, usize) -> Option<(usize, usize)>) -> Self {
        const UNSEEN: usize = usize::MAX;
        const OPEN: usize = usize::MAX;
        // The smallest index known to be reachable; its own index first.
        let mut low = vec![UNSEEN; nodes];
        let mut of = vec![OPEN; nodes];
        let mut count = 0;
        let mut seen = 0;
        let mut open = Vec::new();
        // Node, position among its arcs, its own index.
        let mut calls: Vec<(usize, usize, usize)> = Vec::new();
        for root in 0..nodes {
            if low[root] != UNSEEN {
                continue;
            }
            calls.push((root, 0, seen));
            low[root] = seen;
            seen += 1;
            open.push(root);
            while let Some(call) = calls.last_mut() {
                let (node, at, index) = *call;
                if let Some((to, behind)) = next(node, at) {
                    call.1 = behind;
                    if low[to] == UNSEEN {
                        calls.push((to, 0, seen));
                        low[to] = seen;
                        seen += 1;
                        open.push(to);
                    } else if of[to] == OPEN {
                        low[node] = low[node].min(low[to]);
                    }
                    continue;
                }
                calls.pop();
                if let Some((parent, ..)) = calls.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
                if low[node] == index {
                    while let Some(member) = open.pop() {
                        of[member] = count;
                        if member == node {
                            break;
                        }
                    }
                    count += 1;
                }
            }
        }
        Self { of, count }
    }

    /// The nodes of each component.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.count];
        for (node, &component) in self.of.iter().enumerate() {
            members[component].push(node);
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::search::explore;
    use super::super::search::tests::{Light, Room};
    use super::*;

    fn components(nodes: usize, arcs: &[(usize, usize)]) -> Components {
        let next = |node: usize, at: usize| {
            let behind = arcs.iter().enumerate().skip(at);
            behind.filter(|(_, arc)| arc.0 == node).map(|(at, arc)| (arc.1, at + 1)).next()
        };
        Components::find(nodes, next)
    }

    #[test]
    fn finds_components() {
        let found = components(6, &[(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3), (4, 5)]);
        assert_eq!(found.count, 3);
        assert_eq!(found.of, [2, 2, 2, 1, 1, 0]);
        assert_eq!(found.members(), [vec![5], vec![3, 4], vec![0, 1, 2]]);
    }

    #[test]
    fn long_chains_need_no_deep_stack() {
        let last = 1_000_000;
        let chain = Components::find(last + 1, |node, at| (at == 0 && node < last).then_some((node + 1, 1)));
        assert_eq!(chain.count, last + 1);
        let ring = Components::find(last + 1, |node, at| (at == 0).then_some(((node + 1) % (last + 1), 1)));
        assert_eq!(ring.count, 1);
    }

    proptest! {
        /// Two nodes share a component exactly if each reaches the other; arcs never lead upwards.
        #[test]
        fn components_are_mutual_reachability(
            arcs in prop::collection::vec((0_usize..7, 0_usize..7), 0..16)
        ) {
            let mut reaches = [[false; 7]; 7];
            (0..7).for_each(|node| reaches[node][node] = true);
            arcs.iter().for_each(|&(from, to)| reaches[from][to] = true);
            for k in 0..7 {
                for i in 0..7 {
                    for j in 0..7 {
                        reaches[i][j] |= reaches[i][k] && reaches[k][j];
                    }
                }
            }
            let found = components(7, &arcs);
            for (i, row) in reaches.iter().enumerate() {
                prop_assert!(found.of[i] < found.count);
                for (j, &there) in row.iter().enumerate() {
                    prop_assert_eq!(found.of[i] == found.of[j], there && reaches[j][i]);
                    prop_assert!(!there || found.of[i] >= found.of[j]);
                }
            }
        }
    }

    fn start(light: &Light) -> Vec<(Room, Zone)> {
        let exploration = explore(light, &SearchOptions::default(), &mut ()).unwrap();
        let (state, zone) = exploration.nodes().next().unwrap();
        vec![(*state, zone)]
    }

    #[test]
    fn the_light_goes_round() {
        let light = Light::default();
        let graph = Graph::build(&light, &SearchOptions::default(), start(&light), |_| true).unwrap();
        assert!(graph.stats().complete);
        assert_eq!(graph.starts(), [0]);
        let states: Vec<Room> = (0..graph.node_count()).map(|node| *graph.node(node).0).collect();
        assert!(states.contains(&Room::Bright) && states.contains(&Room::Broken));
        let components = graph.components();
        let broken = states.iter().position(|state| *state == Room::Broken).unwrap();
        assert!(graph.arcs_from(broken).is_empty());
        assert_ne!(components.of[0], components.of[broken]);
        let back = graph.arcs().iter().find(|arc| arc.label == "off").unwrap();
        let cycle = graph.cycle_through(back, |_| true).unwrap();
        assert_eq!(components.of[back.from], components.of[back.to]);
        for pair in cycle.windows(2) {
            assert_eq!(pair[0].to, pair[1].from);
        }
        assert_eq!(cycle.last().unwrap().to, back.from);
        assert!(graph.shortest_way(broken, 0, |_| true).is_none());
        assert!(graph.shortest_way(0, 0, |_| true).unwrap().is_empty());
        let numbers = |way: Vec<&Arc<_>>| way.iter().map(|arc| (arc.from, arc.number)).collect::<Vec<_>>();
        for from in 0..graph.node_count() {
            let ways = graph.ways(from, |_| true);
            for to in 0..graph.node_count() {
                let way = graph.shortest_way(from, to, |_| true);
                assert_eq!(ways.steps(to), way.as_ref().map(Vec::len));
                assert_eq!(graph.steps_to(to)[from], way.as_ref().map(Vec::len));
                assert_eq!(ways.way(to).map(numbers), way.map(numbers));
            }
        }
    }

    #[test]
    fn only_kept_edges_count() {
        let light = Light::default();
        let keep = |edge: &Edge<Room, &'static str>| edge.label != "off";
        let graph = Graph::build(&light, &SearchOptions::default(), start(&light), keep).unwrap();
        assert!(graph.arcs().iter().all(|arc| arc.label != "off"));
        assert_eq!(graph.components().count, graph.node_count());
        let all = Graph::build(&light, &SearchOptions::default(), start(&light), |_| true).unwrap();
        assert_eq!(all.components_where(|arc| arc.label != "off").count, all.node_count());
    }
}
