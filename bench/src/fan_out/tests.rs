use super::*;
use crate::fake::{self, Conduct};
use crate::workload::Pace;
use std::net::TcpListener;
use std::time::Duration;

/// 2 rooms × 3 members, so that each receiver gets every message of its room.
fn measure(conduct: Conduct, pace: Pace) -> Result<FanOutReport, BenchError> {
    let target = fake::target(fake::start(conduct), Some(std::process::id()));
    let duration = Duration::from_millis(300);
    run_fan_out(&FanOutOptions { target, rooms: 2, members: 3, size_bytes: 64, duration, pace })
}

const RATE: Pace = Pace::Rate { messages_per_second: 400 };
/// The server goes on as if nothing had happened: a closed loop would wait for its lost message.
const AT: u64 = 20;
const RECEIVERS: u64 = 6;

#[test]
fn a_faithful_server_has_no_faults_in_either_pace() {
    for pace in [RATE, Pace::Saturated { in_flight: 4 }] {
        let report = measure(Conduct::Faithful, pace).expect("a report");
        assert!(report.faults().is_none(), "{report}");
        assert!(report.messages() > 100, "{report}");
        assert_eq!(report.deliveries(), report.messages() * 3, "{report}");
        assert_eq!(report.latency_ns().len(), report.deliveries());
        assert!(report.server_time_us_per_delivery().is_some_and(|spent| spent > 0.0), "{report}");
    }
}

#[test]
fn a_fixed_rate_sends_what_it_promises() {
    let report = measure(Conduct::Faithful, RATE).expect("a report");
    assert_eq!(report.messages(), 120);
}

#[test]
fn each_broken_promise_is_named_and_counted() {
    let none = Faults::default();
    let cases = [
        (Conduct::Drops(AT), Faults { lost: RECEIVERS, ..none }),
        (Conduct::Repeats(AT), Faults { repeated: RECEIVERS, ..none }),
        // A changed delivery is not the one that was sent: that one is lost.
        (Conduct::Damages(AT), Faults { damaged: RECEIVERS, lost: RECEIVERS, ..none }),
    ];
    // Side by side, as each loss is waited for until the drain gives up.
    std::thread::scope(|scope| {
        for (conduct, expected) in cases {
            scope.spawn(move || {
                let report = measure(conduct, RATE).expect("a report");
                assert_eq!(*report.faults(), expected, "{conduct:?}\n{report}");
            });
        }
    });
}

#[test]
fn a_delivery_behind_its_successor_is_disordered() {
    let target = fake::target(fake::start(Conduct::Swaps(AT)), None);
    let pace = Pace::Saturated { in_flight: 4 };
    let duration = Duration::from_millis(100);
    let options = FanOutOptions { target, rooms: 1, members: 1, size_bytes: 64, duration, pace };
    let report = run_fan_out(&options).expect("a report");
    assert_eq!(*report.faults(), Faults { disordered: 1, ..Faults::default() }, "{report}");
}

#[test]
fn a_stall_counts_against_every_message_it_delays() {
    let report = measure(Conduct::Stalls(AT), RATE).expect("a report");
    let tail_ns = report.latency_ns().value_at_quantile(0.9);
    assert!(report.faults().is_none(), "{report}");
    assert!(tail_ns > 100_000_000, "a closed loop would hide it: p90 is {tail_ns} ns\n{report}");
}

#[test]
fn what_stops_a_measurement_is_said_with_its_remedy() {
    let cases = [
        (Conduct::Refuses(AT), "sends too fast", "limits.messages_per_second=0"),
        (Conduct::Closes(AT), "slow reader", "log"),
        (Conduct::RefusesNames, "is taken", "run again"),
        (Conduct::SpeaksHttp, "HTTP/1.1 400", "--target"),
    ];
    for (conduct, value, remedy) in cases {
        let words = measure(conduct, RATE).expect_err("no report").to_string();
        assert!(words.contains(value) && words.contains(remedy), "{conduct:?}: {words}");
        assert!(!words.contains('\n'), "one line: {words}");
    }
}

#[test]
fn a_target_that_is_not_there_is_unreachable() {
    let address = {
        let closed_at_once = TcpListener::bind("127.0.0.1:0").expect("a free port");
        closed_at_once.local_addr().expect("an address")
    };
    let target = fake::target(address, None);
    let duration = Duration::from_secs(1);
    let options = FanOutOptions { target, rooms: 1, members: 1, size_bytes: 64, duration, pace: RATE };
    let words = run_fan_out(&options).expect_err("nobody is there").to_string();
    assert!(words.contains(&format!("madang serve --listen {address}")), "{words}");
}

#[test]
fn options_that_cannot_be_measured_are_refused_before_anything_starts() {
    let address = "127.0.0.1:1".parse().expect("an address");
    let good = FanOutOptions {
        target: fake::target(address, None),
        rooms: 1,
        members: 1,
        size_bytes: 64,
        duration: Duration::from_secs(1),
        pace: RATE,
    };
    let cases = [
        ("--rooms 0", FanOutOptions { rooms: 0, ..good.clone() }),
        ("--members 0", FanOutOptions { members: 0, ..good.clone() }),
        ("--members 20000", FanOutOptions { rooms: 10, members: 20_000, ..good.clone() }),
        ("--size 8", FanOutOptions { size_bytes: 8, ..good.clone() }),
        ("--seconds 0", FanOutOptions { duration: Duration::ZERO, ..good.clone() }),
        ("--in-flight 0", FanOutOptions { pace: Pace::Saturated { in_flight: 0 }, ..good.clone() }),
        ("--rate 0", FanOutOptions { pace: Pace::Rate { messages_per_second: 0 }, ..good.clone() }),
    ];
    for (named, options) in cases {
        let words = run_fan_out(&options).expect_err(named).to_string();
        assert!(words.starts_with(named), "{words}");
    }
}
