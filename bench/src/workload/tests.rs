//! The measurement is right: what a fake server does wrong on purpose is named and counted exactly.

use super::options::Pace;
use super::*;
use crate::fake::{self, Conduct};
use crate::results::{Faults, Measurement};
use crate::target::Target;
use crate::watch::{NoProgress, Progress, Stop};
use std::net::TcpListener;

const RATE: Pace = Pace::Rate { messages_per_second: 400 };
const ONE_IN_FLIGHT: Pace = Pace::Saturated { in_flight: 1 };
/// The delivery to each receiver that is not as it should be.
const AT: u64 = 20;
const RECEIVERS: u64 = 6;

fn on(conduct: Conduct, workload: &Workload) -> Result<Measurement, BenchError> {
    let target = fake::target(fake::start(conduct), Some(std::process::id()));
    measure(workload, &target, &mut NoProgress, &Stop::new())
}

/// 2 rooms × 3 members, so that each receiver gets every message of its room.
fn fan_out(conduct: Conduct, pace: Pace, milliseconds: u64) -> Result<Measurement, BenchError> {
    on(conduct, &rooms(2, 3, pace, milliseconds as f64 / 1e3))
}

fn rooms(rooms: usize, members: usize, pace: Pace, seconds: f64) -> Workload {
    let options = FanOutOptions { rooms, members, seconds, ..FanOutOptions::default() };
    Workload::FanOut(match pace {
        Pace::Saturated { in_flight } => FanOutOptions { in_flight, ..options },
        Pace::Rate { messages_per_second } => FanOutOptions { rate: Some(messages_per_second), ..options },
    })
}

fn figure(found: &Measurement, key: &str) -> f64 {
    let metric = found.metrics.iter().find(|metric| metric.key == key);
    metric.unwrap_or_else(|| panic!("{key} in {found:?}")).value
}

/// A percentile of what was delivered, in milliseconds.
fn latency_ms(found: &Measurement, quantile: f64) -> u64 {
    found.latencies[0].histogram_ns.value_at_quantile(quantile) / 1_000_000
}

fn counts(faults: &Faults) -> [u64; 4] {
    [faults.lost, faults.repeated, faults.disordered, faults.damaged]
}

#[test]
fn a_faithful_server_has_no_faults_in_either_pace() {
    for pace in [RATE, Pace::Saturated { in_flight: 4 }] {
        let found = fan_out(Conduct::Faithful, pace, 300).expect("a measurement");
        assert!(found.faults.is_none(), "{:?}", found.faults);
        let (messages, deliveries) = (figure(&found, "messages"), figure(&found, "deliveries"));
        assert!(messages > 100.0, "{messages}");
        assert_eq!(deliveries, messages * 3.0);
        assert_eq!(found.latencies[0].histogram_ns.len(), deliveries as u64);
        assert!(figure(&found, "server_cpu_us_per_delivery") > 0.0);
        assert!(found.series.iter().all(|series| !series.values.is_empty()), "{:?}", found.series);
        assert!(!found.is_cut_short);
    }
}

#[test]
fn a_fixed_rate_sends_what_it_promises() {
    let found = fan_out(Conduct::Faithful, RATE, 300).expect("a measurement");
    assert_eq!(figure(&found, "messages"), 120.0);
}

