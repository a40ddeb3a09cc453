//! What version 1 looks like on the wire, byte by byte. Other releases speak it: when this test fails, the change
//! needs a new version, not a new sample.

use super::amending::{
    amendment, every_amend_request, every_change, every_refusal_to_amend, every_shown_reply,
    refusal_of_a_guest,
};
use super::rig::{draft, room, text, user};
use super::talking::every_reply;
use crate::body::control::{
    GoingDownBody, GoodbyeBody, HelloBody, PingBody, RejectedBody, TakenBody, WelcomeBody,
};
use crate::body::{EventBody, open};
use crate::convert::{
    bad_request_body, began_body, close_body, closed_body, event_in_all_body, open_body, read_request,
    reply_body, request_body, room_event_body,
};
use crate::edge_end::{FromCore, read};
use crate::format::{BatchBuilder, BatchReader, Body, EnvelopeEncoder, Kind, WireFault};
use crate::{EdgeRequest, RequestFault, SessionEnd, SessionNumber};
use madang_model::{
    Account, AccountId, AccountKind, Away, Cursor, FactChange, FactRefusal, FactsNotChanged, LeaveReason,
    ListStart, LogEpoch, MembersPage, Message, Page, Refusal, Reply, Revision, RoomEvent, RoomName,
    RoomSetting, RoomSummary, RoomsPart, Seq, SessionId, ShardId, Timestamp, WhoMember,
};
use std::sync::Arc;

/// One envelope a line: its kind and its bytes.
const SAMPLE: &str = include_str!("sample-v1.txt");

/// Encodes envelopes and keeps them as lines.
#[derive(Default)]
struct Lines(EnvelopeEncoder, Vec<String>);

impl Lines {
    fn add(&mut self, kind: Kind, body: &impl Body) {
        let version = if kind.needs_credit() { 1 } else { 0 };
        let bytes = self.0.encode(version, kind, body).expect("a short envelope");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.1.push(format!("{kind:?} {hex}"));
    }
}

fn every_request() -> Vec<EdgeRequest> {
    let away = |words| Some(Away { text: words });
    vec![
        EdgeRequest::Claim { name: user("alice") },
        EdgeRequest::SetAway { away: away(Some(text("out to lunch"))) },
        EdgeRequest::SetAway { away: away(None) },
        EdgeRequest::SetAway { away: None },
        EdgeRequest::Whois { name: user("bob") },
        EdgeRequest::Whisper { to: user("bob"), draft: draft("7f3a"), text: text("psst") },
        EdgeRequest::Join { room: room("마당") },
        EdgeRequest::Leave { room: room("r1") },
        EdgeRequest::Publish { room: room("r1"), draft: None, text: text("안녕하세요, everybody") },
        EdgeRequest::History { room: room("r1"), page: Page::Last { count: 15 } },
        EdgeRequest::History { room: room("r1"), page: Page::Before { seq: Seq(41), count: 15 } },
        EdgeRequest::History { room: room("r1"), page: Page::After { seq: Seq(41), count: 15 } },
        EdgeRequest::Who { room: room("r1") },
        EdgeRequest::Rooms { pattern: "r".into() },
    ]
}

/// What was added behind the others.
fn every_later_request() -> Vec<EdgeRequest> {
    let (by, account) = (AccountId(7), AccountId(300));
    let change = |change| EdgeRequest::ChangeFacts { room: room("마당"), by, change: Box::new(change) };
    vec![
        change(FactChange::Join { account, joined: Seq(41) }),
        change(FactChange::Topic(Some(text("안녕하세요")))),
        change(FactChange::Set(RoomSetting::SlowS(30))),
        EdgeRequest::MoveRead { room: room("r1"), account, read: Seq(41) },
    ]
}

