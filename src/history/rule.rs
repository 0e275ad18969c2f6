//! The rules by which a history is rejected. What each says, and which property it stands for, is here and
//! nowhere else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::property::Property;

macro_rules! rules {
    ($($rule:ident = $name:literal, $property:expr, $brief:literal, $text:literal;)*) => {
        /// Why a history can't be that of a service that keeps its promises. The names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Rule {
            $(#[doc = $brief] $rule,)*
        }

        impl Rule {
            /// In the order in which people see them.
            pub const ALL: &[Rule] = &[$(Rule::$rule),*];

            pub fn name(self) -> &'static str {
                match self { $(Rule::$rule => $name),* }
            }

            /// The property that the history breaks; none where it depends on how one reads it.
            pub fn property(self) -> Option<Property> {
                match self { $(Rule::$rule => $property),* }
            }

            /// What is wrong, in one clause.
            pub fn brief(self) -> &'static str {
                match self { $(Rule::$rule => $brief),* }
            }

            /// Why no service that keeps its promises answers like that.
            pub fn explanation(self) -> &'static str {
                match self { $(Rule::$rule => $text),* }
            }
        }
    };
}

rules! {
    SecondEffect = "second-effect", Some(Property::SingleExecution),
        "a key has more effects than it may have",
        "Between the first claim of a key and the end of its receipt there is one effect at most, whoever brings it \
         about: the first attempt, one that took over, or the service itself. Another effect needs another life of \
         the key, and that begins when the receipt's time to live is over.";
    NewAnswerTwice = "new-answer-twice", Some(Property::SingleExecution),
        "two answers say that they are new",
        "The terms say that every recorded answer is marked. Of two answers without the mark, both claim to be the \
         result of an execution of their own.";
    AnswersDiffer = "answers-differ", Some(Property::ReplayFidelity),
        "two final answers of one key are not the same",
        "There is one recorded result while the receipt lives, and every final answer is that one: compared as the \
         terms say, by status and digest or by digest alone.";
    ReplayOfNothing = "replay-of-nothing", Some(Property::ReplayFidelity),
        "an answer is marked as recorded, and nothing can have been recorded",
        "Whoever recorded it is a request of the history: one with an answer that is not marked, or one whose \
         outcome nobody knows. There is none that was sent early enough.";
    AnsweredOtherPayload = "answered-other-payload", Some(Property::NoCrossPayload),
        "two payloads got a final answer under one key",
        "A receipt belongs to the payload that claimed it. Another payload is refused; a result would be that of \
         somebody else's operation.";
    EffectOfOtherPayload = "effect-of-other-payload", Some(Property::NoCrossPayload),
        "the effect is that of another payload than the answer",
        "What was executed is what the owner of the key asked for.";
    MismatchOfSamePayload = "mismatch-of-same-payload", Some(Property::TruthfulConflict),
        "a payload was refused as another one though it is the same",
        "`mismatch` is only said to a payload that differs from the one that owns the key. The client gives up for \
         good, and its operation may never be executed.";
    MismatchOfNothing = "mismatch-of-nothing", Some(Property::TruthfulConflict),
        "a payload was refused as another one, and no other can have been there",
        "Another payload must have claimed the key before. No request with another payload that may have executed \
         was sent before this answer came.";
    InFlightAfterAnswer = "in-flight-after-answer", Some(Property::TruthfulConflict),
        "a request was refused as in flight after the result had been answered",
        "The result is recorded before it is answered. A request that is sent after that answer came finds the \
         result, and nothing in flight.";
    InFlightOfNothing = "in-flight-of-nothing", Some(Property::TruthfulConflict),
        "a request was refused as in flight, and nothing can have been",
        "Another attempt must have claimed the key before this answer came, and must still have had it when the \
         request was sent.";
    InFlightThoughWaiting = "in-flight-though-waiting", Some(Property::TruthfulConflict),
        "a request was refused as in flight, and the terms say that it waits",
        "With `in_flight = wait` a request stays until there is a result. A wait that ends with a refusal is \
         `reject`.";
    InFlightAfterFailure = "in-flight-after-failure", Some(Property::NoStuckKey),
        "a request was refused as in flight after the attempt at work had been answered as failed",
        "With `failure = release` the key is free before the failure is answered. Nothing else that may hold it was \
         sent by then.";
    InFlightAfterLease = "in-flight-after-lease", Some(Property::NoStuckKey),
        "a request was refused as in flight after every claim had run out",
        "A claim shuts others out for its lease. Whoever comes later takes it over, and is not refused. Where the \
         service renews leases, declare none; where it takes over by itself, declare `recovery`.";
    SuccessWithoutEffect = "success-without-effect", Some(Property::NoLostEffect),
        "a success was answered, and there was no effect by then",
        "A success says that the operation was executed. The count that shows none began after the answer had come.";
    EffectAfterAnswer = "effect-after-answer", Some(Property::NoLostEffect),
        "the effect came after its result had been answered",
        "The effect happens, then it is recorded, then it is answered. An effect that comes later is lost in a crash \
         that comes in between.";
    EffectVanished = "effect-vanished", Some(Property::NoLostEffect),
        "an effect was there, and was not there any more",
        "Effects do not go away. A count that falls shows that one was rolled back, or that the probe counts \
         something else.";
    EffectOfNothing = "effect-of-nothing", Some(Property::ReserveBeforeEffect),
        "an effect that no request can have brought about",
        "A request that may have executed must have been sent before the effect. One that was refused as in flight, \
         as another payload or as unavailable executes nothing.";
    NoPossibleRun = "no-possible-run", None,
        "no order of events explains these records together",
        "Every order of claims, effects, results, releases, takeovers and expiries was tried. The records that are \
         named contradict each other; without any one of them there is an explanation.";

    OverlappingActions = "overlapping-actions", Some(Property::SingleFlight),
        "two actions on one target were under way at the same time",
        "An action begins when the one before it is over.";
    TooManyActions = "too-many-actions", Some(Property::BoundedActions),
        "more actions on one target than the policy allows in that time",
        "`actions_max` and `per` of the policy's target, over every window of that length.";
    RefusedByGuard = "refused-by-guard", Some(Property::BoundedActions),
        "an action that a guard of the policy would have refused",
        "The guard was asked again, with the actions before this one in their order. It is judged by its own \
         semantics, and where the policy leaves open what holds at the end of a span, both readings refuse.";
}

impl Rule {
    pub fn from_name(name: &str) -> Option<Rule> {
        Rule::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_format() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.name());
            assert_eq!(Rule::from_name(rule.name()), Some(*rule));
            assert!(!rule.brief().ends_with('.') && rule.explanation().ends_with('.'), "{rule}");
        }
    }
}
