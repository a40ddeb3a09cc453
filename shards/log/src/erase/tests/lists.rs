use super::disk::{CRASHES, CrashDisk, DiskState};
use super::world::entries;
use crate::erase::list::{ErasureList, ErasureListError};
use crate::erase::rules::{ErasureCandidate, ErasureMatcher, ErasureRule};
use crate::files::{ErasureListFile, ErasureListFiles, FilesError};
use madang_model::{RoomName, Seq, Timestamp, UserName};

fn author(room: Option<&str>) -> ErasureRule {
    let room = room.map(|room| RoomName::from_log(room).expect("a room"));
    ErasureRule::Author { author: UserName::parse("홍길동").expect("a name"), room }
}

fn shown(list: &ErasureList) -> Vec<String> {
    let show = |entry: &crate::erase::ErasureEntry| {
        format!("{} {} {} {:?}", entry.id, entry.rule, entry.until.0, entry.done.map(|done| done.0))
    };
    list.entries().iter().map(show).collect()
}

#[test]
fn a_list_is_read_as_it_was_written_and_ids_differ() {
    let disk = CrashDisk::new(DiskState::default());
    let mut list = ErasureList::read(&disk).expect("there is none");
    let now = Timestamp(1_000);
    let first = list.ask(&disk, vec![entries(3, 9)], Timestamp(900), now).expect("space")[0];
    let others = vec![author(None), author(Some("alice&bob"))];
    let [second, third] = list.ask(&disk, others, now, now).expect("space")[..] else { panic!("two") };
    assert_eq!([first, second, third], [1_000, 1_001, 1_002]);
    list.done(&disk, &[first, third], Timestamp(2_000)).expect("space");
    let read = ErasureList::read(&disk).expect("it is whole");
    assert_eq!(shown(&read), shown(&list));
    assert_eq!(shown(&read)[0], "1000 entries 방 3 9 900 Some(2000)");
    assert_eq!(shown(&read)[1], "1001 author 홍길동 * 1000 None");
    assert_eq!(read.pending().map(|entry| entry.id).collect::<Vec<_>>(), [second]);
    let mut merged = ErasureList::default();
    assert!(merged.merge(&read) && merged.merge(&read), "of the same log");
    assert_eq!((merged.log(), shown(&merged)), (Some(1_000), shown(&read)));
    merged.reopen();
    assert_eq!(merged.pending().count(), 3, "an older copy of the log has all of it");
    let mut other = ErasureList::default();
    other.name_log(Timestamp(1_001));
    assert!(!other.merge(&read) && other.entries().is_empty(), "of another log");
}

/// What a list has erased of #1 to #9 in a log, said at 100, 200 and so on.
fn taken(list: &ErasureList) -> Vec<u64> {
    let asked = list.asked_erasures();
    let key = super::world::room().key();
    (1..=9).filter(|seq| asked.covers(key, Seq(*seq), Timestamp(*seq as i64 * 100))).collect()
}

#[test]
fn a_number_that_another_life_gave_again_is_erased_there_alone_and_what_both_share_in_both() {
    let disk = CrashDisk::new(DiskState::default());
    let mut first = ErasureList::default();
    first.ask(&disk, vec![entries(8, 8)], Timestamp(900), Timestamp(1_000)).expect("space");
    // Restored from a backup of #1 to #4, in which #5 and so on are given again.
    let mut second = first.clone();
    second.begin_life(Timestamp(400), Timestamp(2_000));
    second.ask(&disk, vec![entries(2, 2), entries(6, 6)], Timestamp(2_500), Timestamp(3_000)).expect("space");
    second.ask(&disk, vec![entries(3, 5)], Timestamp(2_500), Timestamp(3_000)).expect("space");
    let second = ErasureList::read(&disk).expect("it is whole");
    assert_eq!(taken(&second), [2, 3, 4, 5, 6], "in its own life, in which #8 is another");
    // Beside the backups are the requests of both; the later backup of the first life is restored.
    let mut third = first.clone();
    assert!(third.merge(&second));
    assert_eq!(taken(&third), [2, 3, 4, 8]);
    third.begin_life(Timestamp(900), Timestamp(4_000));
    third.write(&disk).expect("space");
    let mut third = ErasureList::read(&disk).expect("it is whole");
    assert_eq!(taken(&third), [2, 3, 4, 8], "as long as it lasts");
    third.ask(&disk, vec![author(None)], Timestamp(5_000), Timestamp(5_000)).expect("space");
    assert!(first.merge(&third));
    let asked = first.asked_erasures();
    let said = |time| {
        let (room, author) = ("방", "홍길동");
        let said = ErasureCandidate { room, seq: Seq(9), time: Timestamp(time), author, target: None };
        ErasureMatcher::new(&asked).wants(said)
    };
    assert!(said(5_000) && !said(5_001), "what somebody said goes from every life");
    // A clock that was ahead at the restore hides nothing from those who erase in that life.
    let mut ahead = ErasureList::default();
    ahead.begin_life(Timestamp(400), Timestamp(1_000_000));
    ahead.ask(&disk, vec![entries(7, 7)], Timestamp(700), Timestamp(700)).expect("space");
    assert_eq!(taken(&ahead), [7]);
}

