//! Random remediations: tables of looks, actions, guards and people, and targets with every fault.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use idemcheck::model::Protocol;
use idemcheck::policy::remedy::{
    ActErrors, Action, ActionKind, Boundary, Change, Fault, FlapAlgorithm, Form, GuardKind, GuardRule, Harm,
    Human, Remedy, Target, TargetKind,
};
use idemcheck::policy::{Faults, Lock, Policy, Trigger, TriggerKind, load_texts};

use crate::cases::{Case, does, tidy};
use crate::tables;

/// So many actions in so much time.
type Limit = (u32, i64);

/// What a remediation is made from, whatever its table.
#[derive(Clone, Debug)]
struct Gene {
    trigger: (TriggerKind, i64, Option<i64>, Option<i64>, u32, u32),
    target: TargetKind,
    act: (i64, Option<i64>, Option<i64>),
    looks: (i64, Option<i64>, bool),
    errors: ActErrors,
    fault: (Fault, i64, u32, Harm),
    judged: (Option<Limit>, Option<i64>, u32, Option<i64>),
    action: (ActionKind, Form, Change, (u32, u32)),
    guards: Vec<GuardRule>,
    partial: bool,
    approval: Option<i64>,
    silences: bool,
    /// Its lease, whether it ends with a session, and whether each member has its own.
    lock: (Option<i64>, bool, bool),
    faults: (u32, u32, Option<i64>),
}

fn guard() -> impl Strategy<Value = GuardRule> {
    let kinds = select(GuardKind::ALL.to_vec());
    (kinds, 0..3_u32, 1..4_i64, any::<bool>(), any::<bool>(), 1..3_u32, 1..3_u32).prop_map(
        |(kind, limit, span, per_target, durable, minimum_calls, trials)| GuardRule {
            name: String::new(),
            kind,
            limit,
            span,
            // Strict ones have no exact oracle in integer time.
            edge: Boundary::Either,
            per_target,
            durable,
            failure_percent: 50,
            minimum_calls,
            trials,
            // So low that a few changes are enough.
            flap: (FlapAlgorithm::Nagios, 1, 5),
        },
    )
}

fn gene() -> impl Strategy<Value = Gene> {
    let time = |most: i64| weighted(0.7, 0..=most);
    let kinds = select(vec![TriggerKind::Alert, TriggerKind::Schedule, TriggerKind::Loop, TriggerKind::Loop]);
    let trigger = (kinds, 0..3_i64, weighted(0.4, 0..=1_i64), weighted(0.7, 1..3_i64), 1..=2_u32, 1..=3_u32);
    let target = prop_oneof![
        4 => Just(TargetKind::Members { size: 1, floor: 0 }),
        2 => Just(TargetKind::Members { size: 2, floor: 1 }),
        3 => (0..3_u32, 0..2_u32).prop_map(|(start, floor)| TargetKind::Value { start, floor }),
    ];
    let act = (0..4_i64, time(2), weighted(0.4, 1..3_i64));
    let act = act.prop_map(|(least, more, timeout)| (least, more.map(|more| least + more), timeout));
    let looks = (0..2_i64, time(1), any::<bool>());
    let errors = select(vec![ActErrors::Never, ActErrors::Definite, ActErrors::Ambiguous]);
    let fault = select(vec![
        Fault::Curable,
        Fault::Transient,
        Fault::Persistent,
        Fault::Recurring,
        Fault::Flapping,
        Fault::Apparent,
    ]);
    let harm = select(vec![Harm::None, Harm::None, Harm::Spreads, Harm::Relapses]);
    let fault = (fault, 0..3_i64, 1..=2_u32, harm);
    let judged =
        (weighted(0.3, (1..3_u32, 1..4_i64)), weighted(0.3, 1..3_i64), 0..2_u32, weighted(0.3, 0..4_i64));
    let form = select(vec![Form::Plain, Form::Plain, Form::CompareAndSet, Form::Keyed]);
    let kind = select(vec![
        ActionKind::Restart,
        ActionKind::Failover,
        ActionKind::DeleteBySelector,
        ActionKind::Rotate,
    ]);
    let change = prop_oneof![
        (0..3_u32).prop_map(Change::Sets),
        Just(Change::Adds(1)),
        Just(Change::Removes(1)),
        Just(Change::Toggles),
    ];
    let action = (kind, form, change, (0..2_u32, 1..3_u32));
    let rest = (
        any::<bool>(),
        any::<bool>(),
        weighted(0.6, 1..3_i64),
        (weighted(0.5, 1..3_i64), any::<bool>(), any::<bool>()),
    );
    let faults = (0..2_u32, 0..2_u32, weighted(0.6, 0..=1_i64));
    let guards = vec(guard(), 1..=2);
    (trigger, target, act, looks, errors, fault, judged, action, guards, rest, faults).prop_map(
        |(trigger, target, act, looks, errors, fault, judged, action, guards, rest, faults)| {
            let (partial, silences, approval, lock) = rest;
            Gene {
                trigger,
                target,
                act,
                looks,
                errors,
                fault,
                judged,
                action,
                guards,
                partial,
                approval,
                silences,
                lock,
                faults,
            }
        },
    )
}

