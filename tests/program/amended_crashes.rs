//! The program is killed while people edit, delete, react and pin, while facts of rooms change and deleted texts are
//! erased: whoever reads later sees what was acknowledged, or what was asked and never answered.

use crate::harness::edge::{Edge, room};
use crate::harness::{Dice, PATIENCE, Server, files_with, madang, seed};
use madang_link::{EdgeEvent, EdgeRequest, SessionNumber};
use madang_model::{
    AccountId, AmendRequest, Amendment, Change, FactChange, Message, Page, Reaction, Refusal, Reply, Seq,
    ShownEntry, ShownMessage, Text,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const ROOMS: [&str; 3] = ["r1", "마당", "r3"];
/// The people of each room. Each has a mark of their own to react with.
const MARKS: [&str; 4] = ["👍", "❤️", "웃음", "+1"];
/// The longest time between the first request and the kill, in milliseconds.
const KILL_AFTER_MS_MAX: u64 = 500;
/// The rounds start with these numbers of shards, in turn.
const SHARDS: [u16; 5] = [2, 3, 1, 5, 2];

#[test]
fn what_became_of_messages_and_facts_is_stored_after_kill_nine() {
    rounds(4);
}

#[test]
#[ignore = "a long run: just long"]
fn what_became_of_messages_and_facts_is_stored_after_fifty_times_kill_nine() {
    rounds(50);
}

fn rounds(count: usize) {
    let mut dice = Dice(seed());
    let mut server = Server::start(SHARDS[0], &["edge.enabled=true"]);
    let mut rooms: Vec<KnownRoom> = ROOMS.into_iter().map(KnownRoom::new).collect();
    let mut facts = 0;
    for round in 0..count {
        let eraser = erase_something(&server.data(), &rooms, &mut dice);
        talk(&mut server, &mut rooms, &mut facts, round, &mut dice);
        if let Some(mut eraser) = eraser {
            let _ = eraser.kill();
            eraser.wait().expect("wait");
        }
        for known in &mut rooms {
            known.check_facts(&server.data());
        }
        server.start_again_with(SHARDS[(round + 1) % SHARDS.len()]);
        read_again(&server, &mut rooms);
    }
    let (mut amended, mut deleted) = (0, Vec::new());
    for known in &rooms {
        amended += known.amendments;
        deleted.extend(known.messages.values().filter(|message| message.is_deleted).flat_map(|m| &m.texts));
    }
    let of_rooms: Vec<usize> = rooms.iter().map(|known| known.messages.len()).collect();
    println!(
        "{count} rounds: {of_rooms:?} messages, {amended} amendments, {} deleted texts, {facts} facts",
        deleted.len()
    );
    assert!(amended > count * MARKS.len() && facts > count, "this run shows nothing");
    assert!(server.terminate().0.success());
    for known in &rooms {
        for seq in known.deleted() {
            assert!(erase(&server.data(), known.name, seq).wait().expect("wait").code() <= Some(1));
        }
    }
    let left: Vec<_> =
        deleted.into_iter().filter(|text| !files_with(&server.data(), text).is_empty()).collect();
    assert!(left.is_empty(), "deleted, erased, and still in files: {left:?}");
    server.verify();
    server.start_again();
    read_again(&server, &mut rooms);
}

/// What is known of a message: what somebody saw of it, or asked and was not answered.
#[derive(Default, Debug)]
struct KnownMessage {
    author: usize,
    /// The text it has, and all that it had.
    texts: Vec<String>,
    is_deleted: bool,
    reactions: BTreeMap<String, u32>,
    is_pinned: bool,
}

/// Something that was asked and is not answered.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Asked {
    Say { text: String },
    Edit { target: u64, text: String },
    Delete { target: u64 },
    React { target: u64, mark: usize },
    Pin { target: u64, is_pinned: bool },
    Join { account: u64 },
}

/// What is known of a room.
struct KnownRoom {
    name: &'static str,
    messages: BTreeMap<u64, KnownMessage>,
    amendments: usize,
    /// By person.
    asked: Vec<Option<Asked>>,
    members: BTreeSet<u64>,
}

