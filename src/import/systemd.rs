//! A systemd service: `Restart=`, `RestartSec=` and the start limit, from a unit file and its drop-ins.

use std::collections::BTreeSet;

use super::page::{self, From, Page};
use super::spans::{self, Length};
use super::{FAULTS, Fault, Import, Kind, PAUSE, Takes, assume};
use crate::policy::remedy::keys::LIMIT_MAX;
use crate::source::suggest::{closest, short};

pub const KIND: Kind = Kind {
    name: "systemd",
    reads: "a .service unit file, with the drop-ins in FILE.d/*.conf",
    source: "systemd.service(5), systemd.unit(5) and systemd-system.conf(5); which section honours which name, and \
             when the window is over: load-fragment-gperf.gperf.in and ratelimit.c of systemd",
    assumes: &[
        assume("run_time", Takes::Span, "0s", "how long the service runs before it fails again"),
        assume("fault", FAULTS, "persistent", "whether a restart helps"),
        PAUSE,
    ],
    read,
};

/// The names that decide about restarts.
const USED: &[&str] = &[
    "StartLimitIntervalSec",
    "StartLimitInterval",
    "StartLimitBurst",
    "StartLimitAction",
    "OnFailure",
    "Restart",
    "RestartSec",
    "RestartSteps",
    "RestartMaxDelaySec",
    "RestartRandomizedDelaySec",
    "Type",
];

/// Other names of [Unit] and [Service] that units commonly have; those of [Install] are all known.
const KNOWN: &[&str] = &[
    "Description",
    "Documentation",
    "After",
    "Before",
    "Wants",
    "Requires",
    "Requisite",
    "BindsTo",
    "PartOf",
    "Conflicts",
    "OnSuccess",
    "OnFailureJobMode",
    "DefaultDependencies",
    "RequiresMountsFor",
    "RefuseManualStart",
    "RefuseManualStop",
    "JobTimeoutSec",
    "JobRunningTimeoutSec",
    "StopWhenUnneeded",
    "FailureAction",
    "SuccessAction",
    "RebootArgument",
    "ExecStart",
    "ExecStartPre",
    "ExecStartPost",
    "ExecCondition",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
    "TimeoutSec",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "TimeoutAbortSec",
    "RuntimeMaxSec",
    "WatchdogSec",
    "RemainAfterExit",
    "PIDFile",
    "BusName",
    "GuessMainPID",
    "SuccessExitStatus",
    "RestartPreventExitStatus",
    "RestartForceExitStatus",
    "RestartMode",
    "NotifyAccess",
    "KillMode",
    "KillSignal",
    "SendSIGKILL",
    "User",
    "Group",
    "DynamicUser",
    "SupplementaryGroups",
    "WorkingDirectory",
    "RootDirectory",
    "Environment",
    "EnvironmentFile",
    "PassEnvironment",
    "UMask",
    "Nice",
    "OOMPolicy",
    "OOMScoreAdjust",
    "LimitNOFILE",
    "LimitNPROC",
    "LimitCORE",
    "LimitMEMLOCK",
    "TasksMax",
    "MemoryMax",
    "MemoryHigh",
    "CPUQuota",
    "CPUWeight",
    "IOWeight",
    "Slice",
    "Delegate",
    "StandardInput",
    "StandardOutput",
    "StandardError",
    "SyslogIdentifier",
    "RuntimeDirectory",
    "StateDirectory",
    "CacheDirectory",
    "LogsDirectory",
    "ConfigurationDirectory",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "PrivateDevices",
    "PrivateNetwork",
    "NoNewPrivileges",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "RestrictAddressFamilies",
    "SystemCallFilter",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectControlGroups",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
];

/// An assignment.
struct Setting<'a> {
    section: &'a str,
    key: &'a str,
    value: String,
    part: usize,
    line: usize,
}

impl Setting<'_> {
    fn fault(&self, message: impl std::fmt::Display) -> Fault {
        let shown = format!("{}={}: {message}", short(self.key), short(&self.value));
        Fault::at(Some((self.line, 1)), shown).in_part(self.part)
    }

    fn shown(&self) -> String {
        format!("{}={}", short(self.key), short(&self.value))
    }
}

