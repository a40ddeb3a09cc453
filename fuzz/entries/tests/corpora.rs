//! Replays the fuzzers' corpora: what was found once stays found, without a fuzzer.

use madang_fuzz_entries::ENTRIES;
use std::fs;
use std::path::Path;

/// The corpora together, in bytes: a clone of the repository stays small.
const CORPORA_BYTES_MAX: u64 = 300 * 1024;

#[test]
fn every_input_of_the_corpora_keeps_the_promises() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let mut bytes_in_all = 0;
    for (name, enter) in ENTRIES {
        let inputs =
            fs::read_dir(corpora.join(name)).unwrap_or_else(|error| panic!("corpus {name}: {error}"));
        let mut count = 0;
        for input in inputs {
            let path = input.expect("an entry").path();
            let bytes = fs::read(&path).expect("a readable input");
            bytes_in_all += bytes.len() as u64;
            count += 1;
            if std::panic::catch_unwind(|| enter(&bytes)).is_err() {
                panic!("{} breaks a promise", path.display());
            }
        }
        assert!(count > 0, "corpus {name} has a seed");
    }
    assert!(bytes_in_all <= CORPORA_BYTES_MAX, "the corpora have {bytes_in_all} bytes: minimise them");
}
