//! Whether a log continues: a file names its epoch, itself and the directories of the log, so that a copy of the data
//! directory, or of a part of it, is another epoch.

use crate::files::{EpochFiles, EpochPlaces, InodeIdentity};
use madang_model::LogEpoch;
use std::io;

/// The first line; the number is the version of the file.
const TITLE: &str = "madang log epoch 1";
const EPOCH_WORDS: &str = "epoch ";
/// Precedes the identifier of the file system, by which a copy is recognised where no birth times are recorded.
const SYSTEM_WORDS: &str = "file system ";
/// Precedes a directory and its identity: `.` is the data directory. Files of before have no such lines.
const PLACE_WORDS: &str = "directory ";

/// How the epoch of a start was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EpochOrigin {
    /// The log continues.
    Continued,
    /// No file named one: a new log, or one of a release from before there were epochs.
    First,
    /// The file is a copy, and so is the log beside it.
    Copied,
    /// What stands in the file is no epoch.
    Unreadable,
}

/// What the file says.
struct WrittenEpoch {
    epoch: LogEpoch,
    identity: InodeIdentity,
    /// The identifier of the file system.
    system: u64,
    places: EpochPlaces,
}

/// The epoch of the log in this data directory, which this process owns and is about to serve. Where no file names one
/// that continues, a new one begins, which `random` makes, and is written; also where the directory is known to be a copy
/// by another of its files: `rsync` leaves a file alone that has the length and the time of its origin.
///
/// # Errors
/// When the new epoch cannot be written.
pub fn begin_or_continue<F: EpochFiles>(
    files: &F,
    is_copy: bool,
    random: impl FnOnce() -> LogEpoch,
) -> io::Result<(LogEpoch, EpochOrigin)> {
    let places = files.places()?;
    let origin = match read(files, &places) {
        Ok(Some((written, true))) if !is_copy => {
            // A shard may have been added since.
            if written.places != places {
                write(files, written.epoch, &places)?;
            }
            return Ok((written.epoch, EpochOrigin::Continued));
        }
        Ok(Some(_)) => EpochOrigin::Copied,
        Ok(None) => EpochOrigin::Unreadable,
        Err(error) if error.kind() == io::ErrorKind::NotFound => EpochOrigin::First,
        // What cannot be read may be any: it is replaced.
        Err(_) => EpochOrigin::Unreadable,
    };
    let epoch = random();
    write(files, epoch, &places)?;
    Ok((epoch, origin))
}

/// What the file says, and whether it and the directories that it names are those of which it was written; `None` when
/// it says nothing of the kind.
fn read<F: EpochFiles>(files: &F, places: &EpochPlaces) -> io::Result<Option<(WrittenEpoch, bool)>> {
    let found = files.read_epoch()?;
    let Some(written) = parse(&found.text) else { return Ok(None) };
    let is_system = found.system.is_some_and(|own| own == written.system);
    let is_it = |written: &InodeIdentity, own: InodeIdentity| match (written.born_ns, own.born_ns) {
        // Some file systems renumber files each time they are mounted.
        (Some(written), Some(own)) => written == own,
        _ => written.number == own.number && is_system,
    };
    let is_same = found.identity.is_some_and(|own| is_it(&written.identity, own));
    let is_there = |(name, identity): (&String, _)| places.get(name).is_some_and(|own| is_it(identity, *own));
    let is_same = is_same && written.places.iter().all(is_there);
    Ok(Some((written, is_same)))
}

fn parse(text: &str) -> Option<WrittenEpoch> {
    let mut lines = text.lines();
    let is_titled = lines.next()? == TITLE;
    let epoch = LogEpoch::parse(lines.next()?.strip_prefix(EPOCH_WORDS)?)?;
    let identity = InodeIdentity::parse(lines.next()?)?;
    let system = u64::from_str_radix(lines.next()?.strip_prefix(SYSTEM_WORDS)?, 16).ok()?;
    let place = |line: &str| {
        let (name, identity) = line.strip_prefix(PLACE_WORDS)?.split_once(' ')?;
        Some((name.to_owned(), InodeIdentity::parse(identity)?))
    };
    let places = lines.map(place).collect::<Option<EpochPlaces>>()?;
    is_titled.then_some(WrittenEpoch { epoch, identity, system, places })
}

