//! One renderer per format over one result. A renderer takes a report and a writer and runs nothing.

pub mod history;
pub mod human;
pub mod json;
pub mod load;
pub mod trace;
