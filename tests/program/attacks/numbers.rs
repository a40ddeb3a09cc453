//! Numbers at the ends of what fits, and beyond.

use crate::harness::on_one_shard_and_on_three;

const STORED: usize = 5;

#[test]
fn history_takes_any_number_and_answers_in_bounds() {
    on_one_shard_and_on_three(|server| {
        let mut alice = server.login_to("alice", "r1");
        for number in 1..=STORED {
            alice.send(&format!("text {number}"));
            alice.expect(&format!("alice: text {number}"));
        }
        let (all, none) = (1..STORED + 1, 1..1);
        let shown = [
            ("/history 500", all.clone()),
            ("/history 1", STORED..STORED + 1),
            ("/history after 0", all.clone()),
            ("/history after #0", all.clone()),
            ("/history before 9223372036854775807", all),
            ("/history before 1", none.clone()),
            ("/history before 0", none.clone()),
            ("/history after 5", none.clone()),
            ("/history after 9223372036854775807", none.clone()),
            ("/history 1 after 3", 4..5),
            ("/history 1 before 3", 2..3),
        ];
        for (asked, expected) in shown {
            let answers = alice.ask(asked);
            let numbers: Vec<usize> = answers
                .iter()
                .filter_map(|line| line.strip_prefix('#')?.split(' ').next()?.parse().ok())
                .collect();
            assert_eq!(numbers, expected.clone().collect::<Vec<_>>(), "{asked}: {answers:?}");
            assert!(!expected.is_empty() || answers.iter().any(|line| line.starts_with("* ")), "{answers:?}");
        }
        let refused = [
            "/history 0",
            "/history -1",
            "/history 501",
            "/history 18446744073709551615",
            "/history 18446744073709551616",
            "/history 340282366920938463463374607431768211456",
            "/history before -1",
            "/history before 9223372036854775808",
            "/history before 18446744073709551615",
            "/history before 18446744073709551616",
            "/history after 18446744073709551616",
            "/history after -9223372036854775809",
            "/history 0 before 5",
            "/history 5 before",
            "/history before after 1",
            "/history 1e3",
            "/history 0x10",
            "/history +",
            "/history ##1",
            "/history ١",
        ];
        for asked in refused {
            let answers = alice.ask(asked);
            assert_eq!(answers.len(), 1, "{asked}: {answers:?}");
            assert!(answers[0].starts_with("! ") && answers[0].contains("(try "), "{asked}: {answers:?}");
        }
        let huge = format!("/history {}", "9".repeat(4_000));
        let answers = alice.ask(&huge);
        assert!(answers.len() == 1 && answers[0].starts_with("! ") && answers[0].len() < 300, "{answers:?}");
    });
}
