//! `madang account`: who may log in.

use super::ends::{Length, length, time};
use super::place::DirectoryPlace;
use super::{NotDone, passwords};
use crate::log_command::{Clock, say};
use crate::server::wall_time;
use crate::terminal::visible;
use clap::{Args, Subcommand, ValueEnum};
use madang_directory::{Account, Actor, FOR_EVER, Forbidden, NewAccount, Restriction, Role};
use madang_model::Timestamp;
use serde_json::{Value, json};
use std::io::{self, BufRead, IsTerminal, Write};

/// Accounts that are asked for at once.
const PAGE: usize = 100;

/// Examples and exit codes.
pub const NOTES: &str = "\
Examples:
  madang account add 홍길동 --role admin           asks for the password
  echo 'four quiet green lamps' | madang account add alice --password-stdin
  madang account list ㅎㄱ                         홍길동, by first consonants
  madang account show alice --json
  madang account ban mallory --for 7d --reason 'advertising'
  madang account chat-ban mallory --until 2026-12-24
  madang account unban mallory
  madang account reset alice                       another password
  madang account delete mallory --yes

Each act is noted in the audit log. The name of a deleted account is never free again.

Exit codes: 0 done, 1 refused (the message says why), 2 it could not be done, or the configuration or
the command line is wrong.";

/// What an account may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleWord {
    /// What everyone may
    User,
    /// Everything
    Admin,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Role {
        match word {
            RoleWord::User => Role::User,
            RoleWord::Admin => Role::Admin,
        }
    }
}

/// Manage accounts
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make an account
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Add(AddAccountArguments),
    /// List accounts whose name begins so; all without one
    #[command(after_help = NOTES, after_long_help = NOTES)]
    List(ListAccountsArguments),
    /// Show an account
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Show(ShowAccountArguments),
    /// Make an account an admin, or no longer
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Role(RoleArguments),
    /// Forbid an account to log in; its sessions end
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Ban(BanArguments),
    /// Forbid an account to post; it reads everything
    #[command(after_help = NOTES, after_long_help = NOTES)]
    ChatBan(BanArguments),
    /// End both kinds of bans
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Unban(ReasonArguments),
    /// Give an account another password; its sessions end
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Reset(ResetArguments),
    /// Delete an account and what is known of it; its messages stay
    #[command(after_help = NOTES, after_long_help = NOTES)]
    Delete(DeleteArguments),
}

/// The arguments of `madang account add`.
#[derive(Debug, Args)]
pub struct AddAccountArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// Its unique name, which never changes
    name: String,
    /// What is shown beside the name [default: the name]
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// What it may do
    #[arg(long, value_enum, default_value_t = RoleWord::User)]
    role: RoleWord,
    /// Take the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

/// The arguments of `madang account list`.
#[derive(Debug, Args)]
pub struct ListAccountsArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// The beginning of a name or display name, or first consonants (ㅎㄱㄷ)
    #[arg(default_value = "", hide_default_value = true)]
    beginning: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// The arguments of `madang account show`.
#[derive(Debug, Args)]
pub struct ShowAccountArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// Its name
    name: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// The arguments of `madang account role`.
#[derive(Debug, Args)]
pub struct RoleArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// Its name
    name: String,
    /// What it may do from now on
    #[arg(value_enum)]
    role: RoleWord,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// The arguments of `madang account ban` and `chat-ban`.
#[derive(Debug, Args)]
pub struct BanArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// Its name
    name: String,
    /// When it ends: 2026-12-24 (its start, UTC), or 2026-12-24T18:00:00+09:00; without this or --for, never
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "length")]
    until: Option<Timestamp>,
    /// How long it holds: 30m, 12h, 7d, 2w
    #[arg(long = "for", value_name = "LENGTH", value_parser = length)]
    length: Option<Length>,
    /// Why, which the account is told
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// The arguments of `madang account unban`.
#[derive(Debug, Args)]
pub struct ReasonArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// Its name
    name: String,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// The arguments of `madang account reset`.