#[test]
fn each_broken_promise_is_named_and_counted_exactly() {
    let cases = [
        (Conduct::Drops(AT), [RECEIVERS, 0, 0, 0], "Lost: message"),
        (Conduct::Repeats(AT), [0, RECEIVERS, 0, 0], "came again"),
        // A changed delivery is not the one that was sent: that one is lost.
        (Conduct::Damages(AT), [RECEIVERS, 0, 0, RECEIVERS], "damaged or misdelivered"),
        // 3 receivers of 2 rooms reach that number, one stray for the message each reaches it with.
        (Conduct::Misdelivers(AT), [0, 0, 0, 2], "damaged or misdelivered"),
        // 60 messages a room, to 3 each: 41 of each receiver never come.
        (Conduct::FallsSilent(AT), [RECEIVERS * 41, 0, 0, 0], "never came"),
        (Conduct::Delays(1), [0, 0, 0, 0], ""),
    ];
    // Side by side, as each loss is waited for until the drain gives up.
    std::thread::scope(|scope| {
        for (conduct, expected, words) in cases {
            scope.spawn(move || {
                let found = fan_out(conduct, RATE, 300).expect("a measurement");
                assert_eq!(counts(&found.faults), expected, "{conduct:?}\n{:?}", found.faults);
                let is_named = found.faults.examples.iter().any(|example| example.contains(words));
                assert!(is_named || words.is_empty(), "{conduct:?}: {:?}", found.faults.examples);
            });
        }
    });
}

#[test]
fn a_delivery_behind_its_successor_is_disordered() {
    let talk = rooms(1, 1, Pace::Saturated { in_flight: 4 }, 0.1);
    let found = on(Conduct::Swaps(AT), &talk).expect("a measurement");
    assert_eq!(counts(&found.faults), [0, 0, 1, 0], "{:?}", found.faults);
}

#[test]
fn delays_show_in_the_latency_of_all() {
    // 3 receivers, each 1 ms behind the one before.
    let found = fan_out(Conduct::Delays(1), Pace::Rate { messages_per_second: 50 }, 400).expect("one");
    assert!(latency_ms(&found, 0.01) >= 1 && latency_ms(&found, 0.5) >= 2, "{:?}", found.latencies[0]);
}

/// The promise of the open loop: when a server pauses for 200 ms, all who send in that time feel it. A load that
/// waits for the server before it sends again sees one slow answer.
#[test]
fn a_stall_shows_in_the_open_loop_where_a_closed_loop_hides_it() {
    let open = on(Conduct::Stalls(AT), &rooms(1, 1, RATE, 1.5)).expect("a measurement");
    assert!(open.faults.is_none(), "{:?}", open.faults);
    let tail_ms = latency_ms(&open, 0.999);
    assert!((150..400).contains(&tail_ms), "p99.9 of the open loop: {tail_ms} ms");
    assert!(latency_ms(&open, 0.9) >= 20, "80 of 600 messages met the stall: {} ms", latency_ms(&open, 0.9));

    let closed = on(Conduct::Stalls(AT), &rooms(1, 1, ONE_IN_FLIGHT, 1.5)).expect("one");
    let answers = closed.latencies[0].histogram_ns.len();
    assert!(answers > 2_000, "enough for p99.9 to mean something: {answers}");
    assert!(closed.latencies[0].histogram_ns.max() >= 200_000_000, "it was there");
    assert!(latency_ms(&closed, 0.999) < 100, "p99.9 of a closed loop hides it");
}

#[test]
fn what_stops_a_measurement_is_said_with_its_remedy() {
    let cases = [
        (Conduct::Refuses(AT), "sends too fast", "limits.messages_per_second=0"),
        (Conduct::Closes(AT), "slow reader", "journal"),
        (Conduct::RefusesNames, "is taken", "limits"),
        (Conduct::SpeaksHttp, "HTTP/1.1 400", "name the address of a server that does"),
    ];
    for (conduct, value, remedy) in cases {
        let words = fan_out(conduct, RATE, 300).expect_err("no measurement").to_string();
        assert!(words.contains(value) && words.contains(remedy), "{conduct:?}: {words}");
        assert!(!words.contains('\n'), "one line: {words}");
    }
}

#[test]
fn a_server_that_takes_connections_and_never_answers_is_said_to() {
    let words = fan_out(Conduct::NeverAnswers, RATE, 300).expect_err("no measurement").to_string();
    assert!(words.contains("does not greet within 10 s; it sent nothing"), "{words}");
}

