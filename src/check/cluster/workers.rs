//! The threads that search, and how they speak with each other: a dataflow of timely per search, whose only
//! operator takes each message to the worker that it is for. A round of messages is a timestamp.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use timely::ExchangeData;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Config, Hooks};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::{Input as _, Probe as _};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;
use timely::{WorkerConfig, execute::execute_from};

use super::connect;
use super::find::Found;
use super::notes::Noted;
use crate::check::search::shard::{self, Message, Wire};
use crate::check::search::{SearchError, SearchOptions, is_narrow};
use crate::check::{CheckError, Limits, Progress};
use crate::system::System;
use crate::system::world::Packed;
use crate::time::zone::Scalar;

/// How often the process looks after its workers.
const LOOK_AFTER: Duration = Duration::from_millis(50);
/// How long the others may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(10);

/// Which of the processes this one is.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where each process listens, as `host:port`; one process alone needs none.
    pub addresses: Vec<String>,
    /// The number of this one, from 0.
    pub process: usize,
    /// Threads that search, in each process.
    pub workers: usize,
    /// What has to be the same for all: a digest of what is asked.
    pub digest: String,
    /// How long to wait for the others.
    pub patience: Duration,
}

type Job = Arc<dyn Fn(&mut Worker) -> Result<Found, SearchError> + Send + Sync>;

/// The workers of this process, connected to those of the others.
pub struct Cluster {
    jobs: Vec<Sender<Job>>,
    found: Mutex<Receiver<Result<Found, SearchError>>>,
    /// Ends when all workers of all processes have.
    ended: Mutex<Receiver<()>>,
    /// The policies that each process searched for itself.
    alone: Mutex<Vec<String>>,
}

/// What a thread of the cluster failed with: a lost connection, as a rule.
static LOST: Mutex<Option<String>> = Mutex::new(None);

impl Cluster {
    /// Connects the processes, and starts the workers.
    ///
    /// # Errors
    /// A sentence for people: a process that is not there in time, or asks something else.
    pub fn join(place: &Place) -> Result<Cluster, String> {
        note_panics();
        let (builders, others) = if place.addresses.len() > 1 {
            let sockets = connect::connect(place)?;
            let threads = ProcessBuilder::new_typed_vector(place.workers, Hooks::default().refill, None);
            let (builders, guard) = initialize_networking_from_sockets(
                threads,
                sockets,
                place.process,
                place.workers,
                Hooks::default(),
            )
            .map_err(|error| format!("cannot set up the connections: {error}"))?;
            let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
            (builders, Box::new(guard) as Box<dyn std::any::Any + Send>)
        } else {
            Config::Process(place.workers).try_build()?
        };
        let (jobs, waiting): (Vec<_>, Vec<_>) = (0..place.workers).map(|_| channel::<Job>()).unzip();
        let waiting: Vec<_> = waiting.into_iter().map(|jobs| Mutex::new(Some(jobs))).collect();
        let (tell, found) = channel();
        let tell = Mutex::new(tell);
        let workers = place.workers;
        let guards = execute_from(builders, others, WorkerConfig::default(), move |worker| {
            let number = worker.index() % workers;
            let unpoisoned = |mutex: &Mutex<Option<Receiver<Job>>>| {
                mutex.lock().unwrap_or_else(PoisonError::into_inner).take()
            };
            let Some(jobs) = unpoisoned(&waiting[number]) else { return };
            let tell = tell.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for job in jobs {
                let found = job(worker);
                // The same on all: one is enough.
                if number == 0 {
                    let _ = tell.send(found);
                }
            }
        })?;
        let (end, ended) = channel();
        std::thread::Builder::new()
            .name("timely:join".to_owned())
            .spawn(move || {
                drop(guards.join());
                let _ = end.send(());
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Cluster { jobs, found: Mutex::new(found), ended: Mutex::new(ended), alone: Mutex::default() })
    }

    /// Waits until the other processes have all they need of this one.
    pub fn leave(self) {
        let Cluster { jobs, ended, .. } = self;
        drop(jobs);
        if LOST.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return;
        }
        let ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(GOODBYE);
    }