fn every_later_reply() -> Vec<Reply> {
    let account = AccountId(300);
    let reply = |result| Reply::FactsChanged { room: room("마당"), result };
    let refused = |refusal: FactRefusal| reply(Err(refusal.into()));
    vec![
        reply(Ok(Revision(41))),
        refused(FactRefusal::NoMember { account }),
        refused(FactRefusal::NothingToLift { account }),
        refused(FactRefusal::MemberAlready { account }),
        refused(FactRefusal::TooSlow { value: 21_601, limit: 21_600 }),
        refused(FactRefusal::TooLong { bytes: 1_025, limit: 1_024 }),
        reply(Err(FactsNotChanged::NotStored { reason: "the disk is full".into() })),
        refused(FactRefusal::TooMany { limit: 24_576 }),
    ]
}

fn claim_as() -> EdgeRequest {
    EdgeRequest::Claim {
        name: user("alice").known_as(Account::new(AccountKind::Service, AccountId(300)).into()),
    }
}

fn replies_of_sessions() -> Vec<Reply> {
    let message = Message {
        room: RoomName::from_log("alice&bob").expect("a direct room"),
        seq: Seq(41),
        time: Timestamp(1_795_176_191_000_000),
        author: user("alice"),
        draft: None,
        text: text("psst"),
    };
    vec![
        Reply::Refused(Refusal::TooManySessions { name: user("alice"), sessions_max: 16 }),
        Reply::WhisperSent { from: user("alice"), to: user("bob"), message: Arc::new(message) },
    ]
}

/// Pages of lists, which were added behind those.
fn every_list_request() -> Vec<EdgeRequest> {
    let (of_members, of_rooms) = (
        Cursor::of_members(EPOCH, room("r1").key(), user("bob").key()),
        Cursor::of_rooms(EPOCH, "r", room("r1").key()),
    );
    let members = |cursor| EdgeRequest::Members { room: room("r1"), cursor, count: 50 };
    let rooms = |cursor| EdgeRequest::RoomsInOrder { pattern: "r".into(), cursor, count: 50 };
    vec![members(None), members(Some(of_members)), rooms(None), rooms(Some(of_rooms))]
}

fn every_list_reply() -> Vec<Reply> {
    let members = |next| {
        let member = WhoMember { name: user("bob"), is_away: true, is_lost: false };
        Reply::Members(MembersPage { room: room("r1"), members: vec![member], total: 7, epoch: EPOCH, next })
    };
    let rooms = |after, has_more, is_busy| {
        let listed = RoomSummary { room: room("마당"), members: 3, head: Seq(6) };
        let start = ListStart { epoch: EPOCH, after, count: 50 };
        Reply::RoomsPart(RoomsPart { shard: ShardId(1), start, rooms: vec![listed], has_more, is_busy })
    };
    vec![
        members(None),
        members(Some(user("bob").key())),
        rooms(None, false, true),
        rooms(Some(room("r1").key()), true, false),
    ]
}

/// What became of messages, which was added behind those.
fn every_request_of_amendments() -> Vec<EdgeRequest> {
    let amend =
        |change| EdgeRequest::Amend { room: room("r1"), draft: draft("7f3a"), target: Seq(3), change };
    let mut requests = every_amend_request().map(amend).to_vec();
    requests.push(EdgeRequest::Resume { room: room("r1"), after: Seq(4), count: 70 });
    requests
}

fn every_reply_of_amendments() -> Vec<Reply> {
    let too_old = Refusal::DraftTooOld { draft: draft("7f3a").expect("a draft") };
    let refused = every_refusal_to_amend().into_iter().chain([too_old]).map(Reply::NotSaid);
    every_shown_reply().into_iter().chain(refused).collect()
}

/// What was added behind those.
fn reply_to_a_guest() -> Reply {
    Reply::NotSaid(refusal_of_a_guest())
}

/// What is asked from outside a room, which was added behind those.
fn every_request_from_outside() -> Vec<EdgeRequest> {
    let account = Account::new(AccountKind::User, AccountId(300));
    let author = user("alice").known_as(account.into());
    vec![
        EdgeRequest::PublishAs {
            room: room("r1"), author, draft: draft("7f3a"), text: text("안녕하세요")
        },
        EdgeRequest::HistoryOf { room: room("마당"), page: Page::Around { seq: Seq(41), count: 15 } },
    ]
}