#[derive(Debug, Args)]
pub struct ResetArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// Its name
    name: String,
    /// Take the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// The arguments of `madang account delete`.
#[derive(Debug, Args)]
pub struct DeleteArguments {
    #[command(flatten)]
    place: DirectoryPlace,
    /// Its name
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Runs the command.
pub fn run(command: AccountCommand) -> Result<(), NotDone> {
    let now = wall_time();
    let by = Actor::Operator;
    let words = match command {
        AccountCommand::Add(arguments) => add(arguments, now)?,
        AccountCommand::List(arguments) => return list(arguments, now),
        AccountCommand::Show(ShowAccountArguments { place, name, json }) => {
            let account = place.open()?.account(&name)?;
            if json { format!("{}\n", json_of(&account, now)) } else { page_of(&account, now) }
        }
        AccountCommand::Role(RoleArguments { place, name, role, reason }) => {
            let account = place.open()?.set_role(&name, role.into(), &reason, by, now)?;
            format!("{} has the role {}\n", visible(&account.handle), account.role.word())
        }
        AccountCommand::Ban(arguments) => ban(arguments, Restriction::LogIn, now)?,
        AccountCommand::ChatBan(arguments) => ban(arguments, Restriction::Chat, now)?,
        AccountCommand::Unban(ReasonArguments { place, name, reason }) => {
            let shown = visible(&name);
            if !place.open()?.unban(&name, &reason, by, now)? {
                return Err(NotDone::Refused(format!("{shown} is not banned, so nothing has changed")));
            }
            format!("{shown} is banned no more\n")
        }
        AccountCommand::Reset(ResetArguments { place, name, password_stdin, reason }) => {
            let directory = place.open()?;
            let account = directory.account(&name)?;
            let typed = passwords::ask(&account.handle, password_stdin)?;
            let passwords = (typed.first.as_str(), typed.again.as_str());
            directory.set_password(&account.handle, passwords, &reason, by, now)?;
            format!("{} has another password, and all its sessions have ended\n", visible(&account.handle))
        }
        AccountCommand::Delete(DeleteArguments { place, name, yes, reason }) => {
            let directory = place.open()?;
            let account = directory.account(&name)?;
            if !yes {
                confirm(&account)?;
            }
            directory.delete(&account.handle, &reason, by, now)?;
            format!("{} is deleted; its name is never free again\n", visible(&account.handle))
        }
    };
    Ok(say(&words)?)
}

fn add(arguments: AddAccountArguments, now: Timestamp) -> Result<String, NotDone> {
    let AddAccountArguments { place, name, display_name, role, password_stdin } = arguments;
    let directory = place.open_or_make()?;
    // Before anybody types a password for nothing.
    directory.is_available(&name)?;
    let typed = passwords::ask(&name, password_stdin)?;
    let new = NewAccount {
        name: &name,
        password: &typed.first,
        password_again: &typed.again,
        display_name: display_name.as_deref(),
        role: role.into(),
    };
    let account = directory.sign_up(new, Actor::Operator, now)?;
    Ok(format!("account {} added ({})\n", visible(&account.handle), account.role.word()))
}

fn list(arguments: ListAccountsArguments, now: Timestamp) -> Result<(), NotDone> {
    let ListAccountsArguments { place, beginning, json } = arguments;
    let directory = place.open()?;
    let (mut cursor, mut has_found) = (None, false);
    loop {
        let page = directory.search(&beginning, cursor.as_ref(), PAGE)?;
        has_found |= !page.accounts.is_empty();
        let line = |account: &Account| match json {
            true => format!("{}\n", json_of(account, now)),
            false => line_of(account, now),
        };
        say(&page.accounts.iter().map(line).collect::<String>())?;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if !has_found && !beginning.is_empty() {
        return Err(NotDone::Refused(format!("no name begins with '{}'", visible(&beginning))));
    }
    if !has_found {
        eprintln!("there are no accounts; `madang account add` makes one");
    }
    Ok(())
}

fn ban(arguments: BanArguments, what: Restriction, now: Timestamp) -> Result<String, NotDone> {
    let BanArguments { place, name, until, length, reason } = arguments;
    let from_now = length.map(|length| Timestamp(now.0.saturating_add(length.0)));
    let until = until.or(from_now).unwrap_or(FOR_EVER);
    let account = place.open()?.forbid(&name, what, &Forbidden { until, reason }, Actor::Operator, now)?;
    let what = match what {
        Restriction::LogIn => "log in",
        Restriction::Chat => "post",
    };
    Ok(format!("{} may not {what} {}\n", visible(&account.handle), until_words(until)))
}

fn confirm(account: &Account) -> Result<(), NotDone> {
    if !io::stdin().is_terminal() {
        return Err(NotDone::Failed("nobody can be asked here; pass --yes to delete it".to_owned()));
    }
    let handle = visible(&account.handle);
    eprint!("delete {handle} and all that is known of it? Its name is never free again. Type the name: ");
    let _ = io::stderr().flush();
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| NotDone::Failed(format!("the answer cannot be read: {error}")))?;
    match line.trim() == account.handle {
        true => Ok(()),
        false => Err(NotDone::Refused("that is not its name, so nothing is deleted".to_owned())),
    }
}

fn until_words(until: Timestamp) -> String {
    match until {
        FOR_EVER => "for ever".to_owned(),
        until => format!("until {}Z", Clock::default().second(until.0)),
    }
}

/// What it may not, in words; empty for most.
fn restrictions(account: &Account, now: Timestamp) -> Vec<String> {
    let words = |what: &str, forbidden: Option<&Forbidden>| {
        forbidden.map(|forbidden| {
            let reason = match forbidden.reason.as_str() {
                "" => String::new(),
                reason => format!(": {}", visible(reason)),
            };
            format!("{what} {}{reason}", until_words(forbidden.until))
        })
    };
    let [ban, chat_ban] = [account.ban_at(now), account.chat_ban_at(now)];
    [words("banned", ban), words("chat-banned", chat_ban)].into_iter().flatten().collect()
}

fn line_of(account: &Account, now: Timestamp) -> String {
    let mut parts = vec![visible(&account.handle).into_owned()];
    if account.display_name != account.handle {
        parts.push(format!("({})", visible(&account.display_name)));
    }
    if account.role == Role::Admin {
        parts.push("admin".to_owned());
    }
    parts.extend(restrictions(account, now));
    parts.join("  ") + "\n"
}

fn page_of(account: &Account, now: Timestamp) -> String {
    let mut page = format!(
        "name: {}\ndisplay name: {}\nnumber: {}\nrole: {}\nmade: {}Z\n",
        visible(&account.handle),
        visible(&account.display_name),
        account.id,
        account.role.word(),
        Clock::default().second(account.created_at.0),
    );
    for words in restrictions(account, now) {
        page.push_str(&words);
        page.push('\n');
    }
    page
}

fn json_of(account: &Account, now: Timestamp) -> Value {
    let time = |time: Timestamp| Clock::default().microsecond(time.0).to_owned();
    let forbidden = |forbidden: Option<&Forbidden>| {
        forbidden.map(|forbidden| {
            let until = (forbidden.until != FOR_EVER).then(|| time(forbidden.until));
            json!({ "until": until, "reason": forbidden.reason })
        })
    };
    json!({
        "id": account.id,
        "name": account.handle,
        "display_name": account.display_name,
        "role": account.role.word(),
        "created_at": time(account.created_at),
        "ban": forbidden(account.ban_at(now)),
        "chat_ban": forbidden(account.chat_ban_at(now)),
    })
}
