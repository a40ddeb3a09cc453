use super::*;
use crate::id::{AccountId, Seq};
use crate::name::RoomName;
use crate::text::Text;
use crate::time::Timestamp;
use std::collections::BTreeMap;

const ALICE: AccountId = AccountId(7);
const BOB: AccountId = AccountId(9);

fn by_alice(change: FactChange) -> DatedChange {
    DatedChange { time: Timestamp(1_790_000_000_000_000), by: ALICE, change }
}

fn text(text: &str) -> Option<Text> {
    Text::sanitise(text)
}

/// One of each.
fn changes() -> Vec<FactChange> {
    let until = Some(Timestamp(-5));
    vec![
        FactChange::Join { account: ALICE, joined: Seq(3) },
        FactChange::Role { account: ALICE, role: RoomRole::Owner },
        FactChange::Join { account: BOB, joined: Seq(u64::MAX >> 1) },
        FactChange::Role { account: BOB, role: RoomRole::Moderator },
        FactChange::Topic(text("오늘의 주제")),
        FactChange::Mute { account: BOB, until },
        FactChange::Unmute(BOB),
        FactChange::Mute { account: BOB, until: None },
        FactChange::Leave(BOB),
        FactChange::Ban { account: BOB, until },
        FactChange::Unban(BOB),
        FactChange::Ban { account: AccountId(u64::MAX), until: None },
        FactChange::Invite(BOB),
        FactChange::Uninvite(BOB),
        FactChange::Invite(BOB),
        FactChange::Set(RoomSetting::Access(RoomAccess::Private)),
        FactChange::Set(RoomSetting::Post(PostPolicy::Moderators)),
        FactChange::Set(RoomSetting::Guests(GuestPolicy::Read)),
        FactChange::Set(RoomSetting::Invite(InvitePolicy::Members)),
        FactChange::Set(RoomSetting::History(HistoryPolicy::SinceJoined)),
        FactChange::Set(RoomSetting::Title(text("A title"))),
        FactChange::Set(RoomSetting::SlowS(21_600)),
        FactChange::Set(RoomSetting::Capacity(u32::MAX)),
        FactChange::Set(RoomSetting::IdleTtlS(1)),
        FactChange::Set(RoomSetting::RetentionDays(90)),
        FactChange::Set(RoomSetting::Discussion(RoomName::from_log("r2").ok().map(DiscussionRoom))),
    ]
}

fn changed() -> RoomFacts {
    let mut facts = RoomFacts::default();
    for change in changes() {
        facts.change(&by_alice(change)).expect("it makes sense");
    }
    facts
}

#[test]
fn each_change_is_the_next_revision_and_read_positions_are_none() {
    let mut facts = RoomFacts::default();
    for (change, revision) in changes().into_iter().zip(1..) {
        assert_eq!(facts.change(&by_alice(change)), Ok(Revision(revision)));
    }
    let revision = facts.revision();
    assert!(facts.move_read(ALICE, Seq(9)));
    assert!(facts.move_read(ALICE, Seq(4)), "it may go back");
    assert!(!facts.move_read(ALICE, Seq(4)) && !facts.move_read(BOB, Seq(4)));
    assert_eq!((facts.revision(), facts.members()[&ALICE].read), (revision, Seq(4)));
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let before = changed();
    let mut facts = before.clone();
    let long = |bytes: usize| Text::sanitise(&"x".repeat(bytes));
    let refused = [
        (FactChange::Leave(BOB), FactRefusal::NoMember { account: BOB }),
        (FactChange::Role { account: BOB, role: RoomRole::Owner }, FactRefusal::NoMember { account: BOB }),
        (FactChange::Join { account: ALICE, joined: Seq(4) }, FactRefusal::MemberAlready { account: ALICE }),
        (FactChange::Invite(ALICE), FactRefusal::MemberAlready { account: ALICE }),
        (FactChange::Unmute(ALICE), FactRefusal::NothingToLift { account: ALICE }),
        (FactChange::Unban(BOB), FactRefusal::NothingToLift { account: BOB }),
        (FactChange::Uninvite(ALICE), FactRefusal::NothingToLift { account: ALICE }),
        (FactChange::Set(RoomSetting::SlowS(21_601)), FactRefusal::TooSlow { value: 21_601, limit: 21_600 }),
        (FactChange::Topic(long(1025)), FactRefusal::TooLong { bytes: 1025, limit: 1024 }),
        (FactChange::Set(RoomSetting::Title(long(513))), FactRefusal::TooLong { bytes: 513, limit: 512 }),
    ];
    for (change, refusal) in refused {
        assert_eq!(facts.change(&by_alice(change)), Err(refusal));
        assert_eq!(facts, before);
    }
}