    /// The policies that each process searched for itself.
    pub fn alone(&self) -> Vec<String> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(in crate::check) fn note_alone(&self, policy: &str) {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner).push(policy.to_owned());
    }

    /// Searches with all workers.
    pub(super) fn search(
        &self,
        system: &System,
        options: &SearchOptions,
        stop: &[u64],
    ) -> Result<Found, CheckError> {
        let narrow = is_narrow(system, options)?;
        let asked = Arc::new(Asked {
            limits: options.limits.clone(),
            cancel: AtomicBool::new(options.cancel.load(Ordering::Relaxed)),
            progress: Mutex::new(None),
        });
        let job: Job = {
            let (system, stop, asked) = (system.clone(), stop.to_vec(), Arc::clone(&asked));
            let SearchOptions { subsumption, extrapolation, symmetry, surplus, .. } = *options;
            Arc::new(move |worker| {
                let progress = |glimpse: &Progress| {
                    *asked.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(*glimpse);
                };
                let options = SearchOptions {
                    subsumption,
                    extrapolation,
                    symmetry,
                    surplus,
                    limits: &asked.limits,
                    cancel: &asked.cancel,
                    progress: &progress,
                    ..SearchOptions::default()
                };
                match narrow {
                    true => on_worker::<i32>(worker, &system, &options, &stop),
                    false => on_worker::<i64>(worker, &system, &options, &stop),
                }
            })
        };
        for jobs in &self.jobs {
            jobs.send(Arc::clone(&job)).map_err(|_| gone())?;
        }
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match found.recv_timeout(LOOK_AFTER) {
                Ok(found) => return found.map_err(CheckError::Search),
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if LOST.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                return Err(gone());
            }
            asked.cancel.fetch_or(options.cancel.load(Ordering::Relaxed), Ordering::Relaxed);
            let glimpse = asked.progress.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(glimpse) = glimpse {
                (options.progress)(&glimpse);
            }
        }
    }
}

/// What the threads of a search and the one that waits for them share.
struct Asked {
    limits: Limits,
    cancel: AtomicBool,
    progress: Mutex<Option<Progress>>,
}

fn gone() -> CheckError {
    let why = LOST.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let why = why.unwrap_or_else(|| "a worker ended".to_owned());
    CheckError::Cluster(format!("the search over several processes broke off: {why}"))
}

/// Threads of the cluster end with a panic when a connection is lost: it is kept, and told once.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if !name.starts_with("timely:") {
                return before(panic);
            }
            let said = panic.payload_as_str().unwrap_or("no reason given");
            let peer = name.strip_prefix("timely:recv-").or_else(|| name.strip_prefix("timely:send-"));
            let why = match peer {
                Some(peer) => format!("process {peer} is gone ({said})"),
                None => format!("a worker failed ({said}): please report this"),
            };
            LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        }));
    });
}

fn on_worker<T>(
    worker: &mut Worker,
    system: &System,
    options: &SearchOptions,
    stop: &[u64],
) -> Result<Found, SearchError>
where
    T: Scalar + ExchangeData + Clone,
{
    let mut rounds = Rounds::<Message<Packed, T, Vec<u8>>>::new(worker);
    let outcome = shard::search(system, options, stop, || Noted::none(system), &mut rounds)?;
    Ok(Found {
        stats: outcome.stats,
        facts: outcome.facts,
        witnesses: outcome.witnesses,
        findings: outcome.notes.findings,
    })
}

type Inbox<M> = Rc<RefCell<BTreeMap<u64, Vec<M>>>>;

/// Messages in rounds.
struct Rounds<'w, M: ExchangeData + Clone> {
    worker: &'w mut Worker,
    input: InputHandle<u64, CapacityContainerBuilder<Vec<(u64, M)>>>,
    probe: ProbeHandle<u64>,
    inbox: Inbox<M>,
    round: u64,
}

impl<'w, M: ExchangeData + Clone> Rounds<'w, M> {
    fn new(worker: &'w mut Worker) -> Self {
        let mut input = InputHandle::new();
        let inbox: Inbox<M> = Rc::default();
        let arriving = Rc::clone(&inbox);
        let probe = worker.dataflow(|scope| {
            scope
                .input_from(&mut input)
                .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
                    Exchange::new(|(to, _): &(u64, M)| *to),
                    "to its worker",
                    move |_, _| {
                        move |messages, _| {
                            messages.for_each(|time, batch: &mut Vec<(u64, M)>| {
                                let mut inbox = arriving.borrow_mut();
                                let round =
                                    inbox.entry(time.least().copied().unwrap_or_default()).or_default();
                                round.extend(batch.drain(..).map(|(_, message)| message));
                            });
                        }
                    },
                )
                .probe()
                .0
        });
        Self { worker, input, probe, inbox, round: 0 }
    }
}

impl<M: ExchangeData + Clone> Wire<M> for Rounds<'_, M> {
    fn index(&self) -> usize {
        self.worker.index()
    }

    fn peers(&self) -> usize {
        self.worker.peers()
    }

    fn send(&mut self, to: usize, message: M) {
        self.input.send((to as u64, message));
    }

    fn work(&mut self) {
        self.worker.step();
    }

    fn round(&mut self) -> Vec<M> {
        let ended = self.round;
        self.round += 1;
        self.input.advance_to(self.round);
        while self.probe.less_than(&self.round) {
            self.worker.step_or_park(Some(LOOK_AFTER));
        }
        self.inbox.borrow_mut().remove(&ended).unwrap_or_default()
    }
}
