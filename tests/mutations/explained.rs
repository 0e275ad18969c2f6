//! What is said about survivors, held against what survived.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::run::{Fate, Trial};

/// `survivors.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explained {
    /// Operators that no property notices, or not everywhere.
    gap: Vec<OfOperator>,
    /// Operators that kill nothing in this corpus.
    unnoticed: Vec<OfOperator>,
    survivor: Vec<OfModels>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOperator {
    operator: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfModels {
    operator: String,
    models: BTreeSet<String>,
    reason: String,
}

impl Explained {
    pub fn read() -> Explained {
        let explained: Explained = toml::from_str(include_str!("survivors.toml")).unwrap();
        let all = explained.gap.iter().chain(&explained.unnoticed);
        let reasons = all.map(|entry| (&entry.operator, &entry.reason));
        let models = explained.survivor.iter().map(|entry| (&entry.operator, &entry.reason));
        for (operator, reason) in reasons.chain(models) {
            assert!(reason.len() > 10, "{operator}: no reason");
        }
        explained
    }

    /// Survivors that nobody explained, and explanations that nothing needs.
    pub fn faults(&self, trials: &[Trial], operators: &BTreeSet<&str>) -> Vec<String> {
        let mut survived: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for trial in trials.iter().filter(|trial| trial.fate == Fate::Survived) {
            survived.entry(trial.operator).or_default().insert(&trial.model);
        }
        let kills = |trial: &&Trial| matches!(trial.fate, Fate::Killed(_));
        let killing: BTreeSet<&str> = trials.iter().filter(kills).map(|trial| trial.operator).collect();
        let unnoticed: BTreeSet<&str> = self.unnoticed.iter().map(|entry| entry.operator.as_str()).collect();
        let mut faults = Vec::new();
        for operator in operators.difference(&killing).filter(|operator| !unnoticed.contains(*operator)) {
            faults.push(format!("{operator}: kills nothing; give it a policy, or a reason in [[unnoticed]]"));
        }
        for operator in unnoticed.iter().filter(|operator| !operators.contains(*operator)) {
            faults.push(format!("{operator}: no such operator"));
        }
        for operator in unnoticed.intersection(&killing) {
            faults.push(format!("{operator}: is noticed now; remove it from [[unnoticed]]"));
        }
        for gap in &self.gap {
            if survived.remove(gap.operator.as_str()).is_none() {
                faults.push(format!("{}: has no survivors any more; remove it from [[gap]]", gap.operator));
            }
        }
        for entry in &self.survivor {
            for model in &entry.models {
                let known = survived.get_mut(entry.operator.as_str());
                if !known.is_some_and(|models| models.remove(model.as_str())) {
                    let operator = &entry.operator;
                    faults.push(format!("{operator}, {model}: has no survivor, or is explained twice"));
                }
            }
        }
        for (operator, models) in survived.iter().filter(|(_, models)| !models.is_empty()) {
            faults.push(format!("{operator}, {models:?}: survive without a reason"));
        }
        faults
    }
}
