//! Nomad: the restart or the reschedule stanza of a task group, from a job as JSON.

use super::page::{self, From, Page};
use super::spans::{self, Length};
use super::tree::At;
use super::{FAULTS, Fault, Import, Kind, PAUSE, Takes, assume, json};
use crate::policy::remedy::keys::LIMIT_MAX;
use crate::source::suggest::{list, short};

pub const KIND: Kind = Kind {
    name: "nomad",
    reads: "a job as JSON, as `nomad job inspect` prints it and the API takes it",
    source: "the restart and reschedule blocks in Nomad's documentation; the window and the jitter of 25 %: \
             client/allocrunner/taskrunner/restarts",
    assumes: &[
        assume("run_time", Takes::Span, "0s", "how long the task runs before it fails again"),
        assume("fault", FAULTS, "persistent", "whether a restart helps"),
        assume("stanza", Takes::Word(&["restart", "reschedule"]), "restart", "which of the two"),
        assume("group", Takes::Name, "", "which task group, where there are several"),
        PAUSE,
    ],
    read,
};

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let document = json::document(import.text())?;
    let top = At::top(&document);
    let job = top.get("Job")?.unwrap_or_else(|| top.clone());
    let Some(groups) = job.get("TaskGroups")? else {
        return Err(Fault::new("no `TaskGroups`: not a job as the API writes it")
            .help("`nomad job inspect NAME` prints one"));
    };
    let groups = groups.list()?;
    let wanted = import.assumed("group").0;
    let mut names = Vec::new();
    let mut found = Vec::new();
    for group in &groups {
        let name = group.get("Name")?.map_or(Ok(""), |name| name.text())?;
        names.push(short(name));
        if wanted.is_empty() || wanted == name {
            found.push((group, name));
        }
    }
    let (group, group_name) = match found.as_slice() {
        [one] => one,
        [] => {
            return Err(Fault::new(format!(
                "no task group `{}`: there is {}",
                short(&wanted),
                list(names.iter().take(10).map(String::as_str))
            )));
        }
        _ => {
            return Err(Fault::new(format!(
                "{} task groups: {}",
                found.len(),
                list(names.iter().take(10).map(String::as_str))
            ))
            .help("choose one with `--assume group=NAME`"));
        }
    };
    let kind = job.get("Type")?.map_or(Ok("service"), |kind| kind.text())?;
    if !["service", "batch", "system", "sysbatch"].contains(&kind) {
        return Err(Fault::new(format!(
            "Type `{}` is none of service, batch, system and sysbatch",
            short(kind)
        )));
    }
    let job_name = match job.get("ID")? {
        Some(id) => id.text()?,
        None => "job",
    };
    page.name = page::name(&format!("{job_name}-{group_name}"));
    page.unused.push("everything but RestartPolicy and ReschedulePolicy".to_owned());
    let batch = matches!(kind, "batch" | "sysbatch");
    let reschedule = reschedule(&job, group, kind)?;
    if import.assumed("stanza").0 == "reschedule" {
        return rescheduling(import, page, group_name, reschedule);
    }
    let mut policy = group.get("RestartPolicy")?;
    for task in group.get("Tasks")?.map_or(Ok(Vec::new()), |tasks| tasks.list())? {
        if let Some(own) = task.get("RestartPolicy")? {
            if policy.as_ref().is_none_or(|policy| policy.path != own.path) {
                let name = task.get("Name")?.map_or(Ok(""), |name| name.text())?;
                page.note(format!("The restart policy is that of the task `{}`.", short(name)));
                policy = Some(own);
            }
            break;
        }
    }
    let said = if batch {
        "batch: 3 in 24h, 15s apart, mode fail"
    } else {
        "service: 2 in 30m, 15s apart, mode fail"
    };
    let (attempts, attempts_from) = count(policy.as_ref(), "Attempts", if batch { 3 } else { 2 }, said)?;
    let (interval, interval_from) =
        length(policy.as_ref(), "Interval", Length::seconds(if batch { 86_400 } else { 1_800 }), said)?;
    let (delay, delay_from) = length(policy.as_ref(), "Delay", Length::seconds(15), said)?;
    let mode = match &policy {
        Some(policy) => policy.get("Mode")?.map_or(Ok("fail"), |mode| mode.text())?,
        None => "fail",
    };
    if !["fail", "delay"].contains(&mode) {
        return Err(Fault::new(format!("Mode `{}` is neither fail nor delay", short(mode))));
    }
    page.begin(
        "guarded-loop",
        format!("Nomad restarts the tasks of {}", short(group_name)),
        "restart",
        "task",
    );
    head(
        import,
        page,
        (delay, delay_from),
        Length::ms(delay.up() / 4 + i64::from(delay.up() % 4 != 0)),
        "jitter of 25 %",
    );
    limit(page, "restarts", (attempts, attempts_from), (interval, interval_from));
    let (choice, wait, said) = match (mode, reschedule.is_off()) {
        ("delay", _) => ("retry", interval, "Mode delay: it goes on when the interval is over"),
        (_, false) => {
            page.note(
                "After the last restart the allocation is rescheduled and counts anew: here it goes on when the interval \
                 is over. The stanza itself: `--assume stanza=reschedule`.",
            );
            ("retry", interval, "Mode fail, and the allocation is rescheduled")
        }
        _ => ("leave", interval, "Mode fail, no reschedule: nobody is told"),
    };
    page.refused(choice, wait.down(), From::File(said.to_owned()));
    page.no_faults(import.span("pause"));
    Ok(())
}