/// The assignments of one file.
fn settings<'a>(text: &'a str, part: usize, out: &mut Vec<Setting<'a>>) -> Result<(), Fault> {
    let mut section: Option<&str> = None;
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        let fault = |message: &str| Fault::at(Some((number, 1)), message).in_part(part);
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']').ok_or_else(|| fault("a section header without its `]`"))?;
            section = Some(name);
            continue;
        }
        let Some((key, first)) = line.split_once('=') else {
            return Err(fault("neither a section, an assignment nor a comment"));
        };
        let section = section.ok_or_else(|| fault("an assignment before the first section"))?;
        let mut value = first.trim().to_owned();
        while value.ends_with('\\') {
            value.pop();
            // Comments inside a continued value are skipped, and the value goes on after them.
            let next = lines.by_ref().map(|(_, line)| line.trim()).find(|line| !line.starts_with(['#', ';']));
            let Some(next) = next else { break };
            value.push(' ');
            value.push_str(next);
        }
        out.push(Setting { section, key: key.trim(), value: value.trim().to_owned(), part, line: number });
    }
    Ok(())
}

struct Unit<'a> {
    settings: Vec<Setting<'a>>,
}

impl<'a> Unit<'a> {
    /// The assignment that counts: the last one that is not empty. An empty one is no value of a time, a number
    /// or a word; systemd says so in its log and keeps what it had.
    fn last(&self, names: &[(&str, &str)]) -> Option<&Setting<'a>> {
        let meant = |setting: &&Setting<'_>| names.contains(&(setting.section, setting.key));
        self.settings.iter().filter(meant).rfind(|setting| !setting.value.is_empty())
    }

    /// A list: an empty assignment takes back what came before.
    fn list(&self, section: &str, key: &str) -> Vec<&str> {
        let mut all = Vec::new();
        for setting in self.settings.iter().filter(|s| s.section == section && s.key == key) {
            if setting.value.is_empty() {
                all.clear();
            }
            all.extend(setting.value.split_whitespace());
        }
        all
    }

    fn length(&self, names: &[(&str, &str)], default: Length, said: &str) -> Result<(Length, From), Fault> {
        match self.last(names) {
            None => Ok((default, From::Default(said.to_owned()))),
            Some(setting) => match spans::systemd(&setting.value) {
                Some(length) => Ok((length, From::File(setting.shown()))),
                None => Err(setting
                    .fault("not a time span")
                    .help("such as `5s`, `1min 30s`, `infinity`; a bare number is seconds. systemd ignores the line")),
            },
        }
    }

    fn number(&self, names: &[(&str, &str)], default: u64, said: &str) -> Result<(u64, From), Fault> {
        match self.last(names) {
            None => Ok((default, From::Default(said.to_owned()))),
            Some(setting) => match setting.value.parse::<u32>() {
                Ok(number) => Ok((number.into(), From::File(setting.shown()))),
                Err(_) => Err(setting.fault("not a whole number; systemd ignores the line")),
            },
        }
    }
}

fn read(import: &Import<'_>, page: &mut Page) -> Result<(), Fault> {
    let mut unit = Unit { settings: Vec::new() };
    for (index, (_, text)) in import.parts.iter().enumerate() {
        settings(text, index, &mut unit.settings)?;
    }
    if import.parts.len() > 1 {
        let names: Vec<String> = import.parts[1..]
            .iter()
            .filter_map(|(path, _)| Some(short(&path.file_name()?.to_string_lossy())))
            .collect();
        page.note(format!("Read with its drop-ins {}.", names.join(", ")));
    }
    page.note(
        "Only drop-ins beside the file are read: those of other folders (/etc, /run) may say something else.",
    );
    let restart = restarts(&unit)?;
    if !matches!(restart.as_str(), "Restart=always" | "Restart=on-failure") {
        page.note(format!(
            "With {restart} not every end is followed by a start: the policy is about those that are."
        ));
    }
    page.name = page::name(import.file_name().trim_end_matches(".service"));
    page.begin("guarded-loop", format!("systemd restarts {}", import.file_name()), "restart", "unit");

    let (every, from, jitter) = delay(&unit, page)?;
    page.table("trigger");
    page.word("kind", "loop", From::File(restart));
    page.longer("every", every, from);
    match jitter {
        Some((length, from)) => page.longer("delay", length, from),
        None => page.word("delay", "0s", From::Default("no RestartRandomizedDelaySec=".to_owned())),
    }

    let (run_time, from) = import.span("run_time");
    page.table("target");
    page.word("kind", "instance", From::Kind);
    page.put("act", page::range(run_time, run_time), from);
    page.word("lag", "0s", From::File("systemd sees at once that its process is gone".to_owned()));
    page.put("unknown", "false".to_owned(), From::granted("a look always tells something"));
    page.word("errors", "never", From::File("a start that fails is a service that fails at once".to_owned()));
    let (fault, from) = import.assumed("fault");
    page.word("fault", &fault, from);
    page.table("action");
    page.word("kind", "restart", From::Kind);
    limit(&unit, page)?;
    page.no_faults(import.span("pause"));
    sort_out(&unit, page);
    Ok(())
}

