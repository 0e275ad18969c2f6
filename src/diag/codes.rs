//! The table of diagnostics: id, name, weight, one line, and the page that `explain` prints.

use super::Severity;

macro_rules! codes {
    ($(
        $code:ident = $id:literal, $name:literal, $severity:ident,
        $description:literal, $explanation:literal;
    )*) => {
        /// What a diagnostic is about. Ids and names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $description] $code,)*
        }

        impl Code {
            /// In the order of their ids.
            pub const ALL: &[Code] = &[$(Code::$code),*];

            /// `IDM010`.
            pub fn id(self) -> &'static str {
                match self { $(Code::$code => $id),* }
            }

            /// `unknown-key`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$code => $name),* }
            }

            pub fn severity(self) -> Severity {
                match self { $(Code::$code => Severity::$severity),* }
            }

            /// What is wrong, in one line.
            pub fn description(self) -> &'static str {
                match self { $(Code::$code => $description),* }
            }

            /// Why it is wrong, an example, and what to write instead.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$code => $explanation),* }
            }
        }
    };
}

codes! {
    FileNotFound = "IDM001", "file-not-found", Error,
        "a path names nothing",
        "A path on the command line, or a link found in a folder, leads nowhere. Nothing is skipped\n\
         in silence: a check that was asked for and can't be done is a failure.";
    FileUnreadable = "IDM002", "file-unreadable", Error,
        "a file or folder can't be read",
        "The operating system refused: most often missing permissions. The message carries its\n\
         reason.";
    NotARegularFile = "IDM003", "not-a-regular-file", Error,
        "a pipe, socket or device is not read",
        "Policies and models are files. Reading a pipe could wait for ever, so special files are\n\
         refused unopened. Save the text to a file first.";
    FileTooLarge = "IDM004", "file-too-large", Error,
        "a file is larger than what is read",
        "A policy has a few hundred lines at most; the limit of 1 MiB only stops files that are\n\
         something else.";
    NotUtf8 = "IDM005", "not-utf8", Error,
        "a file is not UTF-8",
        "TOML files are UTF-8. The message gives the offset of the first byte that is not; save the\n\
         file as UTF-8.";
    TooManyFiles = "IDM006", "too-many-files", Error,
        "a folder holds more files than one run reads",
        "The walk through a folder stopped at its limit, so files were left out. Name a smaller\n\
         folder.";
    TooDeep = "IDM007", "too-deep", Error,
        "a file or folder is nested too deep",
        "No policy or model needs deep nesting; a file that has it is refused before it is parsed.\n\
         Folders are walked to a limited depth as well.";
    NotToml = "IDM008", "not-toml", Error,
        "the text is not TOML",
        "The line can't be read as TOML. Strings need quotes, keys an equals sign:\n\n    \
         lease = 30s        # wrong\n    \
         lease = \"30s\"      # right\n";
    DuplicateKey = "IDM009", "duplicate-key", Error,
        "a key or table is given twice",
        "TOML allows a key once per table, and a `[table]` once per file. Which of the two was meant\n\
         can't be guessed; remove one.";
    UnknownKey = "IDM010", "unknown-key", Error,
        "a key has no meaning here",
        "A misspelt key would otherwise be a bound that was never declared. Keys that are not known\n\
         are errors:\n\n    \
         [store]\n    \
         leese = \"30s\"      # unknown key; did you mean `lease`?\n";
    MissingKey = "IDM011", "missing-key", Error,
        "a required key is missing",
        "Keys without a safe default must be written. The message shows the line to add.";
    WrongType = "IDM012", "wrong-type", Error,
        "a value is of the wrong type",
        "A string where a number belongs, a value where a table belongs, and the like:\n\n    \
         requests = \"2\"     # wrong\n    \
         requests = 2       # right\n";
    NotSupported = "IDM013", "not-supported", Error,
        "known, but not in this version",
        "The word belongs to the language of policies and models, but this version can't check it. It\n\
         is refused and never ignored: a verdict that leaves a declared thing out would be wrong.";
    UnknownValue = "IDM014", "unknown-value", Error,
        "a value is not one of those allowed",
        "The key takes one of a fixed list of words; the message lists them.";
    BadName = "IDM015", "bad-name", Error,
        "a name has characters that names don't have",
        "Names are lowercase letters, digits and underscores; the name of a policy or a model may\n\
         have hyphens, too.\n\n    \
         [state.\"Claim it\"]     # wrong\n    \
         [state.claim_it]       # right\n";
    OutOfRange = "IDM016", "out-of-range", Error,
        "a number is outside its limits",
        "Counts are bounded, since every unit multiplies the states to explore; the message gives the\n\
         limits.";
    BadDuration = "IDM017", "bad-duration", Error,
        "not a duration",
        "Durations are strings with a unit: ms, s, m, h or d. A bare number is an error, since its\n\
         unit would be a guess.\n\n    \
         timeout = 10         # wrong\n    \
         timeout = \"10s\"      # right\n    \
         within  = \"1h30m\"    # right\n";
    ListedTwice = "IDM018", "listed-twice", Error,
        "a list holds the same name twice",
        "A field counts once. Remove the second mention.";
    BadDate = "IDM019", "bad-date", Error,
        "not a date",
        "Dates are TOML local dates, without quotes and without a time:\n\n    \
         until = 2027-01-31\n";
    NeitherPolicyNorModel = "IDM020", "neither-policy-nor-model", Error,
        "the file is neither a policy nor a model",
        "A policy has the key `policy`, a model has `model`, `start` and `[state.NAME]` tables. Name\n\
         a folder that holds only these, or name the files one by one.";
    EmptyList = "IDM021", "empty-list", Error,
        "a list is empty",
        "At least one entry is needed here.";
    Blank = "IDM022", "blank", Error,
        "a text is blank",
        "The text is read by people and must say something.";

    EmptyModel = "IDM100", "empty-model", Error,
        "a model has no states",
        "A model is a table of states; the smallest has one:\n\n    \
         [state.call]\n    \
         do      = \"downstream.call\"\n    \
         ok      = \"respond.success\"\n    \
         error   = \"respond.error\"\n    \
         timeout = \"respond.unknown\"\n";
    UnknownOperation = "IDM101", "unknown-operation", Error,
        "a state does something that is no operation",
        "`do` names one of the operations; `idemcheck explain store.insert` describes one.";
    OutcomeMissing = "IDM102", "outcome-missing", Error,
        "an outcome of the operation leads nowhere",
        "Every outcome of a state's operation is mapped exactly once. An outcome that \"can't happen\"\n\
         is where most incidents begin; say where it leads.";
    OutcomeUnknown = "IDM103", "outcome-unknown", Error,
        "the operation has no such outcome",
        "The key is neither an option nor an outcome of the state's operation; the message lists\n\
         both.";
    OutcomeTwice = "IDM104", "outcome-twice", Error,
        "an outcome is mapped twice",
        "An outcome leads to one place. Where the policy should decide, use a choice:\n\n    \
         in_progress = \"?in_flight\"\n";
    TargetUnknown = "IDM105", "target-unknown", Error,
        "a target does not exist",
        "A target is the name of a state, `?choice`, `respond.ANSWER` or `end.NAME`.";
    AnswerUnknown = "IDM106", "answer-unknown", Error,
        "there is no such answer",
        "The answers are success, replay, failed, error, unknown, in_flight and mismatch.";
    StartUnknown = "IDM107", "start-unknown", Error,
        "`start` names no state",
        "An attempt begins in the state that `start` names.";
    StateUnreachable = "IDM108", "state-unreachable", Error,
        "no path leads to a state",
        "No outcome and no option leads here from `start`. A state that is never entered proves\n\
         nothing; remove it, or let an outcome lead to it.";
    NeverEnds = "IDM109", "never-ends", Error,
        "no path from a state ends",
        "An attempt that enters this state can neither answer nor end, whatever happens. Let some\n\
         outcome lead to `respond.ANSWER` or `end.NAME`.";
    ChoiceUndeclared = "IDM110", "choice-undeclared", Error,
        "a choice is used but not declared",
        "`?name` needs a table `[choice.name]` with its options:\n\n    \
         [choice.in_flight]\n    \
         reject = \"respond.in_flight\"\n    \
         wait   = \"poll\"\n";
    ChoiceUnused = "IDM111", "choice-unused", Warning,
        "no outcome leads to a choice",
        "A policy would have to decide something that never comes up.";
    ChoiceToChoice = "IDM112", "choice-to-choice", Error,
        "an option leads to another choice",
        "An option leads to a state or an end; a chain of choices would be one choice with more\n\
         options.";
    ChoiceEmpty = "IDM113", "choice-empty", Error,
        "a choice has no options",
        "A policy could not decide it. Give it options, each with its target.";
    TooManyStates = "IDM114", "too-many-states", Error,
        "a model has more states than can be checked",
        "States are bounded so that a search can end.";
    ModelNameTaken = "IDM115", "model-name-taken", Error,
        "two models have the same name",
        "A policy could not say which one it means. A model in `--models` may replace a shipped one,\n\
         but not another file of the same run.";

    PolicyNameTaken = "IDM200", "policy-name-taken", Error,
        "two policies have the same name",
        "Reports, waivers and baselines name policies; each name is used once per run.";
    ModelUnknown = "IDM201", "model-unknown", Error,
        "there is no such model",
        "`model` is the name of a shipped model, of one in `--models`, or a path relative to the\n\
         policy file.";
    TooManyAttempts = "IDM203", "too-many-attempts", Error,
        "a policy asks for more attempts than can be explored",
        "The attempts are (requests + conflicting) x (1 + retries). Two requests with two retries\n\
         already show what can go wrong between three.";
    LatencyReversed = "IDM204", "latency-reversed", Error,
        "the shortest latency is longer than the longest",
        "`latency = [SHORTEST, LONGEST]`.";
    LateWithoutTimeout = "IDM205", "late-without-timeout", Error,
        "`late` is declared without a timeout",
        "`late` counts from the call's timeout: how long after it the call may still take effect.\n\
         Without a timeout it bounds nothing.";
    DownstreamMissing = "IDM206", "downstream-missing", Error,
        "the model calls a downstream that the policy does not describe",
        "What may happen after a timeout depends on the promises of the far side. An empty\n\
         `[downstream]` table is enough, and promises nothing.";
    StoreMissing = "IDM207", "store-missing", Error,
        "the model uses a store that the policy does not describe",
        "The model keeps receipts; say where, and for how long:\n\n    \
         [store]\n    \
         kind  = \"postgres\"\n    \
         lease = \"30s\"\n    \
         ttl   = \"24h\"\n";
    DownstreamUnused = "IDM208", "downstream-unused", Warning,
        "the model never calls the downstream",
        "The table has no effect. Either the model is the wrong one, or the table is a leftover.";
    StoreUnused = "IDM209", "store-unused", Warning,
        "the model never uses the store",
        "The table has no effect: nothing that it declares protects anything.";
    QueryNotOffered = "IDM210", "query-not-offered", Error,
        "the model queries a downstream that can't be queried",
        "Reconciliation asks the far side whether the effect exists. If it can answer, declare `query\n\
         = true`; if it can't, choose another model or another option.";
    KeyIgnored = "IDM211", "key-ignored", Warning,
        "the downstream ignores the key that the model sends",
        "The model sends a native idempotency key, but the policy does not say that the downstream\n\
         honours it, so it protects nothing. Declare `native_key = { ttl = \"24h\" }` if it does.";
    NativeKeyUnsent = "IDM212", "native-key-unsent", Warning,
        "the model never sends the native key",
        "The downstream would deduplicate by key, but no call of the model has `key = true`.";
    TokenIgnored = "IDM213", "token-ignored", Warning,
        "the downstream ignores the fencing token that the model sends",
        "A token protects only where the resource compares it. Declare `fencing = true` if it does.";
    FencingUnsent = "IDM214", "fencing-unsent", Warning,
        "the model never sends a fencing token",
        "The resource would refuse stale tokens, but no call of the model has `token = true`.";
    ExpiryWithoutLease = "IDM215", "expiry-without-lease", Warning,
        "claims never expire, so take-over never happens",
        "The model treats expired claims, but `[store]` declares no lease. A claim whose owner\n\
         crashed then stays for ever, and the states behind `expired` are never entered.";
    LeaseLongerThanTtl = "IDM216", "lease-longer-than-ttl", Error,
        "the receipt is gone before its lease ends",
        "The claim would vanish while its owner still relies on it. Make the ttl longer than the\n\
         lease, and longer than `within`.";
    RetriesTooLate = "IDM217", "retries-too-late", Warning,
        "no retry after a timeout can arrive in time",
        "A client that hears nothing retries after its timeout and its backoff, and not later than\n\
         `within` after the first attempt. Here that moment is already too late, so such retries are\n\
         never checked.";
    ChoiceNotMade = "IDM218", "choice-not-made", Error,
        "the policy leaves a choice of the model open",
        "Every choice of the model is decided in `[choices]`; there are no defaults, since each is a\n\
         trade-off:\n\n    \
         [choices]\n    \
         in_flight = \"reject\"\n";
    ChoiceNotInModel = "IDM219", "choice-not-in-model", Error,
        "the model has no such choice",
        "The policy decides something that the model does not ask.";
    OptionUnknown = "IDM220", "option-unknown", Error,
        "the choice has no such option",
        "The options are the keys of the model's `[choice.NAME]` table.";
    WaitNotSet = "IDM221", "wait-not-set", Error,
        "the policy leaves a wait of the model open",
        "`for = \"?poll\"` in the model asks for `[waits] poll = \"1s\"` in the policy.";
    WaitNotInModel = "IDM222", "wait-not-in-model", Error,
        "the model has no such wait",
        "The policy sets a wait that no state of the model has.";
    PropertyUnknown = "IDM223", "property-unknown", Error,
        "there is no such property",
        "`idemcheck explain` lists the properties.";
    WaiverTwice = "IDM225", "waiver-twice", Error,
        "two waivers cover the same property",
        "One of them would hide the other's end. Keep the one that was reviewed last.";
    KeyFromNobody = "IDM226", "key-from-nobody", Error,
        "a key is computed, but nobody supplies it",
        "`supplied_by = \"none\"` says that no key travels with a request; then `from` has nothing to\n\
         name.";
    KeyMissing = "IDM227", "key-missing", Error,
        "the model needs a key that the policy does not describe",
        "The store finds receipts by key, and a native key is derived from ours:\n\n    \
         [key]\n    \
         from        = [\"tenant\", \"order_id\"]\n    \
         supplied_by = \"client\"\n";
    KeyFieldPerAttempt = "IDM228", "key-field-per-attempt", Warning,
        "a field of the key may differ between two attempts",
        "A timestamp or a request id in the key gives each retry a key of its own, and nothing is\n\
         ever recognised. A field that is neither in `identity` nor in `stable` is taken to be one of\n\
         these.";
    TimeoutBelowLatency = "IDM229", "timeout-below-latency", Warning,
        "every call times out",
        "The call's timeout is shorter than the shortest latency, so no answer is ever seen.";
    TriggerMismatch = "IDM230", "trigger-mismatch", Error,
        "deliveries are described, and the trigger is another one",
        "`[queue]`, `queue.ack` and their like belong to `[trigger] kind = \"queue\"`, where a request is a\n\
         message and an attempt a delivery; a client's `timeout` belongs to `kind = \"http\"`.";
    LockMissing = "IDM231", "lock-missing", Error,
        "the model takes a lock that the policy does not describe",
        "Whether a lock ends by itself, and with what, decides what it is worth:\n\n    \
         [lock]\n    \
         lease = \"30s\"\n";
    LockUnused = "IDM232", "lock-unused", Warning,
        "the model takes no lock",
        "The policy describes a lock that no state of the model takes, so it protects nothing.";
    RoleNotInModel = "IDM233", "role-not-in-model", Error,
        "the model has no such role",
        "`[role.NAME]` in a policy says how many instances of a role of the model run. The model must\n\
         have `[role.NAME]` with its `start`.";
    FaultIdle = "IDM234", "fault-idle", Warning,
        "a fault is budgeted that nothing can suffer",
        "A failover only loses writes of a store with `loses_writes = true`; only messages are redelivered;\n\
         only a lock can be lost. What the budget allows is then never explored.";
    RoleOverSplitKeys = "IDM235", "role-over-split-keys", Error,
        "a background role, and a key that every attempt has for itself",
        "A completer or a sweeper goes through the receipts of all keys. Where every attempt has a key of\n\
         its own, that is not modelled, and saying that it holds would be a guess.";
    MixedEffects = "IDM236", "mixed-effects", Error,
        "effects in the store and effects elsewhere, in a store that loses writes",
        "A failover takes back what was committed locally and not what was called. The check counts both in\n\
         one ledger, so it can't tell; check the two kinds in policies of their own.";
    OutboxUnused = "IDM237", "outbox-unused", Warning,
        "the model publishes nothing",
        "The policy describes the broker that messages are published to, and no state of the model publishes.";
    TargetMissing = "IDM240", "target-missing", Error,
        "the model acts on a target that the policy does not describe",
        "How long an action takes, how old what is seen can be, and which fault calls for it decide\n\
         whether a remediation is safe:\n\n    \
         [target]\n    \
         kind  = \"instance\"\n    \
         act   = [\"10s\", \"2m\"]\n    \
         lag   = \"15s\"\n    \
         fault = \"curable\"\n";
    TargetUnused = "IDM241", "target-unused", Warning,
        "the model has no use for what the policy describes",
        "A target that nothing acts on, guards that nobody asks, a deadline for a person whom nobody\n\
         calls: they protect nothing.";
    TargetMismatch = "IDM242", "target-mismatch", Error,
        "declarations of a target that do not belong together",
        "Members are well or not, and have a `size`; a value is set, added to or taken from, and has a\n\
         `start`. `actions_max` is counted in any time of `per`.";
    SystemMismatch = "IDM243", "system-mismatch", Error,
        "policies that cannot be checked together",
        "A system puts remediations of one target together: two or three policies whose `[target]` has the\n\
         same `name`, `kind`, `size` and `floor`. Its members are files relative to the system's own, or names\n\
         of policies of the same run.";
    TargetShared = "IDM244", "target-shared", Warning,
        "several policies touch one target, and nobody checks them together",
        "Each may hold on its own, and undo what another one does: an autoscaler and a deployment that both\n\
         write the number of replicas. Put them into a `[system]`, or give their targets different names if\n\
         they are different things.";
    HttpSource = "IDM250", "http-source", Error,
        "a place in a request that can't be read",
        "`[http]` says where a request has what the policy speaks of:\n\n    \
         [http]\n    \
         key_header = \"Idempotency-Key\"\n    \
         [http.fields]\n    \
         tenant   = \"header:X-Tenant\"\n    \
         order_id = \"json:/order_id\"\n";
    HttpFieldUnused = "IDM251", "http-field-unused", Warning,
        "a place for a field that the key does not have",
        "`[http.fields]` places the fields of `[key] from` and `[key] fingerprint`. What is in neither is\n\
         never looked at.";
    LoadSource = "IDM252", "load-source", Error,
        "an endpoint that can't be raced",
        "`[load]` says where `load` sends requests, what is in them, and where their effects are counted:\n\n    \
         [load]\n    \
         urls = [\"http://127.0.0.1:8080/pay\"]\n    \
         body = '{\"order\": \"{{key}}\"}'\n    \
         [load.effects]\n    \
         url     = \"http://127.0.0.1:8080/ledger?key={{key}}\"\n    \
         pointer = \"/effects\"                 # or sql, redis, a command, a sink\n\n\
         `conflicting` is another payload for the same key; `[load.slow]`, `[load.failing]` and `[load.other]` have the\n\
         headers that make the operation slow, let it fail before its effect, and send it as somebody else. Where the\n\
         scope of the key stands in a path or a payload, write `{{tenant}}` there, and its texts in `[load.values]` and\n\
         `[load.other.values]`.";
    Distribution = "IDM253", "distribution", Error,
        "a distribution or a chance that can't be sampled from",
        "`[simulate]` says how long things take and how often they go wrong, for `idemcheck simulate`:\n\n    \
         [simulate.durations]\n    \
         latency = { lognormal = [\"120ms\", \"2s\"] }   # median and 99th percentile\n    \
         work    = { exponential = \"5ms\" }            # by its mean\n    \
         backoff = { uniform = [\"0s\", \"1s\"] }\n    \
         late    = { fixed = \"3s\" }\n    \
         stall   = { file = \"pauses.txt\" }           # as measured, one on each line\n    \
         [simulate.chances]\n    \
         crash = 0.001                              # at each operation, from 0 to 1\n\n\
         A distribution is cut to the bounds that the rest of the policy declares, and one that is wholly outside them\n\
         is refused by `simulate`.";
    ImportRefused = "IDM260", "import-refused", Error,
        "a file that can't be imported",
        "`idemcheck import KIND FILE` reads a file as the real system reads it: not the kind that was named,\n\
         not well-formed, a value that the system itself would refuse, or nothing that acts by itself.";
}