/// Trigger, target and action of both stanzas.
fn head(import: &Import<'_>, page: &mut Page, delay: (Length, From), jitter: Length, why: &str) {
    page.table("trigger");
    page.word("kind", "loop", From::Kind);
    page.shorter("every", delay.0, delay.1);
    page.longer("delay", jitter, From::File(why.to_owned()));
    let (run_time, from) = import.span("run_time");
    page.table("target");
    page.word("kind", "instance", From::Kind);
    page.put("act", page::range(run_time, run_time), from);
    page.word("lag", "0s", From::File("the client sees at once that its task is gone".to_owned()));
    page.put("unknown", "false".to_owned(), From::granted("a look always tells something"));
    page.word("errors", "never", From::granted("what goes wrong is seen as a fault, not heard as an error"));
    let (fault, from) = import.assumed("fault");
    page.word("fault", &fault, from);
    page.table("action");
    page.word("kind", "restart", From::Kind);
}

fn limit(page: &mut Page, name: &str, attempts: (u64, From), interval: (Length, From)) {
    page.table(&format!("guards.{name}"));
    page.word("kind", "tumbling", From::Kind);
    let most = u64::from(LIMIT_MAX);
    let span = if attempts.0 > most {
        page.note(format!(
            "{} attempts are more than the checker counts: the guard has {most}, and {most}/{} of the interval, rounded \
             down. Equally spaced restarts reach it exactly if they reach the real one.",
            attempts.0, attempts.0
        ));
        interval.0.portion(most, attempts.0)
    } else {
        interval.0
    };
    page.put("limit", attempts.0.min(most).to_string(), attempts.1);
    page.shorter("span", span, interval.1);
    page.word(
        "edge",
        "exceeded",
        From::File("the window is over when more than the interval has passed".to_owned()),
    );
    page.word("memory", "durable", From::File("a restart of the client keeps the count".to_owned()));
}

struct Reschedule {
    attempts: u64,
    interval: Length,
    delay: Length,
    function: String,
    unlimited: bool,
    from: From,
}

impl Reschedule {
    fn is_off(&self) -> bool {
        !self.unlimited && (self.attempts == 0 || self.interval.is_zero())
    }
}

