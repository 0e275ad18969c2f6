//! One state space spread over several threads and processes, on the timely dataflow engine: with the feature
//! `cluster`. Each process runs the same program on the same policies; what a search finds is the same on all.

#[cfg(feature = "cluster")]
mod connect;
#[cfg(feature = "cluster")]
mod find;
#[cfg(feature = "cluster")]
mod notes;
#[cfg(feature = "cluster")]
mod workers;

#[cfg(feature = "cluster")]
pub use workers::{Cluster, Place};

/// The workers that search together: none, without the feature.
#[cfg(not(feature = "cluster"))]
#[derive(Debug)]
pub enum Cluster {}

#[cfg(not(feature = "cluster"))]
impl Cluster {
    pub(super) fn search_zones(
        &self,
        _: &str,
        _: &crate::system::System,
        _: &super::VerifyOptions,
        _: super::Reductions,
        _: u64,
        _: &super::trace::Patience,
    ) -> Result<super::verify::Findings, super::CheckError> {
        match *self {}
    }
}
