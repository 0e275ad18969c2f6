//! One renderer per format over one result. A renderer takes a report and a writer and runs nothing.

pub mod calibration;
pub mod conform;
pub mod diff;
pub mod github;
pub mod history;
pub mod html;
pub mod human;
pub mod json;
pub mod junit;
pub mod lanes;
pub mod load;
pub mod margins;
pub mod markdown;
pub mod origin;
pub mod proof;
pub mod sarif;
pub mod simulate;
pub mod simulate_charts;
pub mod suggest;
pub mod trace;
pub mod words;