#[test]
fn whatever_interrupts_it_a_request_that_was_acknowledged_is_remembered() {
    for step in 1..=16 {
        for mode in CRASHES {
            for seed in 0..8 {
                let disk = CrashDisk::new(DiskState::default());
                disk.arm(step, mode, seed);
                let mut list = ErasureList::default();
                let mut acknowledged = Vec::new();
                for number in 1..=4 {
                    let now = Timestamp(number as i64);
                    if let Ok(ids) = list.ask(&disk, vec![entries(number, number)], now, now) {
                        acknowledged.extend(ids);
                    }
                    let _ = acknowledged.first().map(|id| list.done(&disk, &[*id], now));
                }
                let disk = CrashDisk::new(disk.after());
                let mut read = ErasureList::read(&disk).expect("it is no damage");
                for id in &acknowledged {
                    assert!(read.entries().iter().any(|entry| entry.id == *id), "{id}, step {step} {mode:?}");
                }
                // And it can be continued.
                let last =
                    read.ask(&disk, vec![entries(9, 9)], Timestamp(9), Timestamp(9)).expect("space")[0];
                let again = ErasureList::read(&disk).expect("it is whole");
                assert!(again.entries().iter().any(|entry| entry.id == last));
                assert_eq!(shown(&again), shown(&read));
            }
        }
    }
}

/// A list that is only written.
struct Unread<F>(F);

impl<F: ErasureListFiles> ErasureListFiles for Unread<F> {
    fn read_list(&self) -> Result<Option<Vec<u8>>, FilesError> {
        panic!("a list that is known is not read")
    }

    fn append_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        self.0.append_list(bytes)
    }

    fn replace_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        self.0.replace_list(bytes)
    }
}

#[test]
fn a_list_is_added_to_without_reading_it_and_one_that_is_gone_is_written_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("list");
    let file = Unread(ErasureListFile::new(&path));
    let mut list = ErasureList::default();
    for number in 1..=3 {
        let now = Timestamp(number as i64);
        let id = list.ask(&file, vec![entries(number, number)], now, now).expect("space")[0];
        list.done(&file, &[id], now).expect("space");
        assert_eq!(shown(&ErasureList::read(&file.0).expect("it is whole")), shown(&list));
        std::fs::remove_file(&path).expect("it is there");
    }
    list.ask(&file, vec![entries(4, 4)], Timestamp(4), Timestamp(4)).expect("space");
    let read = ErasureList::read(&file.0).expect("it is whole");
    assert_eq!((read.entries().len(), read.log()), (4, Some(1)), "with what was asked for before");
    std::fs::remove_file(&path).expect("it is there");
    std::fs::create_dir(&path).expect("space");
    let error = list.ask(&file, vec![entries(5, 5)], Timestamp(5), Timestamp(5)).expect_err("it is no file");
    assert!(error.is_no_file(), "{error}");
}