fn reschedule(job: &At<'_>, group: &At<'_>, kind: &str) -> Result<Reschedule, Fault> {
    let policy = match group.get("ReschedulePolicy")? {
        Some(policy) => Some(policy),
        None => job.get("Reschedule")?,
    };
    let system = matches!(kind, "system" | "sysbatch");
    let batch = kind == "batch";
    let flag = |key: &str, default: bool| match &policy {
        Some(policy) => policy.get(key)?.map_or(Ok(default), |at| at.flag()),
        None => Ok(default),
    };
    let default_attempts = u64::from(batch);
    let from = match policy {
        Some(_) => From::File("ReschedulePolicy".to_owned()),
        None if system => From::Default("system jobs are not rescheduled".to_owned()),
        None if batch => From::Default("batch: 1 in 24h, after 5s".to_owned()),
        None => From::Default("service: without limit, after 30s, growing to 1h".to_owned()),
    };
    let seconds = |s| Length::seconds(s);
    Ok(Reschedule {
        attempts: count(policy.as_ref(), "Attempts", default_attempts, "")?.0,
        interval: length(policy.as_ref(), "Interval", seconds(if batch { 86_400 } else { 0 }), "")?.0,
        delay: length(policy.as_ref(), "Delay", seconds(if batch { 5 } else { 30 }), "")?.0,
        function: match &policy {
            Some(policy) => policy.get("DelayFunction")?.map_or(Ok("constant"), |at| at.text())?.to_owned(),
            None if batch => "constant".to_owned(),
            None => "exponential".to_owned(),
        },
        unlimited: flag("Unlimited", policy.is_none() && kind == "service")?,
        from,
    })
}

fn rescheduling(import: &Import<'_>, page: &mut Page, group: &str, policy: Reschedule) -> Result<(), Fault> {
    if policy.is_off() {
        return Err(Fault::new("nothing is rescheduled, so there is nothing to check"));
    }
    page.begin(
        "guarded-loop",
        format!("Nomad reschedules allocations of {}", short(group)),
        "restart",
        "allocation",
    );
    if policy.function != "constant" {
        page.note(format!(
            "The delay grows ({}); the policy has the first one throughout, the shortest: more is allowed than in reality.",
            short(&policy.function)
        ));
    }
    head(import, page, (policy.delay, policy.from.clone()), Length::ms(0), "the scheduler places at once");
    if policy.unlimited {
        page.table("guards.one-at-a-time");
        page.word("kind", "in-flight", From::File("without limit".to_owned()));
        page.put("limit", "1".to_owned(), From::Kind);
    } else {
        limit(page, "reschedules", (policy.attempts, policy.from.clone()), (policy.interval, policy.from));
    }
    page.refused("leave", policy.interval.down(), From::File("nobody is told".to_owned()));
    page.no_faults(import.span("pause"));
    Ok(())
}

fn count(policy: Option<&At<'_>>, key: &str, default: u64, said: &str) -> Result<(u64, From), Fault> {
    match policy.map(|policy| policy.get(key)).transpose()?.flatten() {
        Some(at) => at.count().map(|count| (count, From::File(format!("{key}: {count}")))),
        None => Ok((default, From::Default(said.to_owned()))),
    }
}

/// Nanoseconds, or a text such as `30m`.
fn length(policy: Option<&At<'_>>, key: &str, default: Length, said: &str) -> Result<(Length, From), Fault> {
    let Some(at) = policy.map(|policy| policy.get(key)).transpose()?.flatten() else {
        return Ok((default, From::Default(said.to_owned())));
    };
    let length = match &at.node.value {
        super::tree::Value::Text(text) => spans::go(text)
            .ok_or_else(|| at.fault(format!("`{}` is not a duration such as 30m", short(text))))?,
        _ => Length::nanoseconds(at.count()?),
    };
    Ok((length, From::File(format!("{key}: {}", short(at.text()?)))))
}
