//! The search over zones, on all workers: what [`crate::check::verify`] does on one.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::notes::Noted;
use super::workers::Cluster;
use crate::check::endless::Endless;
use crate::check::fewest::abstract_path;
use crate::check::judge::broken_by;
use crate::check::property::Property;
use crate::check::search::shard::Notes;
use crate::check::search::{Exploration, SearchOptions, Witness, explore};
use crate::check::trace::Patience;
use crate::check::verdict::SearchStats;
use crate::check::verify::{
    Findings, Watch, first_zones, goes_on, leaner, remaining, search_options, search_zones, show_broken,
};
use crate::check::{CheckError, Limits, Reductions, VerifyOptions};
use crate::system::System;

/// What a search found.
pub(super) struct Found {
    pub stats: SearchStats,
    pub facts: u64,
    pub witnesses: BTreeMap<u32, Witness<System>>,
    /// What steps and states told.
    pub findings: Findings,
}

impl Found {
    /// Of a search by this process alone.
    fn alone(system: &System, plain: &Exploration<System>, findings: Findings) -> Found {
        let mut noted = Noted { system, findings };
        plain.states().for_each(|state| noted.reached(state));
        let shown = (0..u64::BITS).filter_map(|bit| Some((bit, plain.witness(bit)?)));
        Found {
            stats: plain.stats().clone(),
            facts: plain.facts(),
            witnesses: shown.collect(),
            findings: noted.findings,
        }
    }
}

impl Cluster {
    /// As the native search, with the same result. A policy that is asked for runs without end is searched by each
    /// process for itself: cycles are looked for in the whole graph.
    pub(in crate::check) fn search_zones(
        &self,
        name: &str,
        system: &System,
        options: &VerifyOptions,
        reductions: Reductions,
        stop_at: u64,
        patience: &Patience,
    ) -> Result<Findings, CheckError> {
        if Endless::of(system).iter().any(|endless| options.wants(endless.property)) {
            self.note_alone(name);
            return search_zones(system, options, reductions, stop_at, patience, true);
        }
        let search = search_options(options, reductions, stop_at);
        let mut findings = Findings::default();
        let found = self.find(system, &search, reductions, patience, &mut findings)?;
        take(&mut findings, system, found.findings);
        findings.take_stats(&found.stats, found.facts);
        let path = |bits: u64| {
            let shown = found.witnesses.iter().filter(|(bit, _)| bits >> **bit & 1 != 0);
            let (bit, witness) = shown.min_by_key(|(_, witness)| witness.steps.len())?;
            Some(abstract_path(system, witness, 1 << bit, |state| state))
        };
        show_broken(system, options, &search, patience, path, &mut findings)?;
        Ok(findings)
    }

    /// The first zones, which each process looks at for itself, say whether there is a leaner system to search
    /// for what there is to find; then the plain one is searched only as far as it takes to show it.
    fn find(
        &self,
        system: &System,
        search: &SearchOptions,
        reductions: Reductions,
        patience: &Patience,
        findings: &mut Findings,
    ) -> Result<Found, CheckError> {
        let stop: Vec<u64> = Some(search.stop_at).filter(|set| *set != 0).into_iter().collect();
        let Some(after) = reductions.lean_after.filter(|_| Endless::of(system).is_empty()) else {
            return self.search(system, search, &stop);
        };
        // No limit of time: all processes must come to the same plan.
        let first = Limits { states_max: Some(first_zones(after, search)), memory_max: None, time_max: None };
        let never = AtomicBool::new(false);
        let options = SearchOptions { limits: &first, cancel: &never, progress: &|_| (), ..*search };
        let mut seen = Findings::default();
        let plain = explore(system, &options, &mut Watch { system, findings: &mut seen })?;
        if !goes_on(&plain, after, search) {
            return self.search(system, search, &stop);
        }
        let lean = leaner(system, &plain, &seen);
        if !lean.is_much_leaner() {
            return self.search(system, search, &stop);
        }
        let mut limits = remaining(search.limits, patience);
        limits.time_max = limits.time_max.map(|most| most / 2);
        let there = self.search(&lean, &SearchOptions { limits: &limits, ..*search }, &stop)?;
        let limits = remaining(search.limits, patience);
        let options = SearchOptions { limits: &limits, ..*search };
        if !there.stats.complete {
            return self.search(system, &options, &stop);
        }
        let facts = there.facts | plain.facts();
        take(findings, &lean, there.findings);
        findings.take_stats(&there.stats, there.facts);
        let shown = Property::ALL.into_iter().map(|property| facts & broken_by(property));
        let sought: Vec<u64> = shown.filter(|set| *set != 0).collect();
        if sought.iter().all(|set| plain.facts() & set != 0) {
            return Ok(Found::alone(system, &plain, seen));
        }
        drop(plain);
        let found = self.search(system, &options, &sought)?;
        if sought.iter().any(|set| found.facts & set == 0) {
            findings.untold.clone_from(&found.stats.stopped_by);
        }
        Ok(found)
    }
}

fn take(findings: &mut Findings, system: &System, other: Findings) {
    let mut noted = Noted { system, findings: std::mem::take(findings) };
    noted.merge(Noted { system, findings: other });
    *findings = noted.findings;
}
