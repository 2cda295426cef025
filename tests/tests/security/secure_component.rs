//! The component `security` answers as it does on real servers, method by method.
//!
//! Enters: the scenarios of `corpus/security` with the answers of two generations of servers. Leaves: a host that is
//! asked the same in the same order. Guarantees: the host's answer is that of one of them, or what
//! `corpus/security/deviations.toml` says, with a reason.

use mesh_tests::host::Host;
use mesh_tests::security::{self, Rules};

const SCENARIOS: &[&str] = &[
    "users",
    "upserts",
    "groups",
    "memberships",
    "own_permissions",
    "lists",
    "sessions",
    "revocations",
    "tokens",
    "passwords",
    "own_users",
    "lookups",
    "odd",
];

#[tokio::test]
async fn the_component_answers_as_real_servers_do() {
    let rules = Rules::read(&security::folder().join("deviations.toml"));
    let config = security::folder().join("mesh.toml");
    let mut findings = Vec::new();
    let mut steps = 0;
    for scenario in SCENARIOS {
        let host = Host::start(&config, &[]);
        let rows = security::rows(scenario);
        assert!(!rows.is_empty(), "the corpus has no scenario {scenario}");
        steps += rows.len();
        findings.extend(security::play(host.addr(), &rows, &rules).await);
        host.stop();
    }
    for finding in &findings {
        println!("{}: {}", finding.name, finding.answer);
        for difference in &finding.differences {
            println!("    {} {:?}", difference.place, difference.change);
        }
    }
    println!("{steps} steps, {} differences", findings.len());
    assert!(findings.is_empty(), "{} of {steps} steps differ", findings.len());
    assert_eq!(rules.unused(), Vec::<String>::new(), "rules that nothing needs");
}
