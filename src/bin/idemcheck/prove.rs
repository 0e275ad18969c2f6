//! `--prove`: what holds in its scope, tried for any number of requests, attempts and crashes.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use idemcheck::check;
use idemcheck::check::verdict::PolicyResult;
use idemcheck::report::proof;
use idemcheck::threads::on_threads;

use crate::search::{self, Searched};
use crate::{formats, output};

/// Tries to prove what holds, after whatever could come from the cache, and writes the proofs to a folder.
pub fn prove(
    args: &search::Args,
    searched: Searched,
    began: Instant,
    folder: Option<&Path>,
) -> anyhow::Result<Searched> {
    let cancel = search::cancel_on_interrupt()?;
    let timeout = args.common.timeout;
    let stop = || cancel.load(Ordering::Relaxed) || timeout.is_some_and(|timeout| began.elapsed() >= timeout);
    let Searched { loaded, mut report } = searched;
    let source_of = |result: &PolicyResult| {
        loaded.policies.iter().find(|source| source.policy.path.display().to_string() == result.path)
    };
    let count = report.policies.len();
    let jobs = args.common.jobs(count);
    let proved = on_threads(jobs, count, |index| {
        let mut result = report.policies[index].clone();
        let source = source_of(&result)?;
        let proofs = check::prove(&source.policy, &source.protocol, &mut result, &stop);
        Some((result, formats::proof_files(&loaded, source, proofs)))
    });
    let mut files = Vec::new();
    for (result, proved) in report.policies.iter_mut().zip(proved) {
        let Some((with, its)) = proved else {
            files.push(Vec::new());
            continue;
        };
        *result = with;
        files.push(its);
    }
    if let Some(folder) = folder {
        let names = proof::file_names(&report);
        for (index, its) in files.into_iter().enumerate() {
            for (number, file) in its.into_iter().enumerate() {
                let Some(name) = names.get(&(index, number)) else { continue };
                output::to_file(&folder.join(name), |out| out.write_all(file.to_json().as_bytes()))?;
            }
        }
    }
    report.seconds = began.elapsed().as_secs_f64();
    Ok(Searched { report: report.counted_again(), loaded })
}
