//! Conditional writes, alone or together, and what becomes of them.

use std::error::Error;

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};

use super::super::{Expected, Millis, StoreError};
use super::item::{Item, Values, number, text};

/// What an item has to be for a write to be done.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) expression: String,
    values: Values,
}

impl Condition {
    pub(super) fn new(expression: &str, values: &[(&str, AttributeValue)]) -> Condition {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Condition { expression: expression.to_owned(), values }
    }

    /// That a key holds what is expected, and that `granted` is above every number it has had.
    pub(super) fn of(expected: Expected, granted: u64, now: Millis) -> Condition {
        let granted = (":granted", number(granted));
        match expected {
            Expected::Absent => Condition::new("attribute_not_exists(pk) OR gone < :granted", &[granted]),
            Expected::Anything => {
                Condition::new("NOT (revision >= :granted OR gone >= :granted)", &[granted])
            }
            // The next number is above this one in any case.
            Expected::Revision { revision, alive: false } => {
                Condition::new("revision = :revision", &[(":revision", number(revision))])
            }
            Expected::Revision { revision, alive: true } => Condition::new(
                "revision = :revision AND (attribute_not_exists(expires_at) OR expires_at > :now)",
                &[(":revision", number(revision)), (":now", number(now))],
            ),
        }
    }

    pub(super) fn absent() -> Condition {
        Condition::new("attribute_not_exists(pk)", &[])
    }

    pub(super) fn values(&self) -> Option<Values> {
        Some(self.values.clone()).filter(|values| !values.is_empty())
    }
}

/// One write of a transaction, or one alone.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Put(Item, Condition),
    Check(String, Condition),
}

impl Step {
    pub(super) fn in_transaction(self, table: &str) -> Result<TransactWriteItem, StoreError> {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        let one = TransactWriteItem::builder();
        Ok(match self {
            Step::Put(item, condition) => {
                let values = condition.values();
                let put = Put::builder()
                    .table_name(table)
                    .set_item(Some(item))
                    .condition_expression(condition.expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(all_old);
                one.put(put.build().map_err(unbuilt)?)
            }
            Step::Check(name, condition) => {
                let values = condition.values();
                let check = ConditionCheck::builder()
                    .table_name(table)
                    .key("pk", text(&name))
                    .condition_expression(condition.expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(all_old);
                one.condition_check(check.build().map_err(unbuilt)?)
            }
        }
        .build())
    }
}

/// What became of a write.
pub(super) enum Written {
    Done,
    /// Its condition was not met; by what, where there is something.
    Unmet(Option<Item>),
    /// Another write was under way: nothing was written.
    Met,
}

/// What became of a transaction.
pub(super) enum Together {
    Done,
    /// Nothing was written; for each step, what became of it.
    Undone(Vec<Written>),
}

/// What becomes of one step where a transaction was cancelled.
pub(super) fn cancelled_by(reason: &CancellationReason) -> Result<Written, StoreError> {
    let told = || format!("{}: {}", reason.code().unwrap_or_default(), reason.message().unwrap_or_default());
    match reason.code() {
        None | Some("None") => Ok(Written::Done),
        Some("ConditionalCheckFailed") => Ok(Written::Unmet(reason.item().cloned())),
        Some("TransactionConflict") => Ok(Written::Met),
        Some("ThrottlingError" | "ProvisionedThroughputExceeded") => Err(StoreError::Aborted(told())),
        Some(_) => Err(StoreError::Refused(told())),
    }
}

/// A request that the SDK does not take.
pub(super) fn unbuilt(error: BuildError) -> StoreError {
    StoreError::Refused(error.to_string())
}

/// An error of a request that changes nothing: whatever became of it, nothing was done.
pub(super) fn undone(error: StoreError) -> StoreError {
    match error {
        StoreError::Unknown(text) => StoreError::Unreachable(text),
        error => error,
    }
}

pub(super) fn fault<E: Error + ProvideErrorMetadata + Send + Sync + 'static>(
    error: SdkError<E>,
) -> StoreError {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.code().map(str::to_owned);
    let told = chain(&error);
    match error {
        SdkError::ConstructionFailure(_) => StoreError::Refused(told),
        SdkError::DispatchFailure(failure) => {
            let connector = failure.as_connector_error();
            match connector {
                Some(connector) if never_connected(connector) => StoreError::Unreachable(told),
                _ => StoreError::Unknown(told),
            }
        }
        SdkError::ServiceError(_) => match (code.as_deref(), status) {
            (
                Some(
                    "TransactionConflictException"
                    | "TransactionInProgressException"
                    | "ThrottlingException"
                    | "ProvisionedThroughputExceededException"
                    | "RequestLimitExceeded",
                ),
                _,
            ) => StoreError::Aborted(told),
            (_, Some(400..500)) => StoreError::Refused(told),
            _ => StoreError::Unknown(told),
        },
        _ => StoreError::Unknown(told),
    }
}

/// An error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Nothing can have been sent.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|error| {
        let client = error.downcast_ref::<hyper_util::client::legacy::Error>();
        client.is_some_and(hyper_util::client::legacy::Error::is_connect)
    })
}

/// An error and its causes, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in causes(error).map(ToString::to_string) {
        if !texts.iter().any(|earlier| earlier.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