#[test]
fn a_stored_change_that_does_not_follow_is_a_fault() {
    let mut facts = RoomFacts::default();
    let join = by_alice(FactChange::Join { account: ALICE, joined: Seq(0) });
    for found in [Revision(0), Revision(2)] {
        assert_eq!(facts.replay(found, &join), Err(FactsFault::Gap { known: Revision(0), found }));
    }
    assert_eq!(facts.replay(Revision(1), &join), Ok(()));
    let refusal = FactRefusal::MemberAlready { account: ALICE };
    let fault = FactsFault::Senseless { revision: Revision(2), refusal };
    assert_eq!(facts.replay(Revision(2), &join), Err(fault));
}

#[test]
fn a_room_takes_no_more_than_fits_into_one_batch_of_its_log() {
    let mut facts = RoomFacts::default();
    let step = u64::MAX / (RoomFacts::ENTRIES_MAX as u64 + 1);
    let ban = |number: u64| {
        let (account, until) = (AccountId(number * step), Some(Timestamp(i64::MIN)));
        let change = FactChange::Ban { account, until };
        DatedChange { time: Timestamp(i64::MIN), by: AccountId(u64::MAX), change }
    };
    for number in 1..=RoomFacts::ENTRIES_MAX as u64 {
        facts.change(&ban(number)).expect("there is a place");
    }
    let refusal = FactRefusal::TooMany { limit: RoomFacts::ENTRIES_MAX };
    assert_eq!(facts.change(&by_alice(FactChange::Invite(BOB))), Err(refusal));
    assert_eq!(facts.change(&by_alice(FactChange::Mute { account: ALICE, until: None })), Err(refusal));
    assert!(facts.change(&ban(3)).is_ok(), "what is there may change");
    // The smallest segments have 1 MiB.
    assert!(facts.encode().len() < 800 * 1024, "{} bytes", facts.encode().len());
    facts.change(&by_alice(FactChange::Unban(AccountId(3 * step)))).expect("it is there");
    assert!(facts.change(&by_alice(FactChange::Invite(BOB))).is_ok(), "there is a place again");
}

#[test]
fn what_a_repair_knows_nothing_of_lets_nobody_in() {
    let mut facts = RoomFacts::default();
    facts.lose_up_to(Revision(4));
    assert_eq!(facts.revision(), Revision(4));
    assert_eq!((facts.settings().access, facts.settings().guests), (RoomAccess::Private, GuestPolicy::No));
    let mut known = changed();
    let before = known.clone();
    known.lose_up_to(known.revision().next());
    assert_eq!((known.members(), known.bans()), (before.members(), before.bans()));
    assert_eq!(known.settings().guests, GuestPolicy::No, "a ban may be lost");
}

#[test]
fn a_ban_ends_membership_and_invitation_and_a_join_the_invitation() {
    let mut facts = RoomFacts::default();
    for change in [
        FactChange::Invite(BOB),
        FactChange::Join { account: BOB, joined: Seq(5) },
        FactChange::Invite(ALICE),
        FactChange::Ban { account: BOB, until: None },
        FactChange::Ban { account: ALICE, until: None },
    ] {
        facts.change(&by_alice(change)).expect("it makes sense");
    }
    assert!(facts.members().is_empty() && facts.invitations().is_empty());
    assert_eq!(facts.bans().len(), 2);
}

#[test]
fn facts_are_read_as_they_were_written_and_no_cut_of_them_is() {
    let mut facts = changed();
    facts.move_read(ALICE, Seq(1));
    let body = facts.encode();
    assert_eq!(RoomFacts::decode(facts.revision(), &body), Ok(facts));
    for end in 0..body.len() {
        assert!(RoomFacts::decode(Revision(1), &body[..end]).is_err(), "{end} bytes of them");
    }
}

#[test]
fn changes_are_read_as_they_were_written_and_no_cut_of_them_is() {
    let changes: Vec<DatedChange> = changes().into_iter().map(by_alice).collect();
    let body = DatedChange::encode_all(changes.iter());
    assert_eq!(DatedChange::decode_all(&body), Ok(changes.clone()));
    for end in 0..body.len() {
        assert!(DatedChange::decode_all(&body[..end]).is_err(), "{end} bytes of them");
    }
    let none = DatedChange::encode_all([].iter());
    assert!(DatedChange::decode_all(&none).is_err(), "a record holds a change");
}

#[test]
fn read_positions_are_read_as_they_were_written_and_no_cut_of_them_is() {
    let reads = BTreeMap::from([(AccountId(0), Seq(4)), (ALICE, Seq(0)), (BOB, Seq(u64::MAX))]);
    let body = RoomFacts::encode_reads(&reads);
    assert_eq!(RoomFacts::decode_reads(&body), Ok(reads));
    for end in 0..body.len() {
        assert!(RoomFacts::decode_reads(&body[..end]).is_err(), "{end} bytes of them");
    }
}

