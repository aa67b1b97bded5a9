//! The parts of the benchmark's driver that need no world: what it reads, and what it chooses.

#![allow(
    dead_code,
    unused_imports,
    reason = "the driver is a program; here only its parts are asked"
)]

#[path = "../benches/figures/audit.rs"]
mod audit;
#[path = "../benches/figures/controller.rs"]
mod controller;
#[path = "../benches/figures/figure.rs"]
mod figure;
#[path = "../benches/figures/gateway.rs"]
mod gateway;
#[path = "../benches/figures/kubelets/mod.rs"]
mod kubelets;
#[path = "../benches/figures/load.rs"]
mod load;
#[path = "../benches/figures/procfs.rs"]
mod procfs;
#[path = "../benches/figures/record.rs"]
mod record;
#[path = "../benches/figures/report/mod.rs"]
mod report;
#[path = "../benches/figures/rows/mod.rs"]
mod rows;
#[path = "../benches/figures/watch.rs"]
mod watch;
#[path = "../benches/figures/world.rs"]
mod world;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use audit::Audit;
use controller::Metrics;
use procfs::{Cpu, Memory};
use rows::Setting;

#[test]
fn arrivals_are_poisson_at_the_rate_and_the_same_for_the_same_seed() {
    let lasts = Duration::from_secs(1_000);
    let times = load::arrivals(12.0, lasts, 7);
    assert_eq!(times, load::arrivals(12.0, lasts, 7));
    assert_ne!(times, load::arrivals(12.0, lasts, 8));
    // 12,000 are expected, with a standard deviation of 110.
    assert!((11_500..12_500).contains(&times.len()), "{}", times.len());
    assert!(times.is_sorted() && times.last() < Some(&lasts));
    // Of exponential gaps a share of 1/e is longer than the mean.
    let long = times
        .windows(2)
        .filter(|w| (w[1] - w[0]).as_secs_f64() > 1.0 / 12.0)
        .count();
    let share = long as f64 / times.len() as f64;
    assert!((0.34..0.40).contains(&share), "{share}");
}

#[test]
fn cpu_counts_what_a_thread_did_while_it_lives_and_after() {
    let pid = std::process::id();
    let spin = || {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(200) {
            std::hint::spin_loop();
        }
    };
    let before = Cpu::of(pid).unwrap();
    spin();
    let here = Cpu::of(pid).unwrap().since(&before);
    assert!(here > Duration::ZERO);
    // The processor may have been somebody else's meanwhile: no more is promised than that it was counted.
    let used = |cpu: &Cpu| cpu.total();
    let all = used(&Cpu::of(pid).unwrap());
    std::thread::spawn(spin).join().unwrap();
    assert!(
        used(&Cpu::of(pid).unwrap()) > all,
        "a thread that ended is forgotten"
    );
}

#[test]
fn memory_is_read_and_its_peak_is_no_less() {
    let memory = Memory::of(std::process::id()).unwrap();
    assert!(
        memory.resident > 1.0 && memory.peak >= memory.resident,
        "{memory:?}"
    );
}

#[test]
fn metrics_are_found_by_series_and_summed_over_labels() {
    let text = "# TYPE dillinger_api_call counter\n\
        dillinger_api_call_count{call=\"record\"} 3\n\
        dillinger_api_call_count{call=\"report\"} 4\n\
        dillinger_api_call_countless 100\n\
        dillinger_leader 1\n# EOF\n";
    let metrics = Metrics::parse(text);
    assert_eq!(metrics.sum("dillinger_api_call_count"), 7.0);
    assert_eq!(
        metrics.get("dillinger_api_call_count{call=\"record\"}"),
        Some(3.0)
    );
    let labels: Vec<&str> = metrics
        .series("dillinger_api_call_count")
        .map(|(l, _)| l)
        .collect();
    assert_eq!(labels, ["call=\"record\"", "call=\"report\""]);
    assert_eq!(metrics.sum("dillinger_leader"), 1.0);
    assert_eq!(metrics.sum("dillinger_unknown"), 0.0);
}

#[test]
fn the_audit_log_gives_the_answered_requests_of_one_user_without_the_line_being_written() {
    let file: PathBuf = std::env::temp_dir().join(format!("bench-audit-{}", std::process::id()));
    let line = |user: &str, stage: &str, object: &str, code: u64| {
        format!(
            "{{\"stage\":\"{stage}\",\"verb\":\"patch\",\"user\":{{\"username\":\"admin\"}},\"impersonatedUser\":{{\"username\":\"{user}\"}},\
             \"objectRef\":{object},\"responseStatus\":{{\"metadata\":{{}},\"code\":{code}}}}}\n"
        )
    };
    let session = r#"{"resource":"gamesessions","namespace":"n","name":"s"}"#;
    let status = r#"{"resource":"gamesessions","namespace":"n","name":"s","subresource":"status"}"#;
    std::fs::write(&file, line("me", "ResponseComplete", session, 200)).unwrap();
    let audit = Audit::of(file.clone(), "me").unwrap();
    assert_eq!(
        audit.requests().unwrap(),
        [],
        "what was there before does not count"
    );
    let mut log = std::fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .unwrap();
    for text in [
        line("me", "ResponseComplete", session, 200),
        line("you", "ResponseComplete", session, 200),
        line("me", "ResponseStarted", session, 200),
        line("me", "ResponseComplete", status, 409),
        "{\"stage\":\"ResponseComplete\",\"verb\":\"get\",\"requestURI\":\"/readyz\"}\n".to_owned(),
        "{\"stage\":\"Resp".to_owned(),
    ] {
        log.write_all(text.as_bytes()).unwrap();
    }
    let requests = audit.requests().unwrap();
    let words: Vec<(&str, u64)> = requests
        .iter()
        .map(|r| (r.resource.as_str(), r.code))
        .collect();
    assert_eq!(words, [("gamesessions", 200), ("gamesessions/status", 409)]);
    assert!(requests.iter().all(|r| r.writes() && r.of_session()));
    std::fs::remove_file(file).unwrap();
}

#[test]
fn only_chooses_rows_by_the_beginnings_of_their_figures() {
    let ids = |only: &str| -> Vec<&str> {
        let only: Vec<String> = only
            .split(',')
            .filter(|w| !w.is_empty())
            .map(str::to_owned)
            .collect();
        let rows = rows::chosen(Setting::Timed, &only);
        rows.iter().map(|row| row.ids[0]).collect()
    };
    assert_eq!(ids("ready.paced_12.p50"), ["ready.paced_12."]);
    assert_eq!(
        ids("ready.paced_12"),
        ["ready.paced_12.", "ready.paced_12_own."]
    );
    assert_eq!(ids("rss.10000,failover"), ["failover.", "pool.10000."]);
    assert_eq!(
        ids("pods."),
        [
            "pods.burst.500.",
            "pods.ready.paced_12.",
            "pods.pool.2000.",
            "pods.pool.10000."
        ]
    );
    assert_eq!(ids("nothing"), [] as [&str; 0]);
    assert_eq!(
        ids("").len(),
        rows::all()
            .iter()
            .filter(|r| r.setting == Setting::Timed)
            .count()
    );
}

#[test]
fn each_figure_belongs_to_one_row() {
    let mut ids: Vec<&str> = rows::all()
        .iter()
        .flat_map(|row| row.ids)
        .copied()
        .collect();
    ids.sort_unstable();
    for pair in ids.windows(2) {
        assert!(!pair[1].starts_with(pair[0]), "{pair:?}");
    }
}
