//! The values that are not plain numbers.

use madang_log::{Durability, INTERVAL_MAX, INTERVAL_MIN};
use madang_model::RoomName;
use madang_model::connection::{NETWORKS_MAX, Networks};
use std::num::NonZeroU16;
use std::path::PathBuf;

/// The most shards a server may have.
pub const SHARDS_MAX: u16 = 1024;

/// The TOML types of a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// Either.
    TextOrNumber,
    /// A list of strings.
    Texts,
    /// `true` or `false`.
    Boolean,
}

/// A value that an operator can set.
pub trait Setting: Sized {
    /// Its TOML type.
    const FORM: Form;

    /// Parses the content of a string, the decimal digits of a number, the contents of several strings,
    /// separated by commas, or a boolean.
    ///
    /// # Errors
    /// The mistake, in a few words; [`Setting::allowed`] says what is allowed.
    fn parse(text: &str) -> Result<Self, String>;

    /// The allowed values, for people.
    fn allowed() -> String;

    /// The value as TOML; parses back to itself.
    fn to_toml(&self) -> String;
}

/// How many shards there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShardCount {
    /// One for each processor the process may use.
    Auto,
    /// This many; more than processors is allowed.
    Exactly(NonZeroU16),
}

impl Setting for ShardCount {
    const FORM: Form = Form::TextOrNumber;

    fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(ShardCount::Auto);
        }
        let count: i128 = text.parse().map_err(|_| "not a number of shards".to_owned())?;
        match u16::try_from(count).ok().and_then(NonZeroU16::new) {
            Some(count) if count.get() <= SHARDS_MAX => Ok(ShardCount::Exactly(count)),
            _ => Err("out of range".to_owned()),
        }
    }

    fn allowed() -> String {
        format!("\"auto\" or 1 to {SHARDS_MAX}")
    }

    fn to_toml(&self) -> String {
        match self {
            ShardCount::Auto => "\"auto\"".to_owned(),
            ShardCount::Exactly(count) => count.to_string(),
        }
    }
}

impl Setting for bool {
    const FORM: Form = Form::Boolean;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "neither true nor false".to_owned())
    }

    fn allowed() -> String {
        "true or false".to_owned()
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

/// A file, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OptionalFile(pub Option<PathBuf>);

impl Setting for OptionalFile {
    const FORM: Form = Form::Text;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(OptionalFile(None));
        }
        // Relative paths would depend on the working directory of the service.
        if !text.starts_with('/') || text.contains(char::is_control) {
            return Err("not the whole path of a file".to_owned());
        }
        Ok(OptionalFile(Some(text.into())))
    }

    fn allowed() -> String {
        "the whole path of a file, or \"\"".to_owned()
    }

    fn to_toml(&self) -> String {
        let path = self.0.as_ref().map(|path| path.to_string_lossy()).unwrap_or_default();
        toml::Value::String(path.into_owned()).to_string()
    }
}

/// The URL of a database; `None` is none. What is in it is checked by whoever connects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DatabaseUrl(pub Option<String>);

impl Setting for DatabaseUrl {
    const FORM: Form = Form::Text;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(DatabaseUrl(None));
        }
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if !is_url || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err("not the URL of a database".to_owned());
        }
        let user = text.rsplit_once('@').and_then(|(user, _)| user.split_once("://"));
        if user.is_some_and(|(_, user)| user.contains(':')) {
            return Err("a password does not belong in it, as others can see it; put it into \
                        directory.password_file"
                .to_owned());
        }
        Ok(DatabaseUrl(Some(text.to_owned())))
    }

    fn allowed() -> String {
        "postgres://USER@HOST:PORT/DATABASE, or \"\"".to_owned()
    }

    fn to_toml(&self) -> String {
        toml::Value::String(self.0.clone().unwrap_or_default()).to_string()
    }
}

impl Setting for Durability {
    const FORM: Form = Form::Text;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "not a durability".to_owned())
    }

    fn allowed() -> String {
        let (least, most) = (INTERVAL_MIN.as_millis(), INTERVAL_MAX.as_millis());
        format!("\"commit\", \"interval:Nms\" (N from {least} to {most}) or \"none\"")
    }

    fn to_toml(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for RoomName {
    const FORM: Form = Form::Text;

    fn parse(text: &str) -> Result<Self, String> {
        RoomName::parse(text).map_err(|error| error.to_string())
    }

    fn allowed() -> String {
        "1 to 64 letters and digits of any script and . - _".to_owned()
    }

    fn to_toml(&self) -> String {
        format!("\"{}\"", self.as_str())
    }
}

impl Setting for Networks {
    const FORM: Form = Form::Texts;

    fn parse(text: &str) -> Result<Self, String> {
        Networks::parse(text).map_err(|error| error.to_string())
    }

    fn allowed() -> String {
        format!(
            "at most {NETWORKS_MAX} IP addresses or networks, for example [\"10.0.0.0/8\", \"fd00::/8\", \"127.0.0.1\"], \
             or []"
        )
    }

    fn to_toml(&self) -> String {
        let networks: Vec<_> = self.iter().map(|network| format!("\"{network}\"")).collect();
        format!("[{}]", networks.join(", "))
    }
}

/// Declares an enum of plain words, which is a setting by those words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl Setting for $name {
            const FORM: Form = Form::Text;

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err("unknown word".to_owned()),
                }
            }

            fn allowed() -> String {
                [$(concat!("\"", $word, "\"")),+].join(", ")
            }

            fn to_toml(&self) -> String {
                match self { $($name::$variant => concat!("\"", $word, "\"").to_owned(),)+ }
            }
        }
    };
}

words! {
    /// The least important event that is written.
    Level {
        /// Failures.
        Error = "error",
        /// Possible failures and wrong settings.
        Warn = "warn",
        /// Information for operators.
        Info = "info",
        /// Details for finding faults.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// The form in which events are written.
    Format {
        /// A line for people.
        Text = "text",
        /// A JSON object a line.
        Json = "json",
    }
}

words! {
    /// Who may make accounts.
    SignUp {
        /// Anyone.
        Open = "open",
        /// Whoever has a code that an admin has made.
        Code = "code",
        /// Admins, for others.
        Admin = "admin",
        /// Nobody, but by commands on the server's machine.
        Closed = "closed",
    }
}

words! {
    /// Whether passwords are taken over connections that others can read.
    PlainPasswords {
        /// From this machine and configured proxies alone.
        Loopback = "loopback",
        /// From everywhere.
        Always = "always",
    }
}
