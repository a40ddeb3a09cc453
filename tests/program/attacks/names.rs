//! Names that look like others, and names that two want at once.

use crate::harness::{Client, Lobby, Server};
use std::sync::Barrier;
use std::thread;

const RIVALS: usize = 4;
const ROUNDS: usize = 60;

/// What the rivals of one round write: the same name, in ways that must not make two users.
fn spelt(round: usize, rival: usize) -> String {
    match rival {
        0 => format!("squatter{round}"),
        1 => format!("SQUATTER{round}"),
        // Full width, and a Cyrillic letter.
        2 => format!("ｓquatter{round}"),
        _ => format!("squ\u{430}tter{round}"),
    }
}

#[test]
fn of_many_who_claim_one_name_at_once_exactly_one_wins() {
    let server = Server::start(3, &[]);
    let barrier = Barrier::new(RIVALS);
    let address = server.address;
    let wins: Vec<Vec<bool>> = thread::scope(|scope| {
        let rivals: Vec<_> = (0..RIVALS)
            .map(|rival| {
                let barrier = &barrier;
                scope.spawn(move || (0..ROUNDS).map(|round| race(address, barrier, round, rival)).collect())
            })
            .collect();
        rivals.into_iter().map(|rival| rival.join().expect("a rival")).collect()
    });
    for round in 0..ROUNDS {
        let winners = wins.iter().filter(|won| won[round]).count();
        assert_eq!(winners, 1, "round {round}");
    }
    let by_rival: Vec<usize> = wins.iter().map(|won| won.iter().filter(|won| **won).count()).collect();
    println!("{ROUNDS} rounds on 3 shards, won by each: {by_rival:?}");
}

/// Claims the round's name when all are ready. The loser is asked for another and stays.
fn race(address: std::net::SocketAddr, barrier: &Barrier, round: usize, rival: usize) -> bool {
    let name = spelt(round, rival);
    let mut client = Client::connect(address);
    client.expect("name: ");
    barrier.wait();
    client.send(&name);
    let answer = client.read_line();
    let has_won = answer.ends_with(" has joined general");
    if !has_won {
        assert!(answer.starts_with("! the name ") && answer.contains("taken"), "{answer}");
        client.expect("name: ");
        client.send(&format!("other{round}-{rival}"));
        client.expect(&format!("other{round}-{rival} has joined general"));
    }
    barrier.wait();
    client.send("/quit");
    client.expect_closed();
    has_won
}

#[test]
fn a_nick_that_two_want_at_once_goes_to_one_and_the_other_keeps_its_own() {
    let server = Server::start(3, &[]);
    let mut rivals: Vec<Client> = (0..RIVALS).map(|rival| server.login(&format!("rival{rival}"))).collect();
    for client in &mut rivals {
        client.ask("/who");
    }
    let barrier = Barrier::new(RIVALS);
    let won = thread::scope(|scope| {
        let claims: Vec<_> = rivals
            .iter_mut()
            .map(|client| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let answers = client.ask("/nick prize");
                    !answers.iter().any(|line| line.starts_with("! ") && line.contains("taken"))
                })
            })
            .collect();
        claims.into_iter().map(|claim| claim.join().expect("a rival")).collect::<Vec<_>>()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
}

#[test]
fn a_name_that_looks_like_one_in_use_is_refused_and_says_why() {
    let mut lobby = Lobby::open();
    let mut stranger = lobby.stranger();
    // Cyrillic, full width, upper case, and one with a mark that composes to nothing else.
    for name in ["\u{430}lice", "ａｌｉｃｅ", "ALICE", "al\u{456}ce", "b\u{43e}b"] {
        stranger.send(name);
        stranger.expect_error(&["taken"]);
        stranger.expect_next("name: ");
    }
    for name in [
        "ali\u{200b}ce",
        "alice\u{202e}",
        "al\u{200d}ice",
        "a\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}lice",
        "\u{301}a",
    ] {
        stranger.send(name);
        stranger.expect_error(&[]);
        stranger.expect_next("name: ");
    }
    lobby.saw(&[]);
}

#[test]
fn a_look_alike_is_refused_as_either_name_is_shown_and_on_any_shard() {
    let server = Server::start(3, &[]);
    for (held, look_alikes) in [
        ("alice", &["aIice", "AIice", "a1ice"][..]),
        ("PayPaI", &["paypal", "PayPal", "PAYPAL"]),
        ("larry", &["Iarry", "IARRY"]),
        ("сосо", &["coco", "COCO", "cосо"]),
        ("b0b", &["bob", "BOB"]),
    ] {
        let mut holder = server.login(held);
        let mut stranger = Client::connect(server.address);
        stranger.expect("name: ");
        for name in look_alikes {
            stranger.send(name);
            stranger.expect_error(&[name, "looks like", held, "taken"]);
            stranger.expect_next("name: ");
        }
        holder.send("/quit");
        holder.expect_closed();
    }
    let _ian = server.login("ian");
    let mut lan = server.login("lan");
    lan.ask("/who");
    lan.send("/nick Ian");
    lan.expect_error(&["taken"]);
}

#[test]
fn korean_is_counted_in_syllables_and_may_be_letters_alone() {
    let mut lobby = Lobby::open();
    let mut stranger = lobby.stranger();
    stranger.send("\u{110f}\u{110f}");
    stranger.expect_error(&["part of a syllable", "ㅋㅋ"]);
    stranger.expect_next("name: ");
    stranger.send("ﬁn");
    stranger.expect_error(&["another form of fi", "use fi"]);
    stranger.expect_next("name: ");
    let name = "한".repeat(11);
    stranger.send(&"\u{1112}\u{1161}\u{11ab}".repeat(11));
    stranger.expect(&format!("{name} has joined general"));
    lobby.saw(&[&format!("{name} has joined general")]);
    lobby.guest("ㅇㅇ");
}