/// `Restart=`, where it restarts what failed.
fn restarts(unit: &Unit<'_>) -> Result<String, Fault> {
    if !unit.settings.iter().any(|setting| setting.section == "Service") {
        let sections: Vec<&str> = unit.settings.iter().map(|setting| setting.section).collect();
        let found = match sections.first() {
            None => "the file is empty: a unit that is masked".to_owned(),
            Some(first) => format!("no [Service], but [{}]", short(first)),
        };
        return Err(Fault::new(format!("not a service: {found}")));
    }
    let Some(restart) = unit.last(&[("Service", "Restart")]) else {
        return Err(Fault::new(
            "no `Restart=`: systemd restarts nothing by default, so there is nothing to check",
        ));
    };
    let kind = unit.last(&[("Service", "Type")]).map(|setting| setting.value.as_str());
    match restart.value.as_str() {
        "no" => Err(restart.fault("systemd restarts nothing, so there is nothing to check")),
        "always" | "on-success" if kind == Some("oneshot") => {
            Err(restart
                .fault("systemd refuses such a unit: Type=oneshot takes no Restart=always or on-success"))
        }
        "always" | "on-success" | "on-failure" | "on-abnormal" | "on-abort" | "on-watchdog" => {
            Ok(restart.shown())
        }
        _ => Err(restart
            .fault("no value of `Restart=`; systemd ignores the line")
            .help("no, always, on-success, on-failure, on-abnormal, on-abort or on-watchdog")),
    }
}

/// From a failure to the start after it, and how much later it may come.
#[expect(clippy::type_complexity, reason = "two lengths, each with its origin")]
fn delay(unit: &Unit<'_>, page: &mut Page) -> Result<(Length, From, Option<(Length, From)>), Fault> {
    let service = |key| [("Service", key)];
    let (first, from) = unit.length(&service("RestartSec"), Length::ms(100), "RestartSec=100ms")?;
    if first.is_endless() {
        let setting = unit.last(&service("RestartSec")).expect("it was read");
        return Err(setting.fault("the restart never comes, so there is nothing to check"));
    }
    let steps = unit.number(&service("RestartSteps"), 0, "")?.0;
    let (most, _) = unit.length(&service("RestartMaxDelaySec"), Length::ENDLESS, "")?;
    let jitter = match unit.last(&service("RestartRandomizedDelaySec")) {
        None => None,
        Some(setting) => {
            let (length, from) = unit.length(&service("RestartRandomizedDelaySec"), Length::ms(0), "")?;
            if length.is_endless() {
                page.note(format!("{}: systemd takes it as 0.", setting.shown()));
            }
            (!length.is_endless()).then_some((length, from))
        }
    };
    let grows = steps > 0 && !most.is_endless() && !first.is_zero() && first < most;
    if !grows {
        if steps > 0 || !most.is_endless() {
            page.note(
                "RestartSteps= and RestartMaxDelaySec= have no effect: systemd wants both, and a RestartSec= \
                 between 0 and the longest delay.",
            );
        }
        return Ok((first, from, jitter));
    }
    // The start limit is reached by the first starts or, delays only growing, never: what counts is their mean.
    let burst = unit
        .number(&[("Unit", "StartLimitBurst"), ("Service", "StartLimitBurst")], 5, "")?
        .0
        .clamp(1, 10_000);
    let (from_ms, to_ms) = (first.up() as f64, most.up() as f64);
    let one = |restart: u64| match restart {
        1 => from_ms,
        _ if restart > steps => to_ms,
        _ => from_ms * (to_ms / from_ms).powf((restart - 1) as f64 / steps as f64),
    };
    let sum: f64 = (1..=burst).map(one).sum();
    let mean = (sum / burst as f64).ceil() as i64;
    let shown = |key| unit.last(&[("Service", key)]).map(Setting::shown).unwrap_or_default();
    let steps = shown("RestartSteps");
    page.note(format!(
        "The delay grows ({steps}, {}), which no policy says: `every` is the mean of the first {burst}, rounded up. \
         The start limit is reached with it exactly if it is reached with the growing ones.",
        shown("RestartMaxDelaySec"),
    ));
    Ok((Length::ms(mean), From::File(format!("the mean of the first {burst} delays")), jitter))
}