impl KnownRoom {
    fn new(name: &'static str) -> KnownRoom {
        let asked = vec![None; MARKS.len()];
        KnownRoom { name, messages: BTreeMap::new(), amendments: 0, asked, members: BTreeSet::new() }
    }

    fn deleted(&self) -> impl Iterator<Item = u64> {
        self.messages.iter().filter(|(_, message)| message.is_deleted).map(|(seq, _)| *seq)
    }

    /// Somebody's next request.
    fn next_request(&self, person: usize, number: u64, dice: &mut Dice) -> Asked {
        let any: Vec<u64> = self.messages.keys().rev().take(200).copied().collect();
        let own = |seq: &&u64| {
            let message = &self.messages[*seq];
            message.author == person && !message.is_deleted
        };
        let mine: Vec<u64> = any.iter().filter(own).copied().collect();
        let mut one_of = |of: &[u64]| of[dice.roll(of.len() as u64) as usize];
        let text = format!("{} {person} says {number} <", self.name);
        if mine.is_empty() {
            return Asked::Say { text };
        }
        let (any, mine) = (one_of(&any), one_of(&mine));
        match dice.roll(10) {
            0..=2 => Asked::Say { text },
            3..=4 => Asked::Edit { target: mine, text },
            5 => Asked::Delete { target: mine },
            6..=7 => Asked::React { target: any, mark: person },
            8 => Asked::Pin { target: any, is_pinned: dice.roll(2) == 0 },
            _ => Asked::Join { account: number },
        }
    }

    fn said(&mut self, message: &Message) {
        let author = author_of(message.author.as_str());
        let text = message.text.as_str().to_owned();
        let asked = &mut self.asked[author];
        if *asked == Some(Asked::Say { text: text.clone() }) {
            *asked = None;
        }
        let known = KnownMessage { author, texts: vec![text], ..KnownMessage::default() };
        assert!(self.messages.insert(message.seq.0, known).is_none(), "{} twice: {message:?}", self.name);
    }

    fn amended(&mut self, amendment: &Amendment) {
        self.amendments += 1;
        let target = amendment.target.0;
        match &amendment.change {
            Change::Edit { text } => self.messages.get_mut(&target).expect("a message").edit(text.as_str()),
            Change::Deletion => self.messages.get_mut(&target).expect("a message").is_deleted = true,
            Change::Pin { is_pinned } => {
                self.messages.get_mut(&target).expect("a message").is_pinned = *is_pinned;
            }
            Change::Reactions(of) => {
                for one in of {
                    let sums = one.sums.iter().map(|(reaction, sum)| (reaction.as_str().to_owned(), sum));
                    self.messages.get_mut(&one.message.0).expect("a message").reactions = sums.collect();
                    let is_answered =
                        |person: usize| one.sums.iter().any(|(mark, _)| mark.as_str() == MARKS[person]);
                    for person in (0..MARKS.len()).filter(|person| is_answered(*person)) {
                        if self.asked[person] == Some(Asked::React { target: one.message.0, mark: person }) {
                            self.asked[person] = None;
                        }
                    }
                }
            }
            Change::Topic { .. } => panic!("nobody asked for {amendment:?}"),
        }
        if !matches!(amendment.change, Change::Reactions(_)) {
            self.asked[author_of(amendment.author.as_str())] = None;
        }
    }

