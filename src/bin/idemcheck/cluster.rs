//! One policy's zones spread over threads and processes: `verify --workers`, `--hosts` and `--process`.

use std::num::NonZero;
use std::path::PathBuf;

use idemcheck::check::cluster::Cluster;

#[derive(clap::Args, Default)]
#[group(skip)]
pub struct Args {
    /// Search each policy with so many threads of each process, for state spaces too large for one machine's
    /// memory. Only in a build with `--features cluster`.
    #[arg(long, value_name = "N", conflicts_with_all = ["jobs", "watch", "emit", "margins", "prove"])]
    workers: Option<NonZero<usize>>,
    /// Search each policy together with other processes: a file with the `host:port` of each on a line of its
    /// own. Each is given the same files and options, and its own `--process`; process 0 reports.
    #[arg(long, value_name = "FILE", requires = "process", conflicts_with_all = ["jobs", "watch", "emit", "margins", "prove"])]
    hosts: Option<PathBuf>,
    /// Which line of `--hosts` is this process, from 0.
    #[arg(long, value_name = "N", requires = "hosts")]
    process: Option<usize>,
}

impl Args {
    pub fn asked(&self) -> bool {
        self.workers.is_some() || self.hosts.is_some()
    }

    /// Whether this process is the one that reports.
    pub fn reports(&self) -> bool {
        self.process.is_none_or(|process| process == 0)
    }

    /// Without the feature, there is nobody to join.
    #[cfg(not(feature = "cluster"))]
    pub fn join(&self, _digest: &str) -> anyhow::Result<Cluster> {
        anyhow::bail!(
            "this build searches each policy in one thread: for --workers and --hosts, build it with \
             `cargo install --path . --features cluster`"
        )
    }

    /// Waits for the other processes.
    #[cfg(feature = "cluster")]
    pub fn join(&self, digest: &str) -> anyhow::Result<Cluster> {
        use idemcheck::check::cluster::Place;
        let addresses = self.hosts.as_deref().map(read_hosts).transpose()?.unwrap_or_default();
        let process = self.process.unwrap_or(0);
        if let (Some(hosts), true) = (&self.hosts, process >= addresses.len()) {
            let (hosts, count) = (hosts.display(), addresses.len());
            anyhow::bail!("--process {process}: {hosts} names {count} processes, 0 to {}", count - 1);
        }
        let workers = self.workers.map_or(1, NonZero::get);
        anyhow::ensure!(workers <= WORKERS_MAX, "--workers {workers}: at most {WORKERS_MAX} are possible");
        let place = Place { addresses, process, workers, digest: digest.to_owned(), patience: PATIENCE };
        Cluster::join(&place).map_err(anyhow::Error::msg)
    }
}

#[cfg(feature = "cluster")]
const WORKERS_MAX: usize = 256;

/// How long a process waits for the others to come.
#[cfg(feature = "cluster")]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// One address on a line; empty lines and what follows a `#` are passed over.
#[cfg(feature = "cluster")]
fn read_hosts(path: &std::path::Path) -> anyhow::Result<Vec<String>> {
    use anyhow::Context as _;
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let mut addresses: Vec<String> = Vec::new();
    let mut faults = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let address = line.split('#').next().unwrap_or_default().trim();
        if address.is_empty() {
            continue;
        }
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
            faults.push(format!(
                "{shown}:{number}: `{address}` is no address: write `host:port`, as `10.0.0.5:7001`"
            ));
        } else if addresses.iter().any(|known| known == address) {
            faults.push(format!("{shown}:{number}: `{address}` is there twice: each process has its own"));
        }
        addresses.push(address.to_owned());
    }
    if addresses.is_empty() && faults.is_empty() {
        faults
            .push(format!("{shown}: no address: write the `host:port` of each process on a line of its own"));
    }
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(addresses)
}

/// Lets the other processes go, and says what each has done for itself.
#[cfg(feature = "cluster")]
pub fn leave(cluster: Cluster, tell: bool) {
    let alone = cluster.alone();
    cluster.leave();
    if tell && !alone.is_empty() {
        eprintln!(
            "searched by each process for itself, as a run without end is looked for in the whole graph: {}",
            alone.join(", ")
        );
    }
}

#[cfg(not(feature = "cluster"))]
pub fn leave(cluster: Cluster, _tell: bool) {
    match cluster {}
}
