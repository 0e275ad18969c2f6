//! Histories: what clients saw of a service, judged against what it promises.
//!
//! A history is a list of requests with the interval in which each was answered, and what is known of effects. It is
//! accepted if a service that keeps its promises could have answered so, rejected with the records that prove that none
//! could, and unknown where neither is shown. Nothing is guessed: an answer that never came may stand for anything that
//! its request could have done, at any time after it was sent.
//!
//! Not linearizability: that a request was refused as in flight speaks of two moments of somebody else's, the claim
//! before and the result after. The course of a key is in `epoch`, that of several lives in `search`.
//!
//! Records come from a file ([`read`]) or from whoever sends requests; a [`book::Book`] puts them together, and a
//! [`report::HistoryReport`] says what they come to.

pub mod actions;
pub mod book;
mod epoch;
pub mod judge;
pub mod key;
pub mod read;
pub mod record;
mod release;
pub mod report;
pub mod rule;
mod search;
mod terms;

pub use book::Book;
pub use judge::judge;
pub use key::{Fault, Judgement, KeyHistory};
pub use record::{Record, Terms};
pub use report::{HistoryReport, Verdict};
pub use rule::Rule;