    /// What a message is found to be, after a crash.
    fn found(&mut self, shown: &ShownMessage) {
        let seq = shown.seq().0;
        if !self.messages.contains_key(&seq) {
            let message = shown.message().unwrap_or_else(|| panic!("nobody knew of #{seq}: {shown:?}"));
            let asked = Asked::Say { text: message.text.as_str().to_owned() };
            let author = author_of(message.author.as_str());
            assert_eq!(self.asked[author], Some(asked), "{} #{seq} was not asked for", self.name);
            return self.said(message);
        }
        let known = self.messages.get_mut(&seq).expect("it was there");
        let asked: Vec<&Asked> = self.asked.iter().flatten().collect();
        let fault = |what: &str| format!("{} #{seq} {what}: {shown:?}, known: {asked:?}", self.name);
        let Some(message) = shown.message() else {
            let may_be = known.is_deleted || asked.contains(&&Asked::Delete { target: seq });
            assert!(may_be, "{}", fault("is deleted, which nobody asked for"));
            known.is_deleted = true;
            return;
        };
        assert!(!known.is_deleted, "{}", fault("is deleted and shown"));
        let text = message.text.as_str();
        if known.texts.last().expect("a text") != text {
            let edit = Asked::Edit { target: seq, text: text.to_owned() };
            assert!(asked.contains(&&edit), "{}", fault("has a text that nobody asked for"));
            known.edit(text);
        }
        assert_eq!(shown.edited().is_some(), known.texts.len() > 1, "{}", fault("is edited, or not"));
        let sums = shown.reactions();
        let sums: BTreeMap<String, u32> =
            sums.iter().map(|(reaction, sum)| (reaction.as_str().to_owned(), sum)).collect();
        for (person, mark) in MARKS.iter().enumerate() {
            let (was, is) = (known.reactions.get(*mark).unwrap_or(&0), sums.get(*mark).unwrap_or(&0));
            let may_be_more = self.asked[person] == Some(Asked::React { target: seq, mark: person });
            assert!(is == was || (*is == was + 1 && may_be_more), "{}", fault("has other reactions"));
        }
        known.reactions = sums;
        let may_be = known.is_pinned == shown.is_pinned()
            || asked.contains(&&Asked::Pin { target: seq, is_pinned: shown.is_pinned() });
        assert!(may_be, "{}", fault("is pinned, or not"));
        known.is_pinned = shown.is_pinned();
    }

    /// What the tool says of the members is what was asked, and all that was acknowledged.
    fn check_facts(&mut self, data: &Path) {
        if self.members.is_empty() {
            return;
        }
        let mut program = madang();
        program.args(["room", "show", self.name, "--json", "--data"]).arg(data);
        let output = program.output().expect("madang");
        assert!(output.status.success(), "{output:?}");
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let members = shown["members"].as_object().expect("members");
        let found: BTreeSet<u64> = members.keys().map(|account| account.parse().expect("a number")).collect();
        let lost: Vec<_> = self.members.difference(&found).collect();
        assert!(lost.is_empty(), "{}: members that were acknowledged are lost: {lost:?}", self.name);
        for more in found.difference(&self.members) {
            let asked = Some(Asked::Join { account: *more });
            assert!(self.asked.contains(&asked), "{}: nobody asked for member {more}", self.name);
        }
        assert_eq!(shown["revision"].as_u64(), Some(found.len() as u64), "{}: {shown}", self.name);
        self.members = found;
    }
}

impl KnownMessage {
    fn edit(&mut self, text: &str) {
        self.texts.push(text.to_owned());
    }
}

/// The name of a person of a room.
fn name_of(person: usize, in_room: usize) -> String {
    format!("사람{person}of{in_room}")
}

fn author_of(name: &str) -> usize {
    let is_named = |person: &usize| (0..ROOMS.len()).any(|index| name_of(*person, index) == name);
    (0..MARKS.len()).find(is_named).expect("one of ours")
}

fn erase(data: &Path, in_room: &str, seq: u64) -> Child {
    let mut program = madang();
    program.args(["log", "erase", "--room", in_room, "--seq", &seq.to_string(), "--data"]).arg(data);
    program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("madang")
}

/// Has a message erased that was deleted before.
fn erase_something(data: &Path, rooms: &[KnownRoom], dice: &mut Dice) -> Option<Child> {
    let known = &rooms[dice.roll(rooms.len() as u64) as usize];
    let deleted: Vec<u64> = known.deleted().collect();
    let seq = *deleted.get(dice.roll(deleted.len().max(1) as u64) as usize)?;
    Some(erase(data, known.name, seq))
}

