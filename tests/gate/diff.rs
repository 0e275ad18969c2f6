//! `idemcheck diff` on real repositories.

use serde_json::Value;

use super::support::*;

fn diff(folder: &Folder, more: &[&str]) -> Said {
    folder.run(&[&["diff", "--base", "HEAD", "--format", "json"], more].concat())
}

fn only(report: &Value) -> &Value {
    assert_eq!(report["policies"].as_array().unwrap().len(), 1, "{report:#}");
    &report["policies"][0]
}

fn property<'a>(policy: &'a Value, name: &str) -> &'a Value {
    let all = policy["properties"].as_array().unwrap();
    all.iter().find(|property| property["property"] == name).unwrap_or(&Value::Null)
}

fn rows(behaviour: &Value) -> Vec<String> {
    assert_eq!(behaviour["found"], "new", "{behaviour:#}");
    let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    let steps = behaviour["steps"].as_array().unwrap();
    steps.iter().map(|s| format!("{} {} {}", text(s, "who"), text(s, "does"), text(s, "sees"))).collect()
}

#[test]
fn comments_and_formatting_are_no_change() {
    let folder = Folder::with(LEASE_12S).repository();
    let other = LEASE_12S.replace(
        "[store]\nkind  = \"postgres\"\nlease = \"12s\"",
        "# why\nstore = { kind = 'postgres', lease = '12s' }",
    );
    // A table that is written inline has to stand before the headers.
    let (head, rest) = other.split_once("[operation]").unwrap();
    let (first, last) = rest.split_once("# why\n").unwrap();
    let (store, last) = last.split_once('\n').unwrap();
    folder.write("policies/charge.toml", &format!("{head}{store}\n# moved\n[operation]{first}{last}"));
    let said = folder.run(&["diff", "--base", "HEAD"]).exits(0);
    assert!(said.stdout.contains("no change in 1 policy"), "{}", said.stdout);
    folder.write("policies/charge.toml", &format!("# a comment\n{}", LEASE_12S.replace(" = ", "   =   ")));
    let said = folder.run(&["diff", "--base", "HEAD"]).exits(0);
    assert!(said.stdout.contains("no change in 1 policy"), "{}", said.stdout);
}