fn said() -> Reply {
    Reply::Said { message: Arc::new(message()) }
}

fn every_amended() -> Vec<RoomEvent> {
    let amended = (10..).zip(every_change()).map(|(seq, change)| amendment(seq, change));
    amended.map(|amendment| RoomEvent::Amended { amendment, author: SessionId::NOBODY }).collect()
}

const EPOCH: LogEpoch = LogEpoch(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
const LIST_FAULTS: [RequestFault; 2] = [RequestFault::Cursor, RequestFault::CursorOfOtherEpoch];

fn message() -> Message {
    Message {
        room: room("r1"),
        seq: Seq(41),
        time: Timestamp(1_795_176_191_000_000),
        author: user("alice"),
        draft: draft("7f3a"),
        text: text("hello, 마당"),
    }
}

fn every_room_event() -> Vec<RoomEvent> {
    vec![
        RoomEvent::Message { message: Arc::new(message()), author: SessionId::NOBODY },
        RoomEvent::Joined { user: user("bob") },
        RoomEvent::Left { user: user("bob"), reason: LeaveReason::Left, everywhere: None },
        RoomEvent::Renamed { old: user("bob"), new: user("robert-the-second"), everywhere: None },
    ]
}

const FAULTS: [RequestFault; 10] = [
    RequestFault::UserName,
    RequestFault::RoomName,
    RequestFault::DraftId,
    RequestFault::EmptyText,
    RequestFault::LongText,
    RequestFault::Pattern,
    RequestFault::NoName,
    RequestFault::ToOneself,
    RequestFault::Waiting,
    RequestFault::TooManyRooms,
];
const ENDS: [SessionEnd; 2] = [SessionEnd::Asked, SessionEnd::TooManyFromAddress { connections_max: 8 }];

fn lines() -> Vec<String> {
    let mut lines = Lines::default();
    lines.add(Kind::Hello, &HelloBody { oldest: 1, newest: 2, window_bytes: 4 << 20 });
    let welcome = WelcomeBody {
        version: 1,
        shard_count: 4,
        window_bytes: 1 << 20,
        sessions_max: 65_536,
        rooms_max: 64,
        text_bytes_max: 4_096,
    };
    lines.add(Kind::Welcome, &welcome);
    lines.add(Kind::Rejected, &RejectedBody { oldest: 3, newest: 4 });
    lines.add(Kind::Taken, &TakenBody { bytes: 1 << 40 });
    lines.add(Kind::Ping, &PingBody { zero: 0 });
    lines.add(Kind::GoingDown, &GoingDownBody { is_upgrade: true });
    lines.add(Kind::Goodbye, &GoodbyeBody { words: "the core is upgraded" });
    let session = SessionNumber::new(7).expect("a session");
    for address in [None, Some([192, 0, 2, 1].into()), Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into())] {
        lines.add(Kind::Request, &open_body(session, address));
    }
    lines.add(Kind::Request, &close_body(session, true));
    for request in every_request() {
        lines.add(Kind::Request, &request_body(session, &request));
    }
    for reply in every_reply() {
        lines.add(Kind::Event, &EventBody::Reply { session: 7, reply: reply_body(&reply) });
        if let Reply::NotSaid(refusal) = reply {
            let refused = Reply::Refused(refusal);
            lines.add(Kind::Event, &EventBody::Reply { session: 7, reply: reply_body(&refused) });
        }
    }
    for event in every_room_event() {
        let body = room_event_body("r1", &event, 7);
        lines.add(Kind::Event, &body);
    }
    ENDS.iter().for_each(|end| lines.add(Kind::Event, &closed_body(7, *end)));
    FAULTS.iter().for_each(|fault| lines.add(Kind::Event, &bad_request_body(7, *fault, "why it is so")));
    for request in every_later_request() {
        lines.add(Kind::Request, &request_body(session, &request));
    }
    for reply in every_later_reply() {
        lines.add(Kind::Event, &EventBody::Reply { session: 7, reply: reply_body(&reply) });
    }
    lines.add(Kind::Event, &bad_request_body(7, RequestFault::Facts, "why it is so"));
    lines.add(Kind::Request, &request_body(session, &claim_as()));
    for reply in replies_of_sessions() {
        lines.add(Kind::Event, &EventBody::Reply { session: 7, reply: reply_body(&reply) });
    }
    for event in every_room_event() {
        let body = event_in_all_body(&["r1", "마당"], &event);
        body.into_iter().for_each(|body| lines.add(Kind::Event, &body));
    }
    for request in every_list_request() {
        lines.add(Kind::Request, &request_body(session, &request));
    }
    for reply in every_list_reply() {
        lines.add(Kind::Event, &EventBody::Reply { session: 7, reply: reply_body(&reply) });
    }
    LIST_FAULTS.iter().for_each(|fault| lines.add(Kind::Event, &bad_request_body(7, *fault, "why it is so")));
    for request in every_request_of_amendments() {
        lines.add(Kind::Request, &request_body(session, &request));
    }
    for reply in every_reply_of_amendments() {
        lines.add(Kind::Event, &EventBody::Reply { session: 7, reply: reply_body(&reply) });
    }
    every_amended().iter().for_each(|event| lines.add(Kind::Event, &room_event_body("r1", event, 7)));
    lines.add(Kind::Event, &EventBody::Reply { session: 7, reply: reply_body(&reply_to_a_guest()) });
    for request in every_request_from_outside() {
        lines.add(Kind::Request, &request_body(session, &request));
    }
    lines.add(Kind::Event, &EventBody::Reply { session: 7, reply: reply_body(&said()) });
    lines.add(Kind::Event, &began_body(EPOCH));
    lines.1
}

