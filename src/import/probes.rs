//! Kubernetes' liveness probe: the kubelet restarts a container that does not answer.

use super::page::{self, From, Page};
use super::spans::Length;
use super::tree::At;
use super::{FAULTS, Fault, Import, Kind, PAUSE, Takes, assume, fleet, kube, yaml};
use crate::policy::remedy::keys::SIZE_MAX;
use crate::source::suggest::{list, short};

pub const KIND: Kind = Kind {
    name: "probes",
    reads: "a Deployment, StatefulSet, DaemonSet or Pod with a liveness probe",
    source: "Probe in core/v1 types.go and defaults.go of Kubernetes: a period of 10 s, 3 failures, a timeout of 1 s",
    assumes: &[
        assume("startup", Takes::Span, "30s", "until a container that was restarted answers its probe"),
        assume("fault", FAULTS, "curable", "whether a restart helps"),
        assume("container", Takes::Name, "", "which container, where several have a liveness probe"),
        fleet::NAME,
        PAUSE,
    ],
    read,
};

const KINDS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod"];

struct Probe {
    delay: u64,
    period: u64,
    failures: u64,
}

impl Probe {
    fn read(at: &At<'_>) -> Result<Probe, Fault> {
        let number = |key: &str, default: u64, least: u64| match at.get(key)? {
            None => Ok(default),
            Some(at) => match at.count()? {
                // A 0 is taken as absent, as the API does.
                0 if least > 0 => Ok(default),
                count if count <= 1_000_000 => Ok(count),
                _ => Err(at.fault("too large")),
            },
        };
        Ok(Probe {
            delay: number("initialDelaySeconds", 0, 0)?,
            period: number("periodSeconds", 10, 1)?,
            failures: number("failureThreshold", 3, 1)?,
        })
    }

    /// The first moment after a start at which so many checks can have failed.
    fn grace(&self) -> Length {
        Length::seconds(self.delay + self.period * (self.failures - 1))
    }
}

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let documents = yaml::documents(import.text())?;
    let object = kube::object(import, &documents, KINDS)?;
    let name = kube::name(&object)?;
    let spec = match object.find("spec.template.spec")? {
        Some(spec) => spec,
        None => object.get("spec")?.ok_or_else(|| object.fault("no `spec`"))?,
    };
    let wanted = import.assumed("container").0;
    let mut found = Vec::new();
    let mut names = Vec::new();
    for container in spec.get("containers")?.map_or(Ok(Vec::new()), |containers| containers.list())? {
        let container_name = container.get("name")?.map_or(Ok(""), |name| name.text())?;
        names.push(short(container_name));
        let Some(probe) = container.get("livenessProbe")? else { continue };
        if wanted.is_empty() || wanted == container_name {
            found.push((container, probe));
        }
    }
    let (container, liveness) = match found.as_slice() {
        [one] => one,
        [] => {
            let there = if names.is_empty() {
                "there are no containers".to_owned()
            } else {
                format!("not in {}", list(names.iter().take(10).map(String::as_str)))
            };
            return Err(Fault::new(format!(
                "no liveness probe: {there}; a readiness probe restarts nothing"
            )));
        }
        _ => {
            return Err(Fault::new(format!(
                "{} containers have a liveness probe: {}",
                found.len(),
                list(names.iter().take(10).map(String::as_str))
            ))
            .help("choose one with `--assume container=NAME`"));
        }
    };
    let live = Probe::read(liveness)?;
    let (grace, from) = match container.get("startupProbe")? {
        Some(at) => {
            let startup = Probe::read(&at)?;
            page.note(
                "A startup probe holds back the liveness probe; it kills for itself when it fails too often.",
            );
            (
                startup.grace(),
                format!(
                    "startupProbe: {} + {} * ({} - 1) s",
                    startup.delay, startup.period, startup.failures
                ),
            )
        }
        None => (
            live.grace(),
            format!("livenessProbe: {} + {} * ({} - 1) s", live.delay, live.period, live.failures),
        ),
    };
    page.name = page::name(name);
    page.begin(
        "guarded-loop",
        format!("the kubelet restarts containers of {}", short(name)),
        "restart",
        "container",
    );
    page.table("trigger");
    page.word("kind", "loop", From::File("from the start of a container to the first kill".to_owned()));
    page.shorter("every", grace, From::File(from));
    page.put(
        "delay",
        page::span(Length::seconds(live.period * live.failures).up()),
        From::File(format!("{} failures, {} s apart", live.failures, live.period)),
    );
    page.table("target");
    let replicas = match object.find("spec.replicas")? {
        Some(at) => at.count()?,
        None => 1,
    };
    page.note(format!(
        "One of {replicas} replicas is checked: probes know nothing of one another, and nothing limits how many are restarted \
         at once (at most {SIZE_MAX} members can be checked)."
    ));
    page.word("kind", "instance", From::Kind);
    page.put("act", page::range(0, 0), From::File("the restart itself; what follows is `settle`".to_owned()));
    let (startup, from) = import.span("startup");
    page.put("settle", page::span(startup), from);
    page.word("lag", "0s", From::File("a probe asks now".to_owned()));
    page.put("unknown", "false".to_owned(), From::granted("a look always tells something"));
    page.word("errors", "never", From::granted("what goes wrong is seen as a fault, not heard as an error"));
    let (fault, from) = import.assumed("fault");
    page.word("fault", &fault, from);
    page.table("action");
    page.word("kind", "restart", From::Kind);
    page.table("guards.crash-loop");
    page.word("kind", "cooldown", From::File("CrashLoopBackOff".to_owned()));
    page.put("span", page::span(10_000), From::Default("10 s, then twice as long up to 5 min".to_owned()));
    page.note("CrashLoopBackOff grows from 10 s to 5 min and is reset after 10 min; the policy has 10 s throughout: more is allowed than in reality.");
    page.refused("retry", 10_000, From::File("the kubelet never gives up".to_owned()));
    page.no_faults(import.span("pause"));
    for path in object.unused().into_iter().filter(|path| path.contains("Probe.")) {
        let last = path.rsplit('.').next().unwrap_or_default();
        let known = [
            "httpGet",
            "tcpSocket",
            "exec",
            "grpc",
            "timeoutSeconds",
            "successThreshold",
            "terminationGracePeriodSeconds",
        ];
        if known.contains(&last) { page.unused.push(path) } else { page.unknown.push(path) }
    }
    page.unused.push("everything but livenessProbe and startupProbe".to_owned());
    Ok(())
}