const BASE: &str = r#"
policy = "case"
model = "random"
[operation]
effect = "restart"
identity = ["target"]
[trigger]
kind = "loop"
[target]
kind = "instance"
[action]
kind = "restart"
"#;

const ACTS: &str = r#"
model = "random"
title = "Random"
start = "act"
[state.act]
do = "target.act"
ok = "end.done"
error = "end.failed"
timeout = "end.gave_up"
"#;

/// A policy that a person could have written, to be changed.
fn base() -> Policy {
    let loaded = load_texts(("case.toml".as_ref(), BASE), ("model.toml".as_ref(), ACTS));
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    loaded.policies.into_iter().next().expect("it is sound").policy
}

fn policy(gene: &Gene, protocol: &Protocol) -> Policy {
    let Gene { trigger, target, act, looks, errors, fault, judged, action, guards, partial, .. } = gene;
    let (kind, every, delay, repeat, notifiers, overlapping) = *trigger;
    let value = matches!(target, TargetKind::Value { .. });
    let base = base();
    let guards = guards.iter().enumerate().map(|(index, rule)| {
        let name = format!("g{index}");
        GuardRule { name, ..rule.clone() }
    });
    let remedy = Remedy {
        target: Target {
            name: "case".to_owned(),
            kind: *target,
            act_min: act.0,
            act_max: act.1,
            timeout: act.2,
            settle: looks.0,
            lag: looks.1,
            unknown: looks.2,
            errors: *errors,
            partial: *partial,
            fault: if value { Fault::None } else { fault.0 },
            period: fault.1,
            faulty: fault.2,
            harm: if value { Harm::None } else { fault.3 },
            limit: judged.0,
            hold: judged.1,
            reversals: judged.2,
        },
        action: Action {
            kind: action.0,
            form: if value && action.1 == Form::Keyed { Form::Plain } else { action.1 },
            change: if value { action.2 } else { Change::None },
            wants: (action.3.0, action.3.0.max(action.3.1)),
        },
        guards: guards.collect(),
        human: Human {
            approval: gene.approval,
            within: judged.3.filter(|_| !value),
            silences: gene.silences,
        },
    };
    let locks = does(protocol, |op| op.uses_lock());
    Policy {
        trigger: Trigger { kind, every, delay, repeat, notifiers, overlapping, ..base.trigger },
        lock: locks.then(|| Lock {
            lease: gene.lock.0,
            session: gene.lock.1,
            per_target: gene.lock.2 && matches!(target, TargetKind::Members { size: 2, .. }),
            ..Lock::default()
        }),
        faults: Faults {
            crashes: gene.faults.0,
            lost_responses: gene.faults.1,
            pause: gene.faults.2,
            ..base.faults.clone()
        },
        remedy: Some(remedy),
        ..base
    }
}

/// Remediations made of nothing but chance.
pub fn remediations() -> impl Strategy<Value = Case> {
    (tables::remedies(), gene()).prop_map(|(mut protocol, gene)| {
        tidy(&mut protocol);
        let policy = policy(&gene, &protocol);
        Case { protocol, policy }
    })
}