#[test]
fn version_1_is_written_as_it_was() {
    for (written, kept) in lines().iter().zip(SAMPLE.lines()) {
        assert_eq!(written, kept);
    }
    let written = lines().join("\n") + "\n";
    assert!(written == SAMPLE, "the sample has other lines; these would be all:\n{written}");
}

/// What the sample's requests and events say, as the other end understands it.
fn heard() -> Vec<String> {
    let bytes_of = |hex: &str| -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("hex"));
        pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
    };
    let mut heard = Vec::new();
    for (_, hex) in SAMPLE.lines().map(|line| line.split_once(' ').expect("a kind and bytes")) {
        let mut batch = BatchBuilder::default();
        batch.add(&bytes_of(hex));
        let batch = batch.finish().expect("an envelope");
        let read = BatchReader::default().receive(&batch, |envelope| {
            let (kind, body) = (envelope.kind, envelope.body);
            match kind {
                Kind::Request => heard.push(format!("{:?}", read_request(open(kind, body)?, 4_096))),
                Kind::Event => heard.push(match read(envelope)? {
                    FromCore::Event(_, event) => format!("{event:?}"),
                    FromCore::Began(_, epoch) => format!("Began in {epoch:?}"),
                    _ => unreachable!("an event"),
                }),
                _ => {}
            }
            Ok::<_, WireFault>(())
        });
        read.expect("the sample can be read");
    }
    heard
}

