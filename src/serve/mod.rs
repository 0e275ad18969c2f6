//! The verified machine, running: the model's table on a real store, behind HTTP.
//!
//! [`machine::Machine`] goes through the table, [`front::Front`] is its HTTP side, [`downstream`] is whoever
//! brings the effect about. [`server`] puts them on a socket; [`layer`] puts them before any service.

pub mod alerts;
pub mod background;
pub mod body;
pub mod downstream;
pub mod front;
mod json;
pub mod layer;
pub mod machine;
pub mod pause;
pub mod proxy;
pub mod request;
pub mod server;
pub mod watch;