#[test]
fn a_shorter_lease_violates_and_shows_what_it_makes_possible() {
    let folder = Folder::with(&sound()).repository();
    folder.write("policies/charge.toml", LEASE_12S);
    let report = diff(&folder, &[]).exits(1).json();
    let policy = only(&report);
    assert_eq!(policy["kind"], "changed");
    assert_eq!(policy["declared"][0]["key"], "store.lease");
    assert_eq!(policy["declared"][0]["before"], "\"36s\"");
    let property = property(policy, "single-execution");
    assert_eq!(property["before"]["verdict"], "holds");
    assert_eq!(property["after"]["verdict"], "violated");
    assert_eq!(property["newly_violated"], true);
    assert!(property["counterexample"]["steps"].as_array().unwrap().len() > 3);
    // Somebody takes over while the first call is under way.
    let rows = rows(&policy["possible_now"]);
    assert!(rows.last().unwrap().contains("expired (by attempt 1.1)"), "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains("sends downstream.call")), "{rows:#?}");
    assert!(!rows.iter().any(|row| row.contains("fault")), "{rows:#?}");
    let validator =
        jsonschema::validator_for(&serde_json::to_value(idemcheck::diff::schema()).unwrap()).unwrap();
    assert!(
        validator.is_valid(&report),
        "{:?}",
        validator.iter_errors(&report).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    // People and reviews see the same.
    let human = folder.run(&["diff", "--base", "HEAD"]).exits(1).stdout;
    assert!(human.contains("single-execution") && human.contains("holds → violated"), "{human}");
    assert!(human.contains("store.lease: \"36s\" → \"12s\""), "{human}");
    assert!(human.contains("possible now, and was not before"), "{human}");
    let comment = folder.run(&["diff", "--base", "HEAD", "--format", "markdown"]).exits(1).stdout;
    assert!(comment.starts_with("<!-- idemcheck diff -->"), "{comment}");
    assert!(comment.contains("```mermaid") && comment.contains("✗ **single-execution**"), "{comment}");
}

#[test]
fn a_longer_lease_mends_and_shows_what_it_makes_impossible() {
    let folder = Folder::with(LEASE_12S).repository();
    folder.write("policies/charge.toml", &sound());
    let report = diff(&folder, &[]).exits(0).json();
    let policy = only(&report);
    let property = property(policy, "single-execution");
    assert_eq!(
        (&property["before"]["verdict"], &property["after"]["verdict"]),
        (&"violated".into(), &"holds".into())
    );
    assert_eq!(property["newly_violated"], false);
    assert!(rows(&policy["possible_before"]).last().unwrap().contains("expired"));
}

#[test]
fn what_changes_no_behaviour_is_not_searched_for_any() {
    let folder = Folder::with(&sound()).repository();
    folder.write("policies/charge.toml", &sound().replace("A lease of", "Another lease of"));
    let report = diff(&folder, &[]).exits(0).json();
    let policy = only(&report);
    assert_eq!(policy["kind"], "same-behaviour");
    assert_eq!(policy["declared"][0]["key"], "summary");
    assert_eq!(policy["possible_now"], Value::Null);
    assert_eq!(policy["properties"].as_array().unwrap().len(), 0);
    // What a file says stays text.
    folder.write("policies/charge.toml", &sound().replace("A lease of", "<img> | @all #1 of"));
    let comment = folder.run(&["diff", "--base", "HEAD", "--format", "markdown"]).exits(0).stdout;
    assert!(comment.contains("&lt;img&gt; \\|") && !comment.contains("<img"), "{comment}");
    assert!(
        !comment.contains("@all") && comment.contains("says something else, behaves the same"),
        "{comment}"
    );
}

#[test]
fn policies_come_and_go() {
    let folder = Folder::with(&sound()).repository();
    folder.write("policies/new.toml", &LEASE_12S.replace("\"charge\"", "\"new\""));
    folder.git(&["rm", "--quiet", "policies/charge.toml"]);
    let report = diff(&folder, &[]).exits(1).json();
    let kinds: Vec<_> =
        report["policies"].as_array().unwrap().iter().map(|p| (&p["policy"], &p["kind"])).collect();
    assert_eq!(kinds, [(&"charge".into(), &"removed".into()), (&"new".into(), &"added".into())]);
    assert_eq!(report["summary"]["newly-violated"], 3, "{report:#}");
    // What the author declares as a test case is none.
    let expected = "[expect]\nsingle-execution = \"violated\"\nclaim-exclusive = \"violated\"\nno-stale-overwrite = \"violated\"\n";
    folder.write("policies/new.toml", &format!("{}{expected}", LEASE_12S.replace("\"charge\"", "\"new\"")));
    diff(&folder, &[]).exits(0);
}

#[test]
fn a_policy_that_moves_is_the_same() {
    let folder = Folder::with(&sound()).repository();
    folder.git(&["mv", "policies/charge.toml", "policies/renamed.toml"]);
    let said = folder.run(&["diff", "--base", "HEAD"]).exits(0);
    assert!(said.stdout.contains("no change in 1 policy"), "{}", said.stdout);
}

#[test]
fn a_change_of_a_model_is_one_of_its_policies() {
    let model = std::fs::read_to_string(shipped("models/receipt.toml")).unwrap();
    let model = model.replacen("model   = \"receipt\"", "model   = \"ours\"", 1).replacen(
        "model = \"receipt\"",
        "model = \"ours\"",
        1,
    );
    assert!(model.contains("\"ours\""));
    let folder = Folder::with(&sound().replace("model   = \"receipt\"", "model   = \"ours\""));
    folder.write("policies/models/ours.toml", &model);
    let folder = folder.repository();
    // The name of a state makes no difference.
    folder.write("policies/models/ours.toml", &model.replace("steal", "seize"));
    let report = diff(&folder, &[]).exits(0).json();
    assert_eq!(only(&report)["kind"], "same-behaviour", "{report:#}");
    assert!(only(&report)["declared"].to_string().contains("model"), "{report:#}");
    // What it does, does: the next owner does not call.
    let naive = model.replace("absent  = \"call\"", "absent  = \"respond.unknown\"");
    assert_ne!(naive, model);
    folder.write("policies/models/ours.toml", &naive);
    let said = diff(&folder, &[]);
    assert_ne!(said.code, 2, "{}", said.stderr);
    let report = said.json();
    assert_eq!(only(&report)["kind"], "changed");
    let rows = rows(&only(&report)["possible_now"]);
    assert!(rows.last().unwrap().contains("answers `unknown`"), "{rows:#?}");
}

#[test]
fn waivers_of_the_base_govern() {
    let waived = |until: &str| {
        let one =
            |name: &str| format!("[[waiver]]\nproperty = \"{name}\"\nreason = \"known\"\nuntil = {until}\n");
        ["single-execution", "claim-exclusive", "no-stale-overwrite"].map(one).concat()
    };
    // A change can't excuse itself.
    let folder = Folder::with(&sound()).repository();
    folder.write("policies/charge.toml", &format!("{LEASE_12S}{}", waived("2999-01-01")));
    let said = folder.run(&["diff", "--base", "HEAD"]).exits(1);
    assert!(
        said.stdout.contains("is of this change and does not count: --allow-new-waivers"),
        "{}",
        said.stdout
    );
    folder.run(&["verify"]).exits(0);
    folder.run(&["diff", "--base", "HEAD", "--allow-new-waivers"]).exits(0);
    // What was waived before still is, though the change takes it out or lets it run longer.
    let folder = Folder::with(&format!("{}{}", sound(), waived("2999-01-01"))).repository();
    folder.write("policies/charge.toml", LEASE_12S);
    let report = diff(&folder, &[]).exits(0).json();
    assert_eq!(property(only(&report), "single-execution")["after"]["waived"], "known");
    let folder = Folder::with(&format!("{}{}", sound(), waived("2001-01-01"))).repository();
    folder.write("policies/charge.toml", &format!("{LEASE_12S}{}", waived("2999-01-01")));
    let report = diff(&folder, &[]).exits(1).json();
    assert!(
        property(only(&report), "single-execution")["after"]["lapsed"].to_string().contains("2001-01-01")
    );
    assert_eq!(only(&report)["waivers"][0]["state"], "expired");
}

#[test]
fn a_violation_that_was_there_is_not_new() {
    let folder = Folder::with(LEASE_12S).repository();
    folder.write("policies/charge.toml", &LEASE_12S.replace("12s", "11s"));
    let report = diff(&folder, &[]).exits(0).json();
    assert_eq!(report["summary"]["newly-violated"], 0);
    // An expectation that is taken back makes it one.
    let expected = "[expect]\nsingle-execution = \"violated\"\n";
    let folder = Folder::with(&format!("{LEASE_12S}{expected}")).repository();
    folder.write("policies/charge.toml", LEASE_12S);
    let report = diff(&folder, &[]).exits(1).json();
    assert_eq!(report["summary"]["newly-violated"], 1);
}

#[test]
fn folders_are_compared_as_checkouts_or_in_place() {
    let folder = Folder::with(LEASE_12S);
    folder.write("old/policies/charge.toml", &sound());
    folder.write("before/charge.toml", &sound());
    for (base, shown) in [("old", "the checkout old"), ("./before", "the folder ./before")] {
        let said = folder.run(&["diff", "--base", base, "policies/"]).exits(1);
        assert!(said.stdout.contains(shown), "{}", said.stdout);
        assert!(said.stdout.contains("holds → violated"), "{}", said.stdout);
    }
}

#[test]
fn revisions_are_told_from_folders_and_from_nothing() {
    let folder = Folder::with(&sound()).repository();
    folder.git(&["branch", "policies"]);
    let said = folder.run(&["diff", "--base", "policies"]).exits(2);
    assert!(said.stderr.contains("is a revision and a folder"), "{}", said.stderr);
    let said = folder.run(&["diff", "--base", "./policies", "policies/"]).exits(2);
    assert!(said.stderr.contains("would be compared with itself"), "{}", said.stderr);
    folder.run(&["diff", "--base", "refs/heads/policies"]).exits(0);
    let said = folder.run(&["diff", "--base", "no-such"]).exits(2);
    assert!(said.stderr.contains("neither a revision"), "{}", said.stderr);
    let said = folder.run(&["diff", "--base=--output=x"]).exits(2);
    assert!(said.stderr.contains("no revision and no folder"), "{}", said.stderr);
    let outside = Folder::with(LEASE_12S);
    let said = outside.run(&["diff", "--base", "HEAD"]).exits(2);
    assert!(said.stderr.contains("is in no repository"), "{}", said.stderr);
    let elsewhere = outside.path("policies").display().to_string();
    let said = folder.run(&["diff", "--base", "HEAD", "policies/", &elsewhere]).exits(2);
    assert!(said.stderr.contains("is not in the repository"), "{}", said.stderr);
}

#[test]
fn a_base_that_cannot_be_read_can_be_mended() {
    let folder = Folder::with(&LEASE_12S.replace("[store]", "[stoer]")).repository();
    folder.write("policies/charge.toml", &sound());
    let said = folder.run(&["diff", "--base", "HEAD"]).exits(0);
    assert!(
        said.stderr.contains("in the base:") && said.stderr.contains("HEAD:policies/charge.toml"),
        "{}",
        said.stderr
    );
    assert!(said.stdout.contains("some files of the base could not be read"), "{}", said.stdout);
    // The other way round, nothing is green.
    folder.commit("mended");
    folder.write("policies/charge.toml", &LEASE_12S.replace("[store]", "[stoer]"));
    folder.run(&["diff", "--base", "HEAD"]).exits(2);
}

#[test]
fn nothing_selected_is_nothing_compared() {
    let folder = Folder::new();
    folder.write("policies/.keep", "");
    let folder = folder.repository();
    folder.run(&["diff", "--base", "HEAD"]).exits(4);
}

#[test]
fn a_folder_that_is_gone_had_policies() {
    let folder = Folder::with(&sound()).repository();
    folder.write("README.md", "");
    std::fs::remove_dir_all(folder.path("policies")).unwrap();
    let report = diff(&folder, &[]).exits(0).json();
    assert_eq!(only(&report)["kind"], "removed");
    // What is in neither is a mistake.
    let said = folder.run(&["diff", "--base", "HEAD", "policies", "polices"]).exits(2);
    assert!(said.stderr.contains("polices"), "{}", said.stderr);
}

#[test]
fn the_working_tree_is_compared_from_below_and_past_the_index() {
    let folder = Folder::with(&sound()).repository();
    folder.write("policies/charge.toml", LEASE_12S);
    let mut command = folder.command(&["diff", "--base", "HEAD", "."]);
    let said =
        Said::of(command.current_dir(folder.path("policies")).env("GIT_DIR", "/nowhere").output().unwrap());
    assert!(said.exits(1).stdout.contains("holds → violated"));
}

#[test]
fn a_limit_is_no_answer() {
    let folder = Folder::with(&sound()).repository();
    folder.write("policies/charge.toml", LEASE_12S);
    let report = diff(&folder, &["--max-pairs", "20"]).exits(1).json();
    let now = &only(&report)["possible_now"];
    assert_eq!(now["found"], "unknown", "{now:#}");
    assert!(now["stopped_by"].as_str().unwrap().contains("20 zones and pairs"));
    let report = diff(&folder, &["--max-pairs", "0"]).exits(1).json();
    assert_eq!(only(&report)["possible_now"], Value::Null);
    let report = diff(&folder, &["--max-states", "10"]).json();
    assert!(report["summary"]["inconclusive"].as_u64().unwrap() > 0, "{report:#}");
}

#[test]
fn an_empty_table_is_a_change() {
    let keyed = sound().replace("native_key = false", "native_key = {}");
    let folder = Folder::with(&keyed).repository();
    folder.write("policies/charge.toml", &keyed.replace("native_key = {}\n", ""));
    let report = diff(&folder, &[]).json();
    let declared = &only(&report)["declared"][0];
    assert_eq!((&declared["key"], &declared["before"]), (&"downstream.native_key".into(), &"{}".into()));
    assert_eq!(only(&report)["kind"], "changed");
}

#[test]
fn a_change_can_not_expect_its_own_violations() {
    let expected = "[expect]\nsingle-execution = \"violated\"\nclaim-exclusive = \"violated\"\nno-stale-overwrite = \"violated\"\n";
    let folder = Folder::with(&sound()).repository();
    folder.write("policies/charge.toml", &format!("{LEASE_12S}{expected}"));
    folder.run(&["verify"]).exits(0);
    let report = diff(&folder, &[]).exits(1).json();
    assert_eq!(report["summary"]["newly-violated"], 3);
    assert_eq!(only(&report)["expectations_not_governing"].as_array().unwrap().len(), 3);
    // Told otherwise it counts, and is no tick all the same.
    let said = folder.run(&["diff", "--base", "HEAD", "--allow-new-waivers"]).exits(0);
    let of_property = |line: &&str| line.contains("single-execution") && !line.contains("declares");
    let line = said.stdout.lines().find(of_property).unwrap();
    assert!(line.trim_start().starts_with('!'), "{line}");
    // What the base expects is expected.
    folder.commit("expected");
    folder.write("policies/charge.toml", &format!("{}{expected}", LEASE_12S.replace("12s", "11s")));
    diff(&folder, &[]).exits(0);
}

#[test]
fn what_is_not_guaranteed_any_more_has_no_tick() {
    let folder = Folder::with(&sound()).repository();
    folder.git(&["rm", "--quiet", "policies/charge.toml"]);
    let said = folder.run(&["diff", "--base", "HEAD"]).exits(0).stdout;
    assert!(
        said.contains("1 removed") && said.contains("! single-execution") && !said.contains('✓'),
        "{said}"
    );
    // An expectation of the base to hold is not met by having no meaning.
    let other = |expect: &str| {
        sound()
            .replace("requests = 2", "requests = 2\nconflicting = 1")
            .replace("from        = [\"order_id\"]", "from        = [\"order_id\"]\nfingerprint = [\"body\"]")
            + expect
    };
    let folder = Folder::with(&other("[expect]\nno-cross-payload = \"holds\"\n")).repository();
    folder.run(&["verify"]).exits(0);
    folder.write("policies/charge.toml", &sound());
    let report = diff(&folder, &[]).exits(1).json();
    assert_eq!(property(only(&report), "no-cross-payload")["after"]["verdict"], "not-applicable");
    let folder = Folder::with(&other("")).repository();
    folder.write("policies/charge.toml", &sound());
    let said = folder.run(&["diff", "--base", "HEAD"]).exits(0).stdout;
    assert!(said.contains("! no-cross-payload") && said.contains("no longer applicable"), "{said}");
}

#[test]
fn no_path_leads_from_a_folder_back_to_the_change() {
    let folder = Folder::new();
    for (at, text) in [("base", sound()), ("head", LEASE_12S.to_owned())] {
        folder.write(&format!("{at}/policies/charge.toml"), &text);
        folder.write(&format!("{at}/more/other.toml"), &sound().replace("\"charge\"", "\"other\""));
    }
    let run = |args: &[&str]| {
        let mut command = folder.command(&[&["diff", "--base", "../base"], args].concat());
        Said::of(command.current_dir(folder.path("head")).output().unwrap())
    };
    let absolute = |name: &str| folder.path("head").join(name).display().to_string();
    let said = run(&[&absolute("policies"), &absolute("more")]).exits(1);
    assert!(said.stdout.contains("holds → violated"), "{}", said.stdout);
    run(&[&absolute("policies")]).exits(1);
    run(&["../head/policies"]).exits(1);
    let said = run(&["policies", "../base/more"]).exits(2);
    assert!(said.stderr.contains("is not below the current folder"), "{}", said.stderr);
    let mut command = folder.command(&["diff", "--base", "../head", "policies", "more"]);
    let said = Said::of(command.current_dir(folder.path("head")).output().unwrap()).exits(2);
    assert!(said.stderr.contains("would be compared with itself"), "{}", said.stderr);
}

#[test]
fn models_that_a_change_brings_are_not_those_of_the_base() {
    let model = std::fs::read_to_string(shipped("models/receipt.toml")).unwrap();
    let weaker = model.replace("absent  = \"call\"", "absent  = \"respond.unknown\"");
    assert_ne!(weaker, model);
    let folder = Folder::with(&sound()).repository();
    folder.write("models/receipt.toml", &weaker);
    let said = folder.run(&["diff", "--base", "HEAD", "--format", "json", "--models", "models"]);
    assert!(said.stderr.contains("has no models in models"), "{}", said.stderr);
    assert_eq!(only(&said.json())["kind"], "changed");
    // The same beside a folder, whose own models count where it has some.
    folder.write("old/policies/charge.toml", &sound());
    let args = ["diff", "--base", "./old", "--format", "json", "policies", "--models"];
    let models = folder.path("models").display().to_string();
    assert_eq!(only(&folder.run(&[&args[..], &[&models]].concat()).json())["kind"], "changed");
    folder.write("old/models/receipt.toml", &weaker);
    let said = folder.run(&[&args[..], &[&models]].concat()).exits(0);
    assert_eq!(said.json()["same"], 1);
    // From outside they are of both sides, and that is said.
    let outside = Folder::new();
    outside.write("receipt.toml", &weaker);
    let models = outside.path("").display().to_string();
    let said = folder.run(&["diff", "--base", "HEAD", "policies", "--models", &models]).exits(0);
    assert!(said.stderr.contains("both sides are read with its models"), "{}", said.stderr);
}

#[test]
fn the_schema_is_committed() {
    for (name, schema) in
        [("diff-report", idemcheck::diff::schema()), ("baseline", idemcheck::check::baseline::schema())]
    {
        let path = shipped(&format!("schemas/{name}.schema.json"));
        let fresh = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("IDEMCHECK_UPDATE").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == fresh,
            "schemas/{name}.schema.json is out of date: IDEMCHECK_UPDATE=1 cargo test"
        );
    }
}