#[test]
fn version_1_is_read_as_it_was_meant() {
    let mut expected = vec![
        "Incoming { session: 7, asked: Open(None) }".to_owned(),
        "Incoming { session: 7, asked: Open(Some(192.0.2.1)) }".to_owned(),
        "Incoming { session: 7, asked: Open(Some(2001:db8::1)) }".to_owned(),
        "Incoming { session: 7, asked: Close { is_clean: true } }".to_owned(),
    ];
    let requests = every_request();
    expected.extend(requests.iter().map(|it| format!("Incoming {{ session: 7, asked: Request({it:?}) }}")));
    let session = SessionNumber::new(7).expect("a session");
    for reply in every_reply() {
        expected.push(format!("Reply {{ session: {session:?}, reply: {reply:?} }}"));
        if let Reply::NotSaid(refusal) = reply {
            expected.push(format!("Reply {{ session: {session:?}, reply: Refused({refusal:?}) }}"));
        }
    }
    let room = room("r1");
    for event in every_room_event() {
        expected.push(match event {
            RoomEvent::Message { message, .. } => {
                format!("Message {{ message: {message:?}, author: Some({session:?}) }}")
            }
            RoomEvent::Amended { amendment, .. } => {
                format!("Amended {{ amendment: {amendment:?}, author: Some({session:?}) }}")
            }
            RoomEvent::Joined { user } => format!("UserJoined {{ room: {room:?}, user: {user:?} }}"),
            RoomEvent::Left { user, reason, .. } => {
                format!("UserLeft {{ room: {room:?}, user: {user:?}, reason: {reason:?} }}")
            }
            RoomEvent::Renamed { old, new, .. } => {
                format!("UserRenamed {{ room: {room:?}, old: {old:?}, new: {new:?} }}")
            }
        });
    }
    expected.extend(ENDS.map(|end| format!("Closed {{ session: {session:?}, reason: {end:?} }}")));
    let words = "why it is so";
    expected.extend(
        FAULTS.map(|it| format!("BadRequest {{ session: {session:?}, fault: {it:?}, words: {words:?} }}")),
    );
    let requests = every_later_request();
    expected.extend(requests.iter().map(|it| format!("Incoming {{ session: 7, asked: Request({it:?}) }}")));
    let replies = every_later_reply();
    expected.extend(replies.iter().map(|it| format!("Reply {{ session: {session:?}, reply: {it:?} }}")));
    let fault = RequestFault::Facts;
    expected.push(format!("BadRequest {{ session: {session:?}, fault: {fault:?}, words: {words:?} }}"));
    expected.push(format!("Incoming {{ session: 7, asked: Request({:?}) }}", claim_as()));
    let replies = replies_of_sessions();
    expected.extend(replies.iter().map(|it| format!("Reply {{ session: {session:?}, reply: {it:?} }}")));
    let rooms = [super::rig::room("r1"), super::rig::room("마당")];
    let (bob, robert) = (user("bob"), user("robert-the-second"));
    expected.push(format!("UserLeftAll {{ rooms: {rooms:?}, user: {bob:?}, reason: Left }}"));
    expected.push(format!("UserRenamedInAll {{ rooms: {rooms:?}, old: {bob:?}, new: {robert:?} }}"));
    let requests = every_list_request();
    expected.extend(requests.iter().map(|it| format!("Incoming {{ session: 7, asked: Request({it:?}) }}")));
    let replies = every_list_reply();
    expected.extend(replies.iter().map(|it| format!("Reply {{ session: {session:?}, reply: {it:?} }}")));
    expected.extend(
        LIST_FAULTS
            .map(|it| format!("BadRequest {{ session: {session:?}, fault: {it:?}, words: {words:?} }}")),
    );
    let requests = every_request_of_amendments();
    expected.extend(requests.iter().map(|it| format!("Incoming {{ session: 7, asked: Request({it:?}) }}")));
    let replies = every_reply_of_amendments();
    expected.extend(replies.iter().map(|it| format!("Reply {{ session: {session:?}, reply: {it:?} }}")));
    expected.extend(every_amended().into_iter().map(|event| match event {
        RoomEvent::Amended { amendment, .. } => {
            format!("Amended {{ amendment: {amendment:?}, author: Some({session:?}) }}")
        }
        other => panic!("an amendment, not {other:?}"),
    }));
    expected.push(format!("Reply {{ session: {session:?}, reply: {:?} }}", reply_to_a_guest()));
    let requests = every_request_from_outside();
    expected.extend(requests.iter().map(|it| format!("Incoming {{ session: 7, asked: Request({it:?}) }}")));
    expected.push(format!("Reply {{ session: {session:?}, reply: {:?} }}", said()));
    expected.push(format!("Began in {EPOCH:?}"));
    assert_eq!(heard(), expected);
}