#[test]
fn a_server_of_another_protocol_is_recognised() {
    for (protocol, name) in [(Protocol::Irc, "IRC"), (Protocol::Redis, "RESP3"), (Protocol::Nats, "NATS")] {
        let address = fake::start(Conduct::SpeaksHttp);
        let target = Target::Running { protocol, address, pid: None, label: "fake".to_owned() };
        let found = measure(&Workload::Echo(EchoOptions::default()), &target, &mut NoProgress, &Stop::new());
        let words = found.expect_err("no measurement").to_string();
        assert!(words.contains("does not speak") && words.contains(name), "{words}");
    }
}

#[test]
fn a_target_that_is_not_there_is_unreachable() {
    let address = {
        let closed_at_once = TcpListener::bind("127.0.0.1:0").expect("a free port");
        closed_at_once.local_addr().expect("an address")
    };
    let target = fake::target(address, None);
    let found = measure(&Workload::Echo(EchoOptions::default()), &target, &mut NoProgress, &Stop::new());
    let words = found.expect_err("nobody is there").to_string();
    assert!(words.contains(&format!("madang serve --listen {address}")), "{words}");
}

/// Asks to stop when some of a minute of talk is behind.
struct StopsOnceMeasuring<'a>(&'a Stop);

impl Progress for StopsOnceMeasuring<'_> {
    fn show(&mut self, what: &str, share: f64) {
        if what.ends_with("measuring") && share > 0.105 {
            self.0.ask();
        }
    }
}

#[test]
fn somebody_who_stops_it_gets_what_there_is() {
    let stop = Stop::new();
    let address = fake::start(Conduct::Faithful);
    let mut impatient = StopsOnceMeasuring(&stop);
    let found = measure(&rooms(2, 3, RATE, 60.0), &fake::target(address, None), &mut impatient, &stop);
    let found = found.expect("a measurement");
    assert!(found.is_cut_short && found.faults.is_none(), "{:?}", found.faults);
    assert!(figure(&found, "messages") > 10.0);

    let at_once = measure(
        &Workload::Echo(EchoOptions::default()),
        &fake::target(address, None),
        &mut NoProgress,
        &stop,
    );
    assert!(at_once.expect("an empty measurement").is_cut_short);
}

#[test]
fn everyone_comes_in_and_memory_is_compared() {
    let found = on(Conduct::Faithful, &Workload::Idle(IdleOptions { connections: 200 })).expect("one");
    assert!(figure(&found, "accepts_per_second") > 0.0);
    // The fake server has a thread for each, so it cannot be below one page.
    assert!(figure(&found, "resident_bytes_per_connection") > 4096.0);
}

#[test]
fn options_that_cannot_be_measured_are_refused_before_anything_starts() {
    let good = FanOutOptions { rooms: 1, members: 1, rate: Some(400), ..FanOutOptions::default() };
    let cases = [
        ("--rooms 0", FanOutOptions { rooms: 0, ..good.clone() }),
        ("--members 0", FanOutOptions { members: 0, ..good.clone() }),
        ("--members 20000", FanOutOptions { rooms: 10, members: 20_000, ..good.clone() }),
        ("--size 8", FanOutOptions { size: 8, ..good.clone() }),
        ("--seconds 0", FanOutOptions { seconds: 0.0, ..good.clone() }),
        ("--in-flight 0", FanOutOptions { rate: None, in_flight: 0, ..good.clone() }),
        ("--rate 0", FanOutOptions { rate: Some(0), ..good.clone() }),
    ];
    for (named, options) in cases {
        let words = Workload::FanOut(options).check(Protocol::Line).expect_err(named).to_string();
        assert!(words.starts_with(named), "{words}");
    }
    let words = Workload::FanOut(good).check(Protocol::Irc).expect_err("nobody hears it").to_string();
    assert!(words.starts_with("--members 1"), "{words}");
    let words = Workload::Storm(StormOptions::default()).check(Protocol::Nats).expect_err("no").to_string();
    assert!(words.contains("storm cannot be measured over nats"), "{words}");
}