/// Everybody asks one thing after another until the server is killed.
fn talk(server: &mut Server, rooms: &mut [KnownRoom], facts: &mut usize, round: usize, dice: &mut Dice) {
    let mut edge = Edge::connect(server);
    let mut sessions: BTreeMap<SessionNumber, (usize, usize)> = BTreeMap::new();
    for (index, known) in rooms.iter_mut().enumerate() {
        known.asked.fill(None);
        for person in 0..MARKS.len() {
            let account = (index * MARKS.len() + person + 1) as u64;
            let session = edge.login_as(account, &name_of(person, index), known.name);
            sessions.insert(session, (index, person));
        }
    }
    edge.take_events();
    let ends = Instant::now() + Duration::from_millis(50 + dice.roll(KILL_AFTER_MS_MAX));
    let mut number = (round as u64 + 1) * 1_000_000;
    let mut is_killed = false;
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "the link does not end");
        if !is_killed && Instant::now() >= ends {
            server.kill_nine();
            is_killed = true;
        }
        if !is_killed {
            for (session, (index, person)) in &sessions {
                let known = &mut rooms[*index];
                if known.asked[*person].is_none() {
                    number += 1;
                    let asked = known.next_request(*person, number, dice);
                    edge.ask(*session, &request(known.name, &asked));
                    known.asked[*person] = Some(asked);
                }
            }
        }
        edge.exchange();
        for event in edge.take_events() {
            hear(event, rooms, &sessions, facts);
        }
        if edge.has_ended() {
            break;
        }
    }
}

fn request(of: &str, asked: &Asked) -> EdgeRequest {
    let text_of = |text: &str| Text::sanitise(text).expect("a text");
    let amend = |target: u64, change: AmendRequest| EdgeRequest::Amend {
        room: room(of),
        draft: None,
        target: Seq(target),
        change,
    };
    match asked {
        Asked::Say { text } => EdgeRequest::Publish { room: room(of), draft: None, text: text_of(text) },
        Asked::Edit { target, text } => amend(*target, AmendRequest::Edit { text: text_of(text) }),
        Asked::Delete { target } => amend(*target, AmendRequest::Delete),
        Asked::React { target, mark } => {
            let reaction = Reaction::parse(MARKS[*mark]).expect("a reaction");
            amend(*target, AmendRequest::React { reaction, is_added: true })
        }
        Asked::Pin { target, is_pinned } => amend(*target, AmendRequest::Pin { is_pinned: *is_pinned }),
        Asked::Join { account } => EdgeRequest::ChangeFacts {
            room: room(of),
            by: AccountId(1),
            change: Box::new(FactChange::Join { account: AccountId(*account), joined: Seq::ZERO }),
        },
    }
}

/// Takes down what one was sent.
fn hear(
    event: EdgeEvent,
    rooms: &mut [KnownRoom],
    sessions: &BTreeMap<SessionNumber, (usize, usize)>,
    facts: &mut usize,
) {
    let index_of = |name: &str| ROOMS.iter().position(|known| *known == name).expect("a room of ours");
    match event {
        EdgeEvent::Message { message, .. } => rooms[index_of(message.room.as_str())].said(&message),
        EdgeEvent::Amended { amendment, .. } => rooms[index_of(amendment.room.as_str())].amended(&amendment),
        EdgeEvent::Reply { session, reply: Reply::FactsChanged { result, .. } } => {
            result.expect("a change that makes sense");
            let (index, person) = sessions[&session];
            let Some(Asked::Join { account }) = rooms[index].asked[person].take() else {
                panic!("nobody asked for a change of facts")
            };
            rooms[index].members.insert(account);
            *facts += 1;
        }
        EdgeEvent::Reply { session, reply: Reply::NotSaid(refusal) } => {
            let is_possible =
                matches!(refusal, Refusal::NoSuchMessage { .. } | Refusal::NothingChanges { .. });
            assert!(is_possible, "{refusal:?}");
            let (index, person) = sessions[&session];
            rooms[index].asked[person] = None;
        }
        EdgeEvent::UserJoined { .. } | EdgeEvent::UserLeft { .. } | EdgeEvent::Closed { .. } => {}
        other => panic!("nobody expects {other:?}"),
    }
}