#[test]
fn another_version_and_wrong_bytes_are_refused() {
    let mut body = changed().encode();
    body.push(0);
    assert!(RoomFacts::decode(Revision(1), &body).is_err(), "something is left over");
    body.pop();
    body[0] = 2;
    assert!(RoomFacts::decode(Revision(1), &body).is_err(), "another version");
    // An account twice, and a list that is longer than anything.
    for body in [&[1, 0, 2, 7, 0, 0, 0][..], &[1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 1]] {
        assert!(RoomFacts::decode_reads(body).is_err());
    }
    assert!(DatedChange::decode_all(&[1, 0xff, 0xff, 3]).is_err());
}

/// Part of the stored format: what a release has written is read by every later one.
#[test]
fn the_coding_is_stable_across_releases() {
    let changes: Vec<DatedChange> = changes().into_iter().map(by_alice).take(6).collect();
    assert_eq!(hex(&DatedChange::encode_all(changes.iter())), CHANGES);
    assert_eq!(hex(&changed().encode()), FACTS);
    let reads = BTreeMap::from([(ALICE, Seq(300)), (BOB, Seq(301))]);
    assert_eq!(hex(&RoomFacts::encode_reads(&reads)), READS);
}

const CHANGES: &str = "01068080afa2dbffad06070207038080afa2dbffad06070407028080afa2dbffad06070209ffffffffffffff\
    ff7f8080afa2dbffad06070409018080afa2dbffad06070110ec98a4eb8a98ec9d9820eca3bceca09c8080af\
    a2dbffad060705090109";
const FACTS: &str = "010101010001e0a801ffffffff0f015a0741207469746c6502723210ec98a4eb8a98ec9d9820eca3bceca09c\
    01070206000109000701ffffffffffffffffff0100070109078080afa2dbffad06";
const READS: &str = "01ad020207010200";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_was_stored_under_other_limits_is_there_again() {
    let mut facts = RoomFacts::default();
    for account in 0..RoomFacts::ENTRIES_MAX as u64 {
        facts.change(&by_alice(FactChange::Invite(AccountId(account)))).expect("there is a place");
    }
    let long = text(&"x".repeat(FactChange::TOPIC_BYTES_MAX + 1));
    let title = text(&"x".repeat(RoomSettings::TITLE_BYTES_MAX + 1));
    let changes = [
        FactChange::Topic(long),
        FactChange::Set(RoomSetting::Title(title)),
        FactChange::Set(RoomSetting::SlowS(RoomSettings::SLOW_S_MAX + 1)),
        FactChange::Invite(AccountId(u64::MAX)),
    ];
    for change in changes {
        let change = by_alice(change);
        assert!(facts.clone().change(&change).is_err(), "nobody may make it today");
        facts.replay(facts.revision().next(), &change).expect("it was stored");
    }
    let again = RoomFacts::decode(facts.revision(), &facts.encode());
    assert_eq!(again.expect("it is read"), facts);
}

#[test]
fn names_and_texts_that_are_none_by_the_rules_of_today_do_not_make_facts_unreadable() {
    let mut facts = RoomFacts::default();
    let discussion = DiscussionRoom(RoomName::parse("answers").expect("a room name"));
    for change in [
        FactChange::Join { account: AccountId(7), joined: Seq(1) },
        FactChange::Set(RoomSetting::Discussion(Some(discussion))),
        FactChange::Topic(text("subject")),
    ] {
        facts.change(&by_alice(change)).expect("it makes sense");
    }
    let mut body = facts.encode();
    for word in [&b"answers"[..], b"subject"] {
        let at = body.windows(word.len()).position(|bytes| bytes == word).expect("it is there");
        body[at..at + word.len()].fill(0x01);
    }
    let read = RoomFacts::decode(facts.revision(), &body).expect("it is read");
    assert_eq!((&read.settings().discussion, read.topic()), (&None, None));
    assert_eq!(read.members(), facts.members());
}

#[test]
fn where_changes_are_lost_nobody_enters_who_may_have_been_kept_out() {
    let mut facts = RoomFacts::default();
    facts.change(&by_alice(FactChange::Topic(text("open to all")))).expect("it makes sense");
    facts.lose_up_to(facts.revision());
    assert_eq!(facts.settings().access, RoomAccess::Open, "nothing is lost");
    facts.lose_up_to(Revision(5));
    assert_eq!(facts.revision(), Revision(5));
    assert_eq!((facts.settings().access, facts.settings().guests), (RoomAccess::Private, GuestPolicy::No));
    facts
        .change(&by_alice(FactChange::Set(RoomSetting::Access(RoomAccess::Direct))))
        .expect("it makes sense");
    facts.lose_up_to(Revision(9));
    assert_eq!(facts.settings().access, RoomAccess::Direct);
}
