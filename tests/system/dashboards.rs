//! `scripts/alerts.yml` and `scripts/grafana.json`: `GET /metrics` has every metric that they name.
use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::common::Server;
use super::common::tasks::get;
use super::common::wait::until;

const ALERTS: &str = include_str!("../../scripts/alerts.yml");
const DASHBOARD: &str = include_str!("../../scripts/grafana.json");

/// Our metrics' names in an expression, without the suffixes of histogram samples.
fn names(expression: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c| !is_name(c));
    let ours = words.filter(|word| ["tp2_", "http_", "process_"].iter().any(|begin| word.starts_with(begin)));
    ours.map(|word| {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        family.unwrap_or(word).to_owned()
    })
    .collect()
}

/// The families of the page, once all of them exist.
fn families(server: &Server) -> BTreeSet<String> {
    until("the tasks counted", || {
        let page = server.ask(&get("/metrics", &[])).expect(200).body;
        let page = String::from_utf8(page).unwrap();
        let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let families: BTreeSet<String> = families.map(str::to_owned).collect();
        families.contains("tp2_tasks").then_some(families)
    })
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let families = families(&Server::start(&[]));
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = BTreeSet::new();
    for panel in panels {
        assert!(panel["title"].is_string() && panel["gridPos"]["h"].is_u64(), "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            let named = names(target["expr"].as_str().unwrap());
            assert!(!named.is_empty(), "{target}");
            shown.extend(named);
        }
    }
    let missing: Vec<_> = shown.difference(&families).collect();
    assert!(missing.is_empty(), "the dashboard shows {missing:?}");
    assert!(shown.len() > 25, "{shown:?}");
    let alerted =
        names(&ALERTS.lines().filter(|line| !line.trim().starts_with('#')).collect::<Vec<_>>().join("\n"));
    let missing: Vec<_> = alerted.difference(&families).collect();
    assert!(missing.is_empty(), "the alerts name {missing:?}");
}

/// The used part of a rules file's schema:
/// <https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/>.
#[test]
fn each_alert_has_an_expression_a_severity_and_a_summary() {
    let rules: Vec<&str> = ALERTS.split("      - alert: ").collect();
    assert!(rules[0].ends_with("groups:\n  - name: tp2\n    rules:\n"), "{}", rules[0]);
    assert!(rules.len() > 8);
    let mut seen = BTreeSet::new();
    for rule in &rules[1..] {
        let (name, body) = rule.split_once('\n').unwrap();
        assert!(name.starts_with("Tp2") && seen.insert(name), "{name}");
        let keys: Vec<&str> = body
            .lines()
            .filter(|line| line.starts_with("        ") && !line.starts_with("         "))
            .map(|line| line.trim().split(':').next().unwrap())
            .collect();
        assert!(
            matches!(keys[..], ["expr", "for", "labels", "annotations"] | ["expr", "labels", "annotations"]),
            "{name}: {keys:?}"
        );
        assert!(body.contains("labels: {severity: ") && body.contains("          summary: \""), "{name}");
        let balance = |open, close| body.matches(open).count() == body.matches(close).count();
        assert!(balance('(', ')') && balance('{', '}') && balance('[', ']'), "{name}");
    }
    // The real reader, if it is installed.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/alerts.yml");
    if let Ok(output) = Command::new("promtool").args(["check", "rules", path]).output() {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