#[test]
fn a_damaged_list_is_no_empty_one_and_a_later_version_is_named() {
    let disk = CrashDisk::new(DiskState::default());
    let mut list = ErasureList::default();
    (1..=3).for_each(|number| {
        list.ask(&disk, vec![entries(number, number)], Timestamp(9), Timestamp(9)).expect("space");
    });
    list.begin_life(Timestamp(7), Timestamp(8));
    list.write(&disk).expect("space");
    list.ask(&disk, vec![entries(4, 4)], Timestamp(9), Timestamp(9)).expect("space");
    let bytes = disk.read_list().expect("readable").expect("a list");
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        disk.replace_list(&flipped).expect("space");
        match ErasureList::read(&disk) {
            Err(
                ErasureListError::Damaged { .. }
                | ErasureListError::Nameless { .. }
                | ErasureListError::LaterVersion { .. },
            ) => {}
            // Without the end of its line nobody can say that it was acknowledged.
            Ok(read) => assert!(at + 1 == bytes.len() && read.entries().len() == 3, "byte {at}"),
            Err(other) => panic!("{other}"),
        }
    }
    let crlf = String::from_utf8(bytes.clone()).expect("text").replace('\n', "\r\n").into_bytes();
    let unnamed = bytes.split_inclusive(|byte| *byte == b'\n');
    let unnamed: Vec<u8> =
        unnamed.filter(|line| !line[8..].starts_with(b" log ")).flatten().copied().collect();
    assert!(unnamed.len() < bytes.len());
    disk.replace_list(&unnamed).expect("space");
    let error = ErasureList::read(&disk).expect_err("nobody knows of which log it is");
    assert!(matches!(error, ErasureListError::Nameless { line: 2 }), "{error}");
    for of_an_editor in [crlf, [b"\xef\xbb\xbf", &bytes[..]].concat(), Vec::new()] {
        disk.replace_list(&of_an_editor).expect("space");
        let error = ErasureList::read(&disk).expect_err("it is damaged");
        assert!(error.to_string().contains("restore it from a copy"), "{error}");
    }
    disk.replace_list(b"madang erasures 3\nwho knows\n").expect("space");
    let error = ErasureList::read(&disk).expect_err("it is of later");
    assert!(error.to_string().contains("madang erasures 3"), "{error}");
}

#[test]
fn what_a_power_cut_left_in_part_of_the_last_lines_is_no_damage() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("list");
    let file = ErasureListFile::new(&path);
    let mut list = ErasureList::default();
    let first = list.ask(&file, vec![entries(1, 1)], Timestamp(1), Timestamp(1)).expect("space");
    let synced_bytes = std::fs::read(&path).expect("it is there").len();
    list.ask(&file, (2..40).map(|seq| entries(seq, seq)).collect(), Timestamp(2), Timestamp(2))
        .expect("space");
    let whole = std::fs::read(&path).expect("it is there");
    assert!(whole.len() - synced_bytes < 4096, "it was added at once");
    for lost in [synced_bytes..synced_bytes + 100, synced_bytes + 300..synced_bytes + 812] {
        let mut bytes = whole.clone();
        bytes[lost].fill(0);
        std::fs::write(&path, bytes).expect("space");
        let read = ErasureList::read(&file).expect("what is not whole was never acknowledged");
        assert!(read.entries().iter().any(|entry| entry.id == first[0]), "what was acknowledged is there");
        assert!(read.entries().len() < 39, "what is not whole is not");
    }
    let long = (40..200).map(|seq| entries(seq, seq)).collect();
    list.ask(&file, long, Timestamp(3), Timestamp(3)).expect("space");
    let mut bytes = std::fs::read(&path).expect("it is there");
    bytes[synced_bytes..synced_bytes + 100].fill(0);
    std::fs::write(&path, bytes).expect("space");
    assert!(
        matches!(ErasureList::read(&file), Err(ErasureListError::Damaged { .. })),
        "what is so far from the end was synced long ago"
    );
}

#[test]
fn a_request_of_the_first_life_takes_nothing_that_a_later_life_said_before_it() {
    let disk = CrashDisk::new(DiskState::default());
    let mut first = ErasureList::default();
    first.name_log(Timestamp(1));
    let mut second = first.clone();
    // Restored at 450 from a backup of #1 to #4; #5 and so on are given again.
    second.begin_life(Timestamp(400), Timestamp(450));
    // The directory of before is served again, and loses its own #8, and #3, which both have.
    first.ask(&disk, vec![entries(3, 3), entries(8, 8)], Timestamp(900), Timestamp(1_000)).expect("space");
    assert!(second.merge(&first));
    assert_eq!(taken(&second), [3]);
}