/// The start limit as a guard, and what follows when it is reached.
fn limit(unit: &Unit<'_>, page: &mut Page) -> Result<(), Fault> {
    // The names moved to [Unit] long ago; the old ones are still honoured where they were, the new one is not.
    let intervals = [
        ("Unit", "StartLimitIntervalSec"),
        ("Unit", "StartLimitInterval"),
        ("Service", "StartLimitInterval"),
    ];
    let bursts = [("Unit", "StartLimitBurst"), ("Service", "StartLimitBurst")];
    let said =
        "StartLimitIntervalSec=10s, unless DefaultStartLimitIntervalSec= of system.conf says otherwise";
    let (interval, interval_from) = unit.length(&intervals, Length::seconds(10), said)?;
    let said = "StartLimitBurst=5, unless DefaultStartLimitBurst= of system.conf says otherwise";
    let (burst, burst_from) = unit.number(&bursts, 5, said)?;
    if let Some(setting) = unit.last(&[("Service", "StartLimitIntervalSec")]) {
        page.note(format!(
            "WATCH OUT: systemd ignores `{}`: in [Service] there is no such name, it belongs in [Unit]. What counts is {}.",
            setting.shown(),
            match &interval_from {
                From::File(shown) => format!("`{shown}`"),
                _ => "the default of 10s".to_owned(),
            }
        ));
    }
    if interval.is_zero() || burst == 0 {
        page.table("guards.one-start");
        page.word(
            "kind",
            "in-flight",
            From::File("the start limit is off: systemd starts a unit once at a time".to_owned()),
        );
        page.put("limit", "1".to_owned(), if interval.is_zero() { interval_from } else { burst_from });
    } else {
        let most = u64::from(LIMIT_MAX);
        page.table("guards.start-limit");
        page.word("kind", "tumbling", From::Kind);
        let span = if burst > most {
            page.note(format!(
                "{burst} starts are more than the checker counts: the guard has {most}, and {most}/{burst} of the \
                 interval, rounded down. Equally spaced starts reach it exactly if they reach the real one."
            ));
            interval.portion(most, burst)
        } else {
            interval
        };
        if interval.is_endless() {
            page.note("An interval without end is written as the longest that a policy takes.");
        }
        page.put("limit", burst.min(most).to_string(), burst_from);
        page.shorter("span", span, interval_from);
        page.word(
            "edge",
            "exceeded",
            From::File("the window is over when more than the interval has passed".to_owned()),
        );
        page.word(
            "memory",
            "durable",
            From::File("systemd itself counts; daemon-reload keeps the count".to_owned()),
        );
    }
    let action = unit.last(&[("Unit", "StartLimitAction"), ("Service", "StartLimitAction")]);
    let failed = unit.list("Unit", "OnFailure");
    let stops = ["poweroff", "poweroff-force", "poweroff-immediate", "halt", "halt-force", "halt-immediate"];
    let (choice, from) = match action.filter(|action| action.value != "none") {
        Some(action) if stops.contains(&action.value.as_str()) => ("leave", From::File(action.shown())),
        Some(action) => ("retry", From::File(format!("{}: it begins anew after that", action.shown()))),
        None if failed.is_empty() => {
            let said = "no OnFailure=: the unit stays failed, and nobody is told";
            ("leave", From::Default(said.to_owned()))
        }
        None => {
            let units = short(&failed.join(" "));
            ("page", From::File(format!("OnFailure={units}, taken to call a person")))
        }
    };
    page.refused(choice, interval.down(), from);
    Ok(())
}

/// What the unit says beside that.
fn sort_out(unit: &Unit<'_>, page: &mut Page) {
    let mut seen = BTreeSet::new();
    for setting in unit.settings.iter().filter(|setting| seen.insert((setting.section, setting.key))) {
        let shown = format!("[{}] {}", short(setting.section), short(setting.key));
        let section = ["Unit", "Service", "Install"].contains(&setting.section);
        let vendor = setting.key.starts_with("X-") || setting.section.starts_with("X-");
        if section && USED.contains(&setting.key) {
            let heeded = match setting.key {
                "OnFailure" => setting.section == "Unit",
                // Those of the start limit have been looked at, each in its section.
                key if key.starts_with("StartLimit") => true,
                _ => setting.section == "Service",
            };
            if !heeded {
                page.note(format!("WATCH OUT: systemd ignores {shown}: it belongs in another section."));
            }
        } else if vendor || setting.section == "Install" || section && KNOWN.contains(&setting.key) {
            page.unused.push(shown);
        } else {
            // A slip is worth a word; a thousand of them are no slip.
            let near = closest(setting.key, USED.iter().copied()).filter(|_| page.unknown.len() < 100);
            page.unknown.push(near.map_or(shown.clone(), |near| format!("{shown} (did you mean {near}?)")));
        }
    }
}