/// What somebody who comes later sees of each room, page by page, and entry by entry.
fn read_again(server: &Server, rooms: &mut [KnownRoom]) {
    let mut edge = Edge::connect(server);
    for (index, known) in rooms.iter_mut().enumerate() {
        let reader = edge.login(&format!("reader{index}"), known.name);
        let pages = read_pages(&mut edge, reader, known.name);
        let numbers: BTreeSet<u64> = pages.iter().map(|shown| shown.seq().0).collect();
        assert_eq!(numbers.len(), pages.len(), "{}: a message is on two pages", known.name);
        let lost: Vec<_> = known.messages.keys().filter(|seq| !numbers.contains(seq)).collect();
        assert!(lost.is_empty(), "{}: lost messages: {lost:?}", known.name);
        for shown in &pages {
            known.found(shown);
        }
        let resumed = resume(&mut edge, reader, known.name);
        let paged: Vec<_> = pages.iter().map(looks).collect();
        assert_eq!(resumed, paged, "{}: who resumes knows something else than the pages show", known.name);
    }
}

fn read_pages(edge: &mut Edge, reader: SessionNumber, name: &str) -> Vec<ShownMessage> {
    let (mut pages, mut after) = (Vec::new(), Seq::ZERO);
    loop {
        let page = Page::After { seq: after, count: Page::MESSAGES_MAX };
        edge.ask(reader, &EdgeRequest::History { room: room(name), page });
        let is_page = |event: &EdgeEvent| matches!(event, EdgeEvent::Reply { reply: Reply::History(_), .. });
        let EdgeEvent::Reply { reply: Reply::History(page), .. } = edge.expect("a page", is_page) else {
            unreachable!("it is one")
        };
        assert!(page.gap.is_none(), "{name}: {:?}", page.gap);
        let Some(last) = page.messages.last() else { return pages };
        after = last.seq();
        pages.extend(page.messages);
    }
}

/// What somebody knows of the messages of a room who resumes after nothing.
fn resume(edge: &mut Edge, reader: SessionNumber, name: &str) -> Vec<Looks> {
    let (mut messages, mut after) = (Vec::<ShownMessage>::new(), 0);
    loop {
        let request = EdgeRequest::Resume { room: room(name), after: Seq(after), count: Page::MESSAGES_MAX };
        edge.ask(reader, &request);
        let is_answer =
            |event: &EdgeEvent| matches!(event, EdgeEvent::Reply { reply: Reply::Resumed(_), .. });
        let EdgeEvent::Reply { reply: Reply::Resumed(resumed), .. } = edge.expect("entries", is_answer)
        else {
            unreachable!("it is one")
        };
        assert!(resumed.gap.is_none(), "{name}: {:?}", resumed.gap);
        for entry in resumed.entries {
            assert_eq!(entry.seq().0, after + 1, "{name}: an entry is missing");
            after += 1;
            match entry {
                ShownEntry::Message(message) => messages.push(message),
                ShownEntry::Amendment(amendment) => {
                    messages.iter_mut().for_each(|message| message.amend(&amendment));
                }
                ShownEntry::Gone { .. } => {}
            }
        }
        if after >= resumed.head.0 {
            return messages.iter().map(looks).collect();
        }
    }
}

/// Number, text, number of the last edit, reactions, whether pinned.
type Looks = (u64, Option<String>, Option<u64>, Vec<(String, u32)>, bool);

fn looks(shown: &ShownMessage) -> Looks {
    let text = shown.message().map(|message| message.text.as_str().to_owned());
    let sums = shown.reactions();
    let sums = sums.iter().map(|(reaction, sum)| (reaction.as_str().to_owned(), sum)).collect();
    (shown.seq().0, text, shown.edited().map(|edited| edited.seq.0), sums, shown.is_pinned())
}