#[test]
fn what_a_copy_cannot_have_any_more_is_not_looked_for_in_it_and_ids_differ_after_a_merge() {
    let disk = CrashDisk::new(DiskState::default());
    let mut before = ErasureList::default();
    let first =
        before.ask(&disk, vec![entries(1, 1), entries(2, 2)], Timestamp(9), Timestamp(10)).expect("space");
    before.done(&disk, &first[..1], Timestamp(11)).expect("space");
    let mut copied = before.clone();
    copied.done(&disk, &first[1..], Timestamp(12)).expect("space");
    let late = copied.ask(&disk, vec![entries(3, 3)], Timestamp(13), Timestamp(500)).expect("space")[0];
    copied.done(&disk, &[late], Timestamp(501)).expect("space");
    copied.reopen_but(&before);
    let open = |list: &ErasureList| list.pending().map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!(open(&copied), [first[1], late]);
    // The list of another process has the highest id in its middle.
    let mut merged = ErasureList::default();
    assert!(merged.merge(&copied) && merged.merge(&before));
    let mut other = ErasureList::default();
    other.name_log(Timestamp(10));
    let early = other.ask(&disk, vec![entries(4, 4)], Timestamp(20), Timestamp(20)).expect("space");
    assert!(merged.merge(&other));
    let next = merged.ask(&disk, vec![entries(5, 5)], Timestamp(30), Timestamp(30)).expect("space")[0];
    assert!(next > late && early[0] < late, "the clock was set back");
    assert_eq!(merged.entries().iter().filter(|entry| entry.id == next).count(), 1);
}

/// One request with this id, and whether it is done.
fn asked_at(id: i64, seq: u64, done: bool) -> ErasureList {
    let disk = CrashDisk::new(DiskState::default());
    let mut list = ErasureList::default();
    list.name_log(Timestamp(1));
    let ids = list.ask(&disk, vec![entries(seq, seq)], Timestamp(900), Timestamp(id)).expect("space");
    if done {
        list.done(&disk, &ids, Timestamp(id + 1)).expect("space");
    }
    list
}

#[test]
fn requests_that_a_clock_gave_the_same_number_are_all_kept_in_whatever_order_lists_are_merged() {
    let lists = [asked_at(1_000, 1, false), asked_at(1_000, 2, true), asked_at(1_000, 3, false)];
    let merged = |order: &[usize]| {
        let mut merged = ErasureList::default();
        order.iter().for_each(|one| assert!(merged.merge(&lists[*one])));
        let mut shown = shown(&merged);
        shown.sort();
        (merged, shown)
    };
    let (all, expected) = merged(&[0, 1, 2]);
    assert_eq!(expected.len(), 3);
    assert_eq!(
        expected.iter().filter(|line| line.ends_with("Some(1001)") && line.contains("방 2 2")).count(),
        1
    );
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(merged(&order).1, expected, "{order:?}");
    }
    assert_eq!(merged(&[1, 0, 1, 2, 0, 2]).1, expected, "and however often");
    let disk = CrashDisk::new(DiskState::default());
    let mut written = all.clone();
    written.write(&disk).expect("space");
    let read = ErasureList::read(&disk).expect("it is whole");
    assert_eq!(shown(&read), shown(&all));
    // What a copy has lost is known by what it is, whatever its number is there.
    let mut reopened = read.clone();
    reopened.reopen_but(&lists[1]);
    let done: Vec<bool> = reopened.entries().iter().map(|entry| entry.done.is_some()).collect();
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
    assert_eq!(reopened.pending().filter(|entry| entry.rule.to_string() == "entries 방 2 2").count(), 0);
}