fn write<F: EpochFiles>(files: &F, epoch: LogEpoch, places: &EpochPlaces) -> io::Result<()> {
    files.replace_epoch(&|identity, system| {
        let mut text = format!("{TITLE}\n{EPOCH_WORDS}{epoch}\n{identity}\n{SYSTEM_WORDS}{system:x}\n");
        for (name, identity) in places {
            text.push_str(&format!("{PLACE_WORDS}{name} {identity}\n"));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{EPOCH_FILE, StdFiles};
    use std::fs::{self, File};
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tempfile::{TempDir, tempdir};

    /// Written beside, and renamed.
    const NEW_EPOCH_FILE: &str = "madang.epoch.new";

    fn begin_or_continue(data: &Path, is_copy: bool) -> io::Result<(LogEpoch, EpochOrigin)> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let random = || LogEpoch(NEXT.fetch_add(1, Ordering::Relaxed).into());
        super::begin_or_continue(&StdFiles::new(data), is_copy, random)
    }

    fn begun() -> (TempDir, LogEpoch) {
        let data = tempdir().expect("a directory");
        let (epoch, origin) = begin_or_continue(data.path(), false).expect("space");
        assert_eq!(origin, EpochOrigin::First);
        (data, epoch)
    }

    fn text_of(data: &TempDir) -> String {
        fs::read_to_string(data.path().join(EPOCH_FILE)).expect("a file")
    }

    #[test]
    fn an_epoch_lasts_as_long_as_its_log() {
        let (data, epoch) = begun();
        for _ in 0..2 {
            assert_eq!(
                begin_or_continue(data.path(), false).expect("a file"),
                (epoch, EpochOrigin::Continued)
            );
        }
        let (_, other) = begun();
        assert_ne!(epoch, other);
        assert_eq!(fs::read_dir(data.path()).expect("a directory").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_moved_directory_continues_and_a_copied_one_begins_another_epoch() {
        let above = tempdir().expect("a directory");
        let (data, moved) = (above.path().join("data"), above.path().join("moved"));
        fs::create_dir(&data).expect("space");
        let (epoch, _) = begin_or_continue(&data, false).expect("space");
        fs::rename(&data, &moved).expect("one file system");
        assert_eq!(begin_or_continue(&moved, false).expect("a file"), (epoch, EpochOrigin::Continued));
        let copy = above.path().join("copy");
        fs::create_dir(&copy).expect("space");
        fs::copy(moved.join(EPOCH_FILE), copy.join(EPOCH_FILE)).expect("space");
        let (new, origin) = begin_or_continue(&copy, false).expect("a file");
        assert!(new != epoch && origin == EpochOrigin::Copied);
        assert_eq!(begin_or_continue(&copy, false).expect("a file"), (new, EpochOrigin::Continued));
        assert_eq!(begin_or_continue(&moved, false).expect("a file"), (epoch, EpochOrigin::Continued));
    }

    #[test]
    fn a_directory_that_is_known_to_be_a_copy_begins_another_epoch_though_this_file_was_left_alone() {
        let (data, epoch) = begun();
        let (new, origin) = begin_or_continue(data.path(), true).expect("space");
        assert!(new != epoch && origin == EpochOrigin::Copied);
        assert_eq!(begin_or_continue(data.path(), false).expect("a file"), (new, EpochOrigin::Continued));
    }

    #[test]
    fn without_birth_times_the_number_and_the_file_system_decide() {
        let (data, epoch) = begun();
        let path = data.path().join(EPOCH_FILE);
        let own = InodeIdentity::of(&File::open(&path).expect("a file")).expect("metadata");
        let text = text_of(&data);
        let unborn =
            |number| text.replace(&own.to_string(), &InodeIdentity { number, born_ns: None }.to_string());
        fs::write(&path, unborn(own.number)).expect("space");
        assert_eq!(begin_or_continue(data.path(), false).expect("a file"), (epoch, EpochOrigin::Continued));
        let system = StdFiles::new(data.path()).read_epoch().expect("a file").system.expect("a file system");
        let line = |system: u64| format!("{SYSTEM_WORDS}{system:x}");
        let elsewhere = unborn(own.number).replace(&line(system), &line(system ^ 1));
        for copied in [unborn(own.number + 1), elsewhere] {
            fs::write(&path, copied).expect("space");
            let files = StdFiles::new(data.path());
            let places = files.places().expect("directories");
            let read =
                read(&files, &places).expect("a file").map(|(written, is_same)| (written.epoch, is_same));
            assert_eq!(read, Some((epoch, false)));
        }
    }

    #[test]
    fn a_shard_that_was_put_back_or_taken_away_begins_another_epoch_and_a_new_one_does_not() {
        let (data, mut epoch) = begun();
        let [first, second, aside] = ["shard-00", "shard-01", "aside"].map(|name| data.path().join(name));
        let mut next = |is_continued: bool, why: &str| {
            let (found, origin) = begin_or_continue(data.path(), false).expect("space");
            assert_eq!(
                (found == epoch, origin == EpochOrigin::Continued),
                (is_continued, is_continued),
                "{why}"
            );
            epoch = found;
        };
        fs::create_dir(&first).expect("space");
        next(true, "a shard is new");
        fs::create_dir(&second).expect("space");
        next(true, "another is new");
        fs::rename(&first, &aside).expect("one file system");
        next(false, "one is gone");
        fs::rename(&aside, &first).expect("one file system");
        next(true, "what is there now is not known to be old");
        fs::rename(&first, &aside).expect("one file system");
        fs::create_dir(&first).expect("space");
        next(false, "another directory has its name");
    }

    #[test]
    fn hard_links_to_every_file_are_a_copy() {
        let (data, epoch) = begun();
        let copy = tempdir().expect("a directory");
        fs::hard_link(data.path().join(EPOCH_FILE), copy.path().join(EPOCH_FILE)).expect("one file system");
        let (new, origin) = begin_or_continue(copy.path(), false).expect("space");
        assert!(new != epoch && origin == EpochOrigin::Copied);
    }

    #[test]
    fn whatever_stands_there_is_read_or_replaced() {
        let (data, _) = begun();
        let path = data.path().join(EPOCH_FILE);
        let text = text_of(&data);
        let later = text.replace(TITLE, "madang log epoch 2");
        let endless = "x".repeat(10_000);
        for wrong in ["", "\u{0}", &text[..text.len() / 2], &later, &endless] {
            fs::write(&path, wrong).expect("space");
            let (_, origin) = begin_or_continue(data.path(), false).expect("space");
            assert_eq!(origin, EpochOrigin::Unreadable, "{wrong:.40}");
        }
        fs::write(&path, [0xff; 40]).expect("space");
        assert_eq!(begin_or_continue(data.path(), false).expect("space").1, EpochOrigin::Unreadable);
    }

    #[test]
    fn what_an_interrupted_start_left_is_replaced() {
        let data = tempdir().expect("a directory");
        fs::write(data.path().join(NEW_EPOCH_FILE), "half").expect("space");
        assert_eq!(begin_or_continue(data.path(), false).expect("space").1, EpochOrigin::First);
    }

    #[test]
    fn the_file_of_this_version_is_read_by_later_ones() {
        let sample = "madang log epoch 1\nepoch 0123456789abcdef0123456789abcdef\nfile 42 born 1795284217222535000\n\
            file system 8001\n";
        let written = parse(sample).expect("the kept sample");
        assert_eq!(written.epoch, LogEpoch(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        assert_eq!((written.identity.number, written.system), (42, 0x8001));
        assert_eq!(written.identity.born_ns, Some(1_795_284_217_222_535_000));
        assert!(written.places.is_empty());
        let written = parse(&format!("{sample}directory . file 7 born 8\ndirectory shard-00 file 9\n"));
        let places = written.expect("the kept sample").places;
        assert_eq!((places["."].number, places["shard-00"].number, places.len()), (7, 9, 2));
    }
}
