//! What to be woken for: a Prometheus rule file made from a policy.

use crate::policy::Policy;
use crate::source::duration;

/// Takeovers beyond this share of answers are more than crashes explain.
const TAKEOVERS_MOST: f64 = 0.01;

/// The rules, as YAML.
pub fn rules(policy: &Policy) -> String {
    let name = &policy.name;
    let severity = policy.operation.severity.as_deref().unwrap_or("none declared");
    let lease = policy.store.as_ref().and_then(|store| store.lease);
    // Twice the lease: by then the next attempt, or a restart, has had its chance.
    let patience = duration::show(lease.unwrap_or(300_000).saturating_mul(2).max(60_000));
    let of = |metric: &str| format!("idemcheck_{metric}{{policy={name:?}}}");
    let rules = [
        Rule {
            alert: "IdemcheckDuplicateEffect",
            expr: format!("increase({}[10m]) > 0", of("duplicates_total")),
            wait: None,
            level: "page",
            summary: format!("{name}: an operation was executed more than once"),
            more: "Stop the retries first. `idemcheck receipts list` shows the key; the ledger, or the service behind, the effects.".to_owned(),
        },
        Rule {
            alert: "IdemcheckStuckKeys",
            expr: format!("{} > 0", of("stuck_claims")),
            wait: Some(patience),
            level: "page",
            summary: format!("{name}: claims are over their lease and nobody finishes them"),
            more: "`idemcheck receipts list --which stuck` shows them; `reconcile` asks the downstream.".to_owned(),
        },
        Rule {
            alert: "IdemcheckTakeovers",
            expr: format!(
                "sum(rate({}[15m])) / sum(rate({}[15m])) > {TAKEOVERS_MOST}",
                of("takeovers_total"),
                of("answer_seconds_count")
            ),
            wait: Some("15m".to_owned()),
            level: "ticket",
            summary: format!("{name}: more claims are taken over than crashes explain"),
            more: match lease {
                Some(lease) => format!("Either workers die, or the lease of {} is shorter than the work.", duration::show(lease)),
                None => "The policy declares no lease: nothing should be taken over at all.".to_owned(),
            },
        },
        Rule {
            alert: "IdemcheckLostClaims",
            expr: format!("increase({}[15m]) > 0", of("lost_claims_total")),
            wait: None,
            level: "ticket",
            summary: format!("{name}: attempts found their claim gone when they came to record"),
            more: "Each may have acted beside the new owner.".to_owned(),
        },
        Rule {
            alert: "IdemcheckStoreErrors",
            expr: format!("rate({}[5m]) > 0", of("store_errors_total")),
            wait: Some("5m".to_owned()),
            level: "page",
            summary: format!("{name}: the receipt store does not answer"),
            more: "Operations are refused, not executed, while it does not.".to_owned(),
        },
    ];
    let mut out = format!(
        "# Made by `idemcheck alerts` from the policy {name}; severity of the operation: {severity}.\n\
         groups:\n  - name: idemcheck-{name}\n    rules:\n"
    );
    for rule in rules {
        rule.write(&mut out);
    }
    out
}

struct Rule {
    alert: &'static str,
    expr: String,
    wait: Option<String>,
    level: &'static str,
    summary: String,
    more: String,
}

impl Rule {
    fn write(&self, out: &mut String) {
        // A JSON string is a YAML string.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        out.push_str(&format!("      - alert: {}\n        expr: {}\n", self.alert, quoted(&self.expr)));
        if let Some(wait) = &self.wait {
            out.push_str(&format!("        for: {wait}\n"));
        }
        out.push_str(&format!("        labels:\n          severity: {}\n", self.level));
        out.push_str(&format!(
            "        annotations:\n          summary: {}\n          description: {}\n",
            quoted(&self.summary),
            quoted(&self.more)
        ));
    }
}
