//! Ideas and file formats, a page each: what `explain` and `docs/` say of them.

use idemcheck::model::read::MODEL;
use idemcheck::policy::keys::{POLICY, SYSTEM_FILE};
use idemcheck::source::keys::Section;

/// A page on an idea or a format.
pub struct Page {
    pub kind: &'static str,
    pub name: &'static str,
    /// One clause, without a full stop.
    pub brief: &'static str,
    /// Paragraphs, with an empty line between them.
    pub text: &'static str,
    /// Part of a policy, a command, or nothing.
    pub example: &'static str,
    /// What the files of a format may hold.
    pub section: Option<&'static Section>,
}

const fn idea(name: &'static str, brief: &'static str, text: &'static str, example: &'static str) -> Page {
    Page { kind: "concept", name, brief, text, example, section: None }
}

const fn format(name: &'static str, brief: &'static str, text: &'static str, example: &'static str) -> Page {
    Page { kind: "format", name, brief, text, example, section: None }
}

/// Every idea, from the key of a request to the end of a remediation; then every format.
pub const ALL: &[Page] = &[
    idea(
        "idempotency-key",
        "what makes two requests the same operation",
        "Every attempt of an operation carries the same key, and no other operation has it. A field that \
         changes with every attempt (a timestamp, a fresh id) splits the key: the retry is then a new \
         operation, and runs again. A field of the identity that the key leaves out merges two operations: the \
         second one is answered with the first one's result.\n\n\
         `identity` says what makes two requests the same, `from` what the key is computed from. The two are \
         compared, and what differs is tried: see no-false-dedup, key-per-attempt and identity-left-out.",
        "[operation]\neffect   = \"create\"\nidentity = [\"tenant\", \"order_id\"]\n\n[key]\nfrom        = [\"tenant\", \"order_id\"]\nsupplied_by = \"client\"",
    ),
    idea(
        "receipts",
        "the record of a key: who is at it, or what came of it",
        "A receipt is absent, in progress (claimed by an owner, with a lease or without), succeeded or failed. \
         A claim is made by store.insert, in one atomic step: a read that is followed by a write lets two \
         attempts through. The record keeps the answer, so that every later attempt gets the same one \
         (replay-fidelity).\n\n\
         A receipt ends with its time to live. An attempt that comes after that finds nothing and runs again: \
         see ttl-covers-retries and retry-horizon.",
        "[store]\nkind  = \"postgres\"\nlease = \"30s\"\nttl   = \"24h\"",
    ),
    idea(
        "take-over",
        "what a later attempt does with a claim whose lease is over",
        "An owner that died never finishes, so a claim has a lease: when it is over, another attempt may take \
         the claim, with the next fencing-token. But an owner that is only slow is still at work. Its call may \
         land after the new owner's, so the lease has to outlast the work and every stall (lease-below-handler), \
         the new owner has to ask before it calls (reconciliation), or the far side has to refuse the old one.",
        "[choices]\ntake_over = \"reconcile\"",
    ),
    idea(
        "fencing-token",
        "a number that rises with each owner, by which the far side refuses an older one",
        "A lease tells an owner nothing about the moment at which its call arrives. With every claim and every \
         take-over the store hands out the next number; the call carries it; and a resource that keeps the \
         highest number it has seen refuses what comes with a lower one. It is the only defence that needs no \
         bound on stalls. See no-stale-overwrite and lock-safe.",
        "[downstream]\nfencing = true",
    ),
    idea(
        "payload-fingerprint",
        "what is compared when a key comes again",
        "A key that comes with another payload is a fault of the client: two operations under one name. With a \
         fingerprint the second payload is answered `mismatch` (422), and changes nothing. Without one it gets \
         the first payload's answer: see no-cross-payload. `trigger.conflicting` says how many such requests \
         are tried.",
        "[key]\nfingerprint = [\"method\", \"path\", \"body\"]",
    ),
    idea(
        "zombie-attempt",
        "an attempt that its client gave up on, and that runs on",
        "A timeout ends the waiting, not the work. The client sends the next attempt while the last one is still \
         between two steps, and both act. An attempt that stalls (a collector, a scheduler, a migrated machine) \
         is the same from outside. `pause` bounds the stall; undeclared, it has no bound, which is what nobody \
         promises otherwise.",
        "[faults]\npause = \"5s\"",
    ),
    idea(
        "late-effect",
        "a call that takes effect after its caller gave up",
        "After a timeout nobody knows: the call was lost, was refused, or will still land. `late` says how long \
         after the timeout it may. Undeclared, it may at any later moment, even when the receipt is gone. What \
         is released after a timeout is run again beside the call that is under way.",
        "[downstream]\ntimeout = \"9s\"\nlate    = \"60s\"",
    ),
    idea(
        "reconciliation",
        "asking the far side whether the effect exists, before anything is done again",
        "downstream.query answers `applied`, `absent` or `unknown`. `absent` is only worth something once no \
         earlier call can still land: after the lease, or after `timeout` and `late` together. A question that \
         is asked too early is a second call with a detour.",
        "[downstream]\nquery = true\n\n[choices]\nunknown = \"reconcile\"",
    ),
    idea(
        "native-key-window",
        "a provider that deduplicates by a key, for as long as it remembers it",
        "Many providers take an idempotency key and answer a second call with the first one's result. The key is \
         remembered for a time; a retry that comes later is a new call. The provider's window has to be longer \
         than our receipts and our retries: see native-key-below-ttl. `idemcheck presets` lists what providers \
         promise, each with its source.",
        "[downstream]\nkind       = \"stripe-v1\"\nnative_key = { ttl = \"24h\" }",
    ),
    idea(
        "transactional-effect",
        "the effect and its receipt in one transaction",
        "Where the effect is a row in the same database, store.commit writes both or neither, under a unique \
         constraint on the key. There is never a claim without an effect, so nothing needs a lease, a take-over \
         or a bound on stalls. What calls somebody else cannot be made part of it.",
        "",
    ),
    idea(
        "inbox-and-outbox",
        "messages on both sides of a transaction",
        "An outbox is a row that says what is to be published, written with the effect: a relay publishes it \
         afterwards, at least once (outbox-atomic). An inbox is the id of a message, written with what the \
         message does: a second delivery finds the id and only acknowledges (effectively-once). A consumer that \
         acknowledges first loses what it was about to do (no-lost-message).",
        "[outbox]\ndedup = \"5m\"",
    ),
    idea(
        "retry-horizon",
        "the time in which an attempt of the same operation can come",
        "Retries, redeliveries and people who press the button again. Everything that remembers a key (the \
         receipt, the provider's window, the broker's deduplication) has to outlast it. `within` declares it; \
         without a bound every time to live is too short.",
        "[trigger]\nretries = 2\nwithin  = \"1h\"",
    ),
    idea(
        "default-to-caution",
        "what is not declared is not bounded",
        "A stall without `pause`, a late call without `late`, a retry without `within`, a provider without a \
         published window: each is taken to last for ever, since nothing is there that ends it. Declare a bound \
         only if something keeps it. A policy that says less is never judged safer than one that says more.",
        "",
    ),
    idea(
        "dense-time",
        "why a verdict depends on no tick",
        "Clocks take every real value. The search keeps, for each discrete state, the set of all clock values \
         that lead there, as differences that are bounded (a zone), so that every timing within the declared \
         bounds is covered at once. Bounds are closed: at exactly 30 s a lease of 30 s is over and is not, and \
         both are tried. Integer time, searched by another engine, is the oracle (`--engine stateright`).",
        "idemcheck verify policies/ --engine stateright",
    ),
    idea(
        "scope",
        "how far the adversary and the clients go in one check",
        "So many requests, attempts and faults of each kind. A verdict is about its scope, and the scope is \
         printed with it: `2 requests, 1 attempt each, 1 crash, pause <= 5s`. More than that is not covered. \
         Most faults of a protocol show with two requests and one crash, so begin there.",
        "[trigger]\nrequests = 2\nretries  = 1\n\n[faults]\ncrashes = 1",
    ),
    idea(
        "counterexample",
        "a run that breaks a property, with a moment for every step",
        "It has the fewest steps, of these the fewest faults, and then the fewest attempts. It was played \
         through again by the concrete semantics before it was shown. Its file carries policy and model, and \
         `idemcheck replay` runs it again. In the pages every step has a link of its own (`#step-7`).",
        "idemcheck verify policies/ --traces traces/",
    ),
    idea(
        "endless-run",
        "a run that repeats for ever, shown by the part that repeats",
        "Thrash has no last step: the same states come round again, at the same distances in time. It is shown \
         as a beginning and a part that repeats, with the time that one round takes, and it is a real cycle: \
         the last state is the first one of the round, clocks included. See quiesces, bounded-actions and \
         no-stuck-key.",
        "",
    ),
    idea(
        "expectations",
        "what a policy says that the check must find",
        "[expect] makes a policy a test: `single-execution = \"violated\"` is met by a violation, and a run in \
         which it holds fails. Policies of known incidents are kept that way, each beside its twin that holds.",
        "[expect]\nsingle-execution = \"violated\"",
    ),
    idea(
        "waivers",
        "a violation that is accepted, with a reason and an end",
        "A [[waiver]] names the property, why it is accepted, and until when. It is shown in every report and \
         every format; past its day the violation is one again. Silence is something else: a [[silence]] \
         accepts a lint, which changes no exit code.",
        "[[waiver]]\nproperty = \"no-stuck-key\"\nreason   = \"keys are swept by hand until the sweeper ships\"\nuntil    = 2027-01-31",
    ),
    idea(
        "remediation",
        "something that looks, asks its guards, acts, and comes again",
        "A policy with a [target] is about a fault and a remedy. The remedy sees the target as it was up to \
         `lag` ago, and nothing that counts while an action is under way or settles. It goes on after its \
         caller's timeout and after its worker's death. What goes wrong is acting on what is no longer so \
         (acts-only-when-diverged), acting twice (single-flight), and never ending (quiesces).",
        "[target]\nkind  = \"instance\"\nact   = [\"10s\", \"2m\"]\nlag   = \"15s\"\nfault = \"curable\"",
    ),
    idea(
        "anti-thrash-guards",
        "what is asked before an action, each kind with its own arithmetic",
        "A cooldown counts from the start of an action or from its completion; a window tumbles or slides; a \
         counter is set back by a quiet time; a cap counts what is in flight; a gate looks at the population; a \
         breaker at failures; flap detection at changes of state. One name for all of them gives wrong \
         verdicts. What a guard counted in a process is lost with it (`memory`). See dead-guard, \
         over-tight-guard and quiet-reset-evaded.",
        "[guards.cooldown]\nkind   = \"cooldown\"\nspan   = \"10m\"\nmemory = \"durable\"",
    ),
    idea(
        "action-classes",
        "what running an action twice does",
        "`set` and `delete` change nothing the second time; `delta`, `create`, `restart`, `toggle` and `notify` do. \
         `idemcheck audit` says it of every action, what makes the action safe to repeat (a compare-and-set, a \
         key per episode), what the policy has of that, and what an automatic retry lacks.",
        "idemcheck audit policies/",
    ),
    idea(
        "escalation",
        "how a fault that no remedy cures reaches a person",
        "Automation that is blocked by its own guards must not be silent about it. human.page and human.approve \
         are the ways out; `[human] within` is the time in which one of them has to be taken (escalates). A \
         request for approval that nobody answers lapses.",
        "[human]\nwithin   = \"30m\"\napproval = \"15m\"",
    ),
    idea(
        "back-out",
        "how a half-done action ends",
        "An action that fails half-way, or whose worker dies, leaves the target between two states (`partial`). \
         target.undo takes it back; and what was backed out is not done again at once (`hold`), or the trigger \
         that caused it causes it again. See backs-out.",
        "[target]\nkind    = \"instance\"\npartial = true\nhold    = \"1h\"",
    ),
    idea(
        "race-bursts",
        "many requests under one key at the same moment",
        "`idemcheck load` holds back the last byte of every request and lets all of them leave together. Effects \
         are counted where they land, since answers prove nothing. A run that finds nothing says how often a \
         race could still show: it is a test, and no proof.",
        "idemcheck load policies/write-path/atomic-receipt.toml --bursts 60 --batches 3",
    ),
    idea(
        "recorded-histories",
        "requests and answers as they were seen, judged afterwards",
        "A history is what clients saw: when a request was sent, when its answer came, and which effects were \
         counted. It is accepted if a service that keeps its promises can have answered so, at some order of \
         what overlapped; rejected, with a rule and the records that prove it, if none can.",
        "idemcheck check-history run.jsonl",
    ),
    idea(
        "conformance",
        "whether what really ran is a run of what was verified",
        "A verdict is about the policy's system; a log is about what runs. `idemcheck conform` asks whether some \
         run of the system shows every step that the log tells, each within its time, and nothing else of these \
         attempts. Calls that land, faults and deaths are not told, and may come at any time that the policy \
         allows. Steps of two attempts whose times overlap may have come in either order; the last step of an \
         attempt may be missing, since it may have died before it could tell. That a log is allowed says nothing \
         of other runs.",
        "idemcheck conform charge.toml server.jsonl",
    ),
    idea(
        "simulation",
        "sampled runs of a policy: how likely what can happen is",
        "`idemcheck verify` says what can happen at all; `idemcheck simulate` how often it does. A run is sampled \
         from the very system that is checked: whoever can do something goes on until a moment that is drawn, the \
         earliest is next, and what comes of it is drawn among the steps that the clocks allow. So every sampled run \
         is one that the checker allows, and no run shows what it rules out. A simulation that shows nothing proves \
         nothing.\n\n\
         [simulate.durations] says how long things take, [simulate.chances] how often they go wrong at each \
         opportunity, as long as [faults] has some left. What is not said is assumed, and every report lists it. A \
         distribution is cut to the bounds that the policy declares: drawn by the share of what lies within, not \
         moved to the edge; how much that is is reported, and one that lies wholly outside is refused.\n\n\
         `--rare PROPERTY` estimates what is too seldom to be counted: runs that come further along the checker's \
         shortest run to the violation are continued several times over, each copy for its share. `--compare` runs \
         another policy under the same luck, draw by draw, so that the difference is that of the policies.",
        "[simulate.durations]\nlatency = { lognormal = [\"120ms\", \"2s\"] }\nbackoff = { uniform = [\"0s\", \"1s\"] }\n\n[simulate.chances]\ncrash     = 0.001\ncall_hang = 0.002",
    ),
    Page {
        section: Some(&POLICY),
        ..format(
            "policy-file",
            "what an operation relies on, and what must hold: TOML",
            "One operation, or one remediation, per file. Unknown keys are errors, durations carry a unit, and all \
             faults of a file are reported at once. `idemcheck init` writes one with every key explained in it; \
             `idemcheck schema policy` prints the JSON Schema, which editors read by a `#:schema` line on top.",
            "idemcheck init --template payment-charge",
        )
    },
    Page {
        section: Some(&SYSTEM_FILE),
        ..format(
            "system-file",
            "several policies of one target, checked together: TOML",
            "Remedies that touch the same target undo each other's work. A file with a [system] names the \
             policies; every interleaving of their runs is searched.",
            "[system]\nmembers = [\"sync.toml\", \"autoscale.toml\"]",
        )
    },
    Page {
        section: Some(&MODEL),
        ..format(
            "model-file",
            "the state machine of one attempt: TOML",
            "A table of states: each does one atomic operation, and each outcome of it leads to the next state, to \
             an answer (`respond.success`) or to an end (`end.page`). A `?name` goes where the policy's choice of \
             that name says. Every outcome is mapped exactly once, every state is reachable, every path ends. \
             `idemcheck models` lists those that ship.",
            "idemcheck models receipt --format toml",
        )
    },
    format(
        "human-report",
        "text for people",
        "A line per property, with its number and its reason; a run for every violation that needs attention. \
         Colour repeats what a mark says; NO_COLOR and FORCE_COLOR are honoured.",
        "idemcheck verify policies/ --verbose",
    ),
    format(
        "json-report",
        "everything that was found, for machines",
        "It has a `version` and a schema (`idemcheck schema report`), and what every other format is made from.",
        "idemcheck verify policies/ --format json",
    ),
    format(
        "sarif",
        "SARIF 2.1.0, for editors and code scanning",
        "A result for every violation that nothing expects, every lint and every faulty file, at its line: that \
         of the expectation, else the one that names the policy; of a lint, the declaration it is about. A run is \
         a code flow through the states of the model. What is waived, and a lint that is silenced, is a result \
         that is suppressed, with its reason. Paths are relative to the folder of the call. Of a run of more \
         than 1,000 steps the two ends are told, since code scanning shows no more.",
        "idemcheck verify policies/ --output sarif=idemcheck.sarif",
    ),
    format(
        "junit",
        "JUnit, for whatever shows test results",
        "A suite per policy, a case per property. Violated is a failure; inconclusive is an error, since it has \
         no verdict; waived and not applicable are skipped, with the reason.",
        "idemcheck verify policies/ --output junit=idemcheck.xml",
    ),
    format(
        "github",
        "annotations of a GitHub workflow",
        "GitHub shows ten annotations of a level for each step and drops the rest without a word. The worst come \
         first, and the tenth says how many more there are.",
        "idemcheck verify policies/ --format github",
    ),
    format(
        "markdown",
        "a comment on a pull request",
        "Less than 64 kB, which is what GitHub takes; what no longer fits is counted. A run is a sequence diagram \
         (mermaid) and a table. The first line is `<!-- idemcheck -->`, by which the next run finds the comment and \
         writes over it.",
        "idemcheck verify policies/ --output markdown=comment.md",
    ),
    format(
        "job-summary",
        "the same as markdown with more room, for the summary of a job",
        "Up to 1 MB: GitHub takes 1 MiB for each step.",
        "idemcheck verify policies/ --output summary=summary.md",
    ),
    format(
        "html",
        "pages to look at: an index, and a page for each policy",
        "What a design review asks for, derived from policy, model and results. The pages stand for themselves: \
         nothing is fetched, scripts are not needed to read them, and what others have written is text.",
        "idemcheck report policies/ --to reports/",
    ),
    format(
        "counterexample-file",
        "a run, with the policy and the model that it belongs to: JSON",
        "`idemcheck replay` needs nothing else. It plays the run through, step by step, and says whether the \
         property breaks.",
        "idemcheck replay traces/lease-12s.single-execution.json",
    ),
    format(
        "history-file",
        "a recorded history: JSON lines",
        "A line for each event: a request that begins, an answer, an effect that was counted. `idemcheck schema \
         history` prints the schema of a line. A line has at most 64 KiB, a key at most 1,000,000 records.",
        "idemcheck check-history run.jsonl --format json",
    ),
    format(
        "conform-log",
        "the log of real runs: JSON lines",
        "A line for each step of an attempt, as `idemcheck serve --log json --log-level debug` writes them: \
         `message` is `step`; `policy`, `key` and `attempt` say whose it is; it happened between `from_ms` and \
         `at_ms`, in milliseconds since any moment; `state` did its operation and saw `outcome`. Attempts with \
         different `payload` asked for different things. `attempt begins` tells of an attempt before its first \
         step. Other lines are passed over. A line has at most 64 KiB, a log 2,000,000 steps, a key 60,000 \
         attempts, of which up to 24 are followed at a time.",
        "idemcheck conform charge.toml server.jsonl",
    ),
    format(
        "conform-map",
        "where somebody else's log says what `conform` asks for: TOML",
        "`key`, `attempt`, `time`, `state` and `outcome` name the fields of a line, a name that begins with `/` is \
         a JSON pointer; `began`, `payload` and `policy` may be there. `unit` is s, ms, us, ns or rfc3339. \
         [only] and [begins] say which lines are steps and beginnings of attempts; [states] and [outcomes] \
         translate, `\"STATE.OUTCOME\"` for one state only. Without `began`, a step happened at its time, give or \
         take the tolerance. `idemcheck schema conform-map` prints the schema.",
        "idemcheck conform charge.toml app.jsonl --map app.map.toml",
    ),
    format(
        "conform-report",
        "whether logs are allowed, key by key: JSON",
        "What is not allowed has its first such step with file and line, the steps before it, and what its \
         attempt could have done instead and when. `idemcheck schema conform-report` prints the schema.",
        "idemcheck conform charge.toml server.jsonl --format json",
    ),
    format(
        "simulate-report",
        "how often, how long, how many, over sampled runs: JSON",
        "Rates with Wilson's intervals, times by their order with intervals that assume nothing else, all at 95%; \
         what was assumed because [simulate] does not say it; with --rare and --compare what these add. The same \
         seed gives the same report, with any number of threads. `idemcheck schema simulate-report` prints the \
         schema.",
        "idemcheck simulate charge.toml --format json",
    ),
    format(
        "load-report",
        "what a race came to: JSON",
        "Bursts, effects, overlaps, answers, latencies and what each probe found, with the seed. `idemcheck report \
         --load` shows it on the policy's page.",
        "idemcheck load policies/write-path/atomic-receipt.toml --format json",
    ),
];
