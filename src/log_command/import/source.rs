//! Where lines come from.

use madang_import::LINE_BYTES_MAX;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, StdinLock};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 1 << 20;
/// How far the end of a line that is too long is looked for, in bytes: a device such as `/dev/zero` has none.
const SKIPPED_BYTES_MAX: usize = 1 << 26;
/// Some programs begin a file of UTF-8 with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The files of an import.
#[derive(Debug)]
pub struct Inputs {
    files: Vec<Input>,
}

#[derive(Debug)]
enum Input {
    StandardInput,
    File { path: PathBuf, bytes: Option<u64> },
}

impl Inputs {
    /// Looks at every file.
    pub fn open(files: &[PathBuf]) -> Result<Inputs, String> {
        let files = files.iter().map(|path| {
            if path == Path::new("-") {
                return Ok(Input::StandardInput);
            }
            let looked = fs::metadata(path).and_then(|metadata| match metadata.is_dir() {
                true => Err(io::Error::other("it is a directory")),
                false => Ok(metadata),
            });
            let metadata = looked.map_err(|error| cannot_read(path, &error))?;
            Ok(Input::File { path: path.clone(), bytes: metadata.is_file().then_some(metadata.len()) })
        });
        let files: Vec<Input> = files.collect::<Result<_, String>>()?;
        if files.iter().filter(|file| matches!(file, Input::StandardInput)).count() > 1 {
            return Err("standard input (-) can be read only once; name it once".to_owned());
        }
        Ok(Inputs { files })
    }

    /// Their length; `None` where one is a pipe, or standard input.
    pub fn known_bytes(&self) -> Option<u64> {
        let of_file = |file: &Input| match file {
            Input::StandardInput => None,
            Input::File { bytes, .. } => *bytes,
        };
        self.files.iter().map(of_file).sum()
    }

    /// Whether all can be read more than once.
    pub fn can_repeat(&self) -> bool {
        self.known_bytes().is_some()
    }

    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// The name of a file, for people.
    pub fn name(&self, file: usize) -> String {
        match &self.files[file] {
            Input::StandardInput => "standard input".to_owned(),
            Input::File { path, .. } => path.display().to_string(),
        }
    }

    /// The path of a file; `None` of standard input.
    pub fn path(&self, file: usize) -> Option<&Path> {
        match &self.files[file] {
            Input::StandardInput => None,
            Input::File { path, .. } => Some(path),
        }
    }

    /// The lines of a file.
    pub fn lines(&self, file: usize) -> Result<InputLines, String> {
        let input: Box<dyn BufRead> = match &self.files[file] {
            Input::StandardInput => {
                let input: StdinLock<'static> = io::stdin().lock();
                Box::new(BufReader::with_capacity(BUFFER_BYTES, input))
            }
            Input::File { path, .. } => {
                let opened = File::open(path).map_err(|error| cannot_read(path, &error))?;
                Box::new(BufReader::with_capacity(BUFFER_BYTES, opened))
            }
        };
        Ok(InputLines { input, number: 0 })
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> String {
    format!("cannot read '{}': {error}; name a file of JSON Lines, or - for standard input", path.display())
}

/// The lines of one file.
pub struct InputLines {
    input: Box<dyn BufRead>,
    /// Of the line that was read last, from 1.
    pub number: u64,
}

impl InputLines {
    /// Reads the next line in place of what `line` holds, without its end. Returns how many bytes it took; 0 at the
    /// end. Of a line that is too long only so much is kept that this is seen.
    ///
    /// # Errors
    /// What reading the input says, and [`io::ErrorKind::InvalidData`] for a line without end.
    pub fn read(&mut self, line: &mut Vec<u8>) -> io::Result<usize> {
        line.clear();
        let limit = LINE_BYTES_MAX as u64 + 2;
        let mut bytes = self.input.by_ref().take(limit).read_until(b'\n', line)?;
        if bytes == 0 {
            return Ok(0);
        }
        self.number += 1;
        let is_whole = line.pop_if(|last| *last == b'\n').is_some();
        if !is_whole && bytes as u64 == limit {
            bytes += self.skip_rest()?;
        }
        if self.number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(bytes)
    }

    fn skip_rest(&mut self) -> io::Result<usize> {
        let mut skipped = 0;
        loop {
            let found = self.input.fill_buf()?;
            let end = found.iter().position(|byte| *byte == b'\n');
            let (taken, is_end) = end.map_or((found.len(), found.is_empty()), |end| (end + 1, true));
            self.input.consume(taken);
            skipped += taken;
            if is_end {
                return Ok(skipped);
            }
            if skipped > SKIPPED_BYTES_MAX {
                let what = format!("line {} does not end within {SKIPPED_BYTES_MAX} bytes", self.number);
                let remedy = "name a file of JSON Lines, one object a line (`jq -c`)";
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{what}; {remedy}")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> InputLines {
        InputLines { input: Box::new(BufReader::with_capacity(7, io::Cursor::new(text.to_vec()))), number: 0 }
    }

    #[test]
    fn lines_are_given_without_their_ends_and_their_bytes_add_up() {
        let text = b"\xef\xbb\xbfone\n\ntwo\r\nthree";
        let (mut lines, mut line, mut bytes) = (lines(text), Vec::new(), 0);
        for (number, expected) in (1..).zip([&b"one"[..], b"", b"two\r", b"three"]) {
            bytes += lines.read(&mut line).expect("memory");
            assert_eq!((&line[..], lines.number), (expected, number));
        }
        assert_eq!((lines.read(&mut line).expect("memory"), bytes), (0, text.len()));
    }

    #[test]
    fn a_line_without_end_takes_no_memory_and_the_next_one_is_read() {
        for more in [0, 1, 2, 3, 5_000_000] {
            let length = LINE_BYTES_MAX + more;
            let text = [&vec![b'x'; length][..], b"\nnext\n"].concat();
            let (mut lines, mut line) = (lines(&text), Vec::new());
            assert_eq!(lines.read(&mut line).expect("memory"), length + 1);
            assert_eq!(line.len(), length.min(LINE_BYTES_MAX + 2), "{more}");
            lines.read(&mut line).expect("memory");
            assert_eq!((&line[..], lines.number), (&b"next"[..], 2));
        }
    }

    #[test]
    fn an_input_without_any_line_end_is_given_up() {
        let zeros = BufReader::with_capacity(BUFFER_BYTES, io::repeat(0));
        let mut lines = InputLines { input: Box::new(zeros), number: 0 };
        let fault = lines.read(&mut Vec::new()).expect_err("there is no end").to_string();
        assert!(fault.starts_with("line 1 does not end within 67108864 bytes; name a file"), "{fault}");
    }
}
