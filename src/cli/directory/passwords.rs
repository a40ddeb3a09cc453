//! Passwords as an operator gives them: typed twice without being shown, or in the first line of standard input.

use super::NotDone;
use madang_directory::PASSWORD_BYTES_MAX;
use std::io::{self, BufRead, IsTerminal};

/// A password, twice.
pub struct TypedPassword {
    /// As it was typed first.
    pub first: String,
    /// As it was typed again.
    pub again: String,
}

/// Asks for a password; `is_piped` takes the first line of standard input.
pub fn ask(whose: &str, is_piped: bool) -> Result<TypedPassword, NotDone> {
    if is_piped {
        let first = first_line(io::stdin().lock())?;
        return Ok(TypedPassword { again: first.clone(), first });
    }
    if !io::stdin().is_terminal() {
        let words = "a password is typed in a terminal; in a script, pass --password-stdin and pipe it in";
        return Err(NotDone::Failed(words.to_owned()));
    }
    let unreadable = |error: io::Error| NotDone::Failed(format!("the password cannot be read: {error}"));
    let first = rpassword::prompt_password(format!("password of {whose}: ")).map_err(unreadable)?;
    let again = rpassword::prompt_password("the same again: ").map_err(unreadable)?;
    Ok(TypedPassword { first, again })
}

/// The first line, without its end.
fn first_line(input: impl BufRead) -> Result<String, NotDone> {
    let mut line = Vec::new();
    // One byte more shows that it is too long, and two may end it.
    let limit = PASSWORD_BYTES_MAX as u64 + 3;
    input
        .take(limit)
        .read_until(b'\n', &mut line)
        .map_err(|error| NotDone::Failed(format!("the password cannot be read: {error}")))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| {
        NotDone::Refused(
            "the password is not UTF-8; convert it, as with `iconv -f CP949 -t UTF-8`".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piped_password_is_the_first_line_without_its_end() {
        let read = |input: &[u8]| first_line(input);
        for input in ["네 개의 단어\nrest", "네 개의 단어\r\n", "네 개의 단어"] {
            assert_eq!(read(input.as_bytes()).expect("a line"), "네 개의 단어");
        }
        assert!(matches!(read(b"\xb3\xd7\n"), Err(NotDone::Refused(words)) if words.contains("iconv")));
        let long = vec![b'x'; 1 << 20];
        assert!(read(&long).expect("a line").len() > PASSWORD_BYTES_MAX, "what is refused is too long still");
    }
}
