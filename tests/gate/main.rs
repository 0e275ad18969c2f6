//! What gates a merge: the diff of a change, waivers and baselines, results that are kept, parts of a run
//! that come together, and watching.

mod baseline;
mod cache;
mod diff;
mod oracle;
mod parts;
mod suggest;
mod support;
mod waivers;
mod watch;