#[test]
fn a_list_that_was_cut_is_no_shorter_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let (own, beside) =
        (directory.path().join("madang.erasures"), directory.path().join("madang.erasures.7"));
    let (own, beside) = (ErasureListFile::new(&own), ErasureListFile::new(&beside));
    let mut list = ErasureList::default();
    list.ask(&own, vec![entries(1, 1), entries(2, 2)], Timestamp(1), Timestamp(7)).expect("space");
    list.write(&beside).expect("space");
    let bytes = own.read_list().expect("readable").expect("a list");
    let lines: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    for cut in 1..bytes.len() {
        own.replace_list(&bytes[..cut]).expect("space");
        beside.replace_list(&bytes[..cut]).expect("space");
        let (read, whole) = (ErasureList::read(&own), ErasureList::read(&beside));
        let is_named = cut >= lines[1];
        assert_eq!(read.is_ok(), is_named, "cut at {cut}: {read:?}");
        let is_between_lines = lines.contains(&cut);
        assert_eq!(whole.is_ok(), is_named && is_between_lines, "beside, cut at {cut}: {whole:?}");
        assert_eq!(ErasureList::read_whole(&own).is_ok(), whole.is_ok());
    }
    let words = ErasureList::read(&beside).expect_err("it is cut").to_string();
    assert!(
        words.contains("line 4") && words.contains("ask again for what was to be erased since"),
        "{words}"
    );
}

#[test]
fn no_number_of_a_request_leaves_none_for_the_next() {
    let disk = CrashDisk::new(DiskState::default());
    let line = |words: &str| format!("{:08x} {words}\n", crc32c::crc32c(words.as_bytes()));
    let list_with = |id: i64| {
        let ask = line(&format!("ask {id} 5 entries 방 1 1"));
        disk.replace_list(format!("madang erasures 1\n{}{ask}", line("log 7")).as_bytes()).expect("space");
        ErasureList::read(&disk)
    };
    let error = list_with(i64::MAX).expect_err("nothing can be asked for behind it");
    assert!(error.to_string().contains("line 3"), "{error}");
    let mut list = list_with(i64::MAX / 2).expect("far ahead");
    let ids = list.ask(&disk, vec![entries(2, 2), entries(3, 3)], Timestamp(9), Timestamp(9)).expect("space");
    assert_eq!(ids.len(), 2);
    list.ask(&disk, vec![entries(4, 4)], Timestamp(9), Timestamp(i64::MAX)).expect("space");
    let read = ErasureList::read(&disk).expect("what is written can be read");
    assert_eq!(read.entries().len(), 4);
    let twice = [line("ask 8 5 entries 방 1 1"), line("ask 8 5 entries 방 2 2")].concat();
    disk.replace_list(format!("madang erasures 1\n{}{twice}", line("log 7")).as_bytes()).expect("space");
    assert!(ErasureList::read(&disk).is_err(), "nobody knows which of them is done");
}

/// A list that counts how often it is written.
struct Counted(ErasureListFile, std::cell::Cell<u32>);

impl ErasureListFiles for Counted {
    fn read_list(&self) -> Result<Option<Vec<u8>>, FilesError> {
        self.0.read_list()
    }

    fn append_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        self.1.set(self.1.get() + 1);
        self.0.append_list(bytes)
    }

    fn replace_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        self.1.set(self.1.get() + 1);
        self.0.replace_list(bytes)
    }
}

#[test]
fn many_requests_that_are_done_are_one_write() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("list");
    let file = Counted(ErasureListFile::new(&path), std::cell::Cell::new(0));
    let mut list = ErasureList::default();
    let rules = (1..=5_000).map(|seq| entries(seq, seq)).collect();
    let ids = list.ask(&file, rules, Timestamp(1), Timestamp(1)).expect("space");
    file.1.set(0);
    list.done(&file, &ids[1..], Timestamp(2)).expect("space");
    assert_eq!(file.1.get(), 1);
    let read = ErasureList::read(&file).expect("it is whole");
    assert_eq!(read.pending().map(|entry| entry.id).collect::<Vec<_>>(), ids[..1]);
    // What cannot be noted is not done.
    std::fs::remove_file(&path).expect("it is there");
    std::fs::create_dir_all(path.with_extension("new")).expect("space");
    let all = (5_001..=10_000).map(|seq| entries(seq, seq)).collect();
    std::fs::write(&path, "").expect("space");
    let ids = list.ask(&file, all, Timestamp(1), Timestamp(3)).expect("it is added to what is there");
    assert!(list.done(&file, &ids, Timestamp(4)).is_err());
    assert_eq!(list.pending().count(), 5_001);
}
