//! What a step can bring to light. Each is one bit of `Edge::facts`; which property a fact breaks
//! is said by the property (`check/properties/`), what it means in words is said here.

/// One bit and what it says of the step that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    pub bit: u64,
    /// Completes "this step …".
    pub says: &'static str,
}

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident = $number:expr, $says:expr;)*) => {
        $($(#[$doc])* pub const $name: u64 = 1 << $number;)*
        /// Every fact, in the order of its bit.
        pub const ALL: &[Fact] = &[$(Fact { bit: $name, says: $says }),*];
    };
}

facts! {
    /// An effect was applied that had been applied before, and that shows.
    REPEATED_EFFECT = 0, "applies the effect a second time";
    /// An attempt met the receipt, or the native key record, of another operation.
    FOREIGN_OPERATION = 1, "meets the record of another operation under its own key";
    SUCCESS_WITHOUT_EFFECT = 2, "answers success though the effect does not exist";
    SUCCESS_WITHOUT_RECEIPT = 3, "answers success before any receipt of it was recorded";
    DIFFERENT_ANSWER = 4, "gives a final answer that differs from the first one under this key";
    FOREIGN_ANSWER = 5, "answers with the result of another payload";
    FOREIGN_CHANGE = 6, "changes a receipt that belongs to another payload";
    TWO_OWNERS = 7, "claims while another live attempt believes that it owns the claim";
    FOREIGN_RECORD = 8, "records over a receipt that is not its own";
    FOREIGN_RELEASE = 9, "removes a receipt that is not its own";
    UNEXECUTED_RECORD = 10, "records a success that it never executed";
    /// A claim whose owner is gone and that no later attempt can take.
    DEAD_KEY = 11, "leaves a claim or a lock that no later attempt can take";
    /// A call without a timeout: it may never come back.
    ENDLESS_CALL = 12, "makes a call, or begins an action, that may never end: no timeout is declared";
    SELF_CONFLICT = 13, "takes its own claim for somebody else's";
    UNRESERVED_EFFECT = 14, "sends the effect without holding the claim";
    FALSE_IN_FLIGHT = 15, "says `in flight` though nothing is";
    FALSE_MISMATCH = 16, "says `mismatch` though the payload is the same";
    STALE_EFFECT = 17, "lands an effect after that of a newer claim";
    STALE_RECORD = 18, "records over the receipt of a newer claim";
    EXPIRED_RECEIPT = 19, "finds the receipt of its own operation expired";
    EXPIRED_NATIVE_KEY = 20, "reaches the downstream after that forgot the native key";
    LOST_MESSAGE = 23, "lets go of a message whose effect does not exist";
    MISSING_MESSAGE = 24, "leaves an effect whose message nobody will publish";
    UNFOUNDED_MESSAGE = 25, "publishes a message whose effect does not exist";
    REPEATED_MESSAGE = 26, "publishes the message a second time";
    /// A success was answered, or a message acknowledged, and its effect is gone.
    SUCCESS_UNDONE = 27, "takes back an effect that was answered or acknowledged as done";
    OVERLAP = 28, "acts on a target on which an action is under way";
    UNFOUNDED_ACTION = 29, "acts without a look, after the last action settled, that said `diverged`";
    TOO_MANY_ACTIONS = 30, "acts more often than `actions_max` allows in `per`";
    /// An action puts back the value from before the last action, and nothing else changed.
    WENT_BACK = 31, "puts a value back that an action changed, while nothing else did";
    UNDER_FLOOR = 32, "takes the target under its floor";
    LATE_PAGE = 33, "still has its fault, and nobody was told in time";
    ACTED_AFTER_PAGE = 34, "acts on a target that a person has in hand";
    /// Nobody is at work on a fault, nobody will be, and nobody was told.
    DROPPED_FAULT = 35, "leaves a fault that nobody will work on or be told of";
    LEFT_HALF = 36, "leaves a half-done action that nobody completes or backs out";
    ACTED_ON_HOLD = 37, "does again what was backed out, while that is on hold";
    LOCK_OVERLAP = 38, "acts under the lock while the action of its last holder is under way";
    DEAD_LOCK = 39, "leaves the lock to a holder that is gone, without an end";
    /// Not a property: more actions under way than the search can hold. Nothing can hold then.
    JOB_LIMIT = 40, "has more actions under way than the search can hold";
    /// Not a property: a third call like two others was left out, so effects are undercounted.
    FLIGHT_LEFT_OUT = 22, "has three calls in flight that are alike";
    /// Not a property: more calls in flight than the search can hold. Nothing can hold then.
    FLIGHT_LIMIT = 21, "has more calls in flight than the search can hold";
}
