//! `[target]`, `[action]`, `[guards]` and `[human]`: what a remediation acts on, with what, held back
//! by what, and who hears of it.
//!
//! All durations are milliseconds. `None` is an undeclared bound: unbounded.

pub mod keys;
pub mod read;

pub use crate::guard::{FlapAlgorithm, Rounding};

/// What a remediation policy declares.
#[derive(Clone, Debug)]
pub struct Remedy {
    pub target: Target,
    pub action: Action,
    /// In the order in which they are asked: that of their names.
    pub guards: Vec<GuardRule>,
    pub human: Human,
}

/// `[target]`.
#[derive(Clone, Debug)]
pub struct Target {
    /// Policies that name the same target touch the same thing.
    pub name: String,
    pub kind: TargetKind,
    /// From the start of an action to its effect, at least.
    pub act_min: i64,
    /// And at most.
    pub act_max: Option<i64>,
    /// When its caller gives up; the action goes on.
    pub timeout: Option<i64>,
    /// After an effect, for so long, what the target shows means nothing.
    pub settle: i64,
    /// What is seen can be so old. None: of any age.
    pub lag: Option<i64>,
    /// A look may tell nothing.
    pub unknown: bool,
    pub errors: ActErrors,
    /// An action that fails, or whose worker dies, may leave the target half-done.
    pub partial: bool,
    pub fault: Fault,
    /// A recurring fault comes again this long after it went, or later.
    pub period: i64,
    /// Targets with a fault at the same time, at most.
    pub faulty: u32,
    pub harm: Harm,
    /// `bounded-actions`: never more than so many actions on one target in any time of `per`.
    pub limit: Option<(u32, i64)>,
    /// `backs-out`: what an undo backed out must not be done again for so long.
    pub hold: Option<i64>,
    /// `no-oscillation`: values that an action may go back to while nothing else changes.
    pub reversals: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Alike members that are well or not, and the fewest that must serve.
    Members { size: u32, floor: u32 },
    /// A number that several may write: replicas, a primary, a DNS record.
    Value { start: u32, floor: u32 },
}

/// The fault that calls for the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is none.
    None,
    /// The action cures it.
    Curable,
    /// It may go by itself at any moment; the action cures it, too.
    Transient,
    /// Nothing cures it.
    Persistent,
    /// The action cures it, and it comes again.
    Recurring,
    /// It comes and goes by itself.
    Flapping,
    /// The target looks faulty and serves all the same; no action changes how it looks.
    Apparent,
}

/// What the action itself does to the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    None,
    /// When it is done, another member has the fault: the load went there.
    Spreads,
    /// When it is done, the target has the fault again.
    Relapses,
}

/// What an error of the action says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActErrors {
    Never,
    /// Nothing was done.
    Definite,
    /// It may still be done.
    Ambiguous,
}

/// `[action]`.
#[derive(Clone, Debug)]
pub struct Action {
    pub kind: ActionKind,
    pub form: Form,
    /// What it does to a value.
    pub change: Change,
    /// The values that need no action, both ends included.
    pub wants: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It works on members, not on a value.
    None,
    Sets(u32),
    Adds(u32),
    Removes(u32),
    /// To the other of two: a failover.
    Toggles,
}

/// How an action keeps from doing harm when it is late or comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Plain,
    /// Applied only while the target is as it was when it was last looked at.
    CompareAndSet,
    /// Applied once per episode of the fault, however often it is sent.
    Keyed,
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $(#[doc = $word] $variant,)* }

        impl $type {
            pub const ALL: &[$type] = &[$($type::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $word,)* }
            }

            pub fn names() -> Vec<&'static str> {
                Self::ALL.iter().map(|word| word.name()).collect()
            }

            pub fn from_name(name: &str) -> Option<$type> {
                Self::ALL.iter().copied().find(|word| word.name() == name)
            }
        }
    };
}

words! {
    /// The catalogue of actions: what a second application does is known of each.
    ActionKind {
        Restart = "restart",
        Reboot = "reboot",
        PowerCycle = "power-cycle",
        ScaleBy = "scale-by",
        ScaleTo = "scale-to",
        Failover = "failover",
        FailBack = "fail-back",
        Delete = "delete",
        DeleteBySelector = "delete-by-selector",
        Terminate = "terminate",
        Replace = "replace",
        Drain = "drain",
        Cordon = "cordon",
        Uncordon = "uncordon",
        Reconfigure = "reconfigure",
        Append = "append",
        Rollback = "rollback",
        SwitchDns = "switch-dns",
        Restore = "restore",
        Rotate = "rotate",
        Notify = "notify",
        Purge = "purge",
        Replay = "replay",
        ClearCache = "clear-cache",
        Charge = "charge",
        Pause = "pause",
        Other = "other",
    }
}

words! {
    /// `[guards.NAME] kind`.
    GuardKind {
        Cooldown = "cooldown",
        CooldownFromCompletion = "cooldown-from-completion",
        Tumbling = "tumbling",
        Sliding = "sliding",
        QuietReset = "quiet-reset",
        InFlight = "in-flight",
        Population = "population",
        Stabilization = "stabilization",
        Flap = "flap",
        Breaker = "breaker",
    }
}

/// `[guards.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardRule {
    pub name: String,
    pub kind: GuardKind,
    /// How many: admissions, actions in flight, members that are not well, failures.
    pub limit: u32,
    /// The cooldown, the window, the quiet time, the time that a breaker stays open.
    pub span: i64,
    pub edge: Boundary,
    /// One for each target, or one for all.
    pub per_target: bool,
    /// Its memory outlives the worker.
    pub durable: bool,
    /// Of a breaker: the rate of failures that opens it, how many actions are judged at the least, and
    /// how many are let through half open.
    pub failure_percent: u32,
    pub minimum_calls: u32,
    pub trials: u32,
    pub flap: (FlapAlgorithm, u32, u32),
}

/// What a guard takes something to be that is exactly as old as its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Over, or not yet: the cautious reading.
    Either,
    Reached,
    Exceeded,
}

/// `[human]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Human {
    /// A request for approval lapses after so long. None: it waits for ever.
    pub approval: Option<i64>,
    /// `escalates`: a fault that lasts reaches a person within this time.
    pub within: Option<i64>,
    /// A page takes the target out of the automation's sight until the person has repaired it.
    pub silences: bool,
}
