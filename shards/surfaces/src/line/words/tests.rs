use super::*;
use madang_model::connection::CloseReason;
use std::borrow::Cow;

#[test]
fn every_end_says_why_and_what_to_do() {
    let cases = [
        (CloseReason::Quit, "bye\n"),
        (
            CloseReason::SlowReader { outbox_bytes_max: 1_048_576 },
            "! closed: slow reader: more than 1048576 bytes were waiting; \
             reconnect and use /history after N, with the last number you saw\n",
        ),
        (
            CloseReason::LoginTimeout { login_seconds: 60 },
            "! closed: no name within 60 s; reconnect and type a name first\n",
        ),
        (
            CloseReason::TooManyFromAddress { connections_max: 10 },
            "! closed: your address has 10 connections already, which is the limit; close one and try again\n",
        ),
        (CloseReason::Kicked { reason: "".into() }, "! closed by the operator\n"),
        (CloseReason::Kicked { reason: "조용히".into() }, "! closed by the operator: 조용히\n"),
        (CloseReason::GoingDown, ""),
        (CloseReason::Lost, ""),
    ];
    for (reason, words) in cases {
        let mut out = Vec::new();
        farewell(&reason, Style::default(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), Cow::Borrowed(words));
    }
}

#[test]
fn any_time_can_be_shown() {
    let times = [
        (0, "1970-01-01 00:00:00"),
        (-1, "1969-12-31 23:59:59"),
        (1_795_176_191_999_999, "2026-11-20 12:03:11"),
        (i64::MAX, "????-??-?? ??:??:??"),
        (i64::MIN, "????-??-?? ??:??:??"),
    ];
    for (microseconds, shown) in times {
        assert_eq!(Civil(Timestamp(microseconds)).to_string(), shown);
    }
}
