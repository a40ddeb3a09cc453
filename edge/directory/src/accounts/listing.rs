//! Lists of accounts: all, or those whose names begin with something.

use super::sign_up::{DISPLAY_NAME, HANDLE};
use super::{Account, COLUMN_COUNT, COLUMNS, read};
use crate::directory::Directory;
use crate::error::{DirectoryError, Mistake};
use crate::search::{Pattern, folded};
use crate::secret::{copied, copyable};
use crate::sql::{Database, Row, Value};

/// Accounts of a page, at most.
const PAGE_MAX: usize = 100;
/// The longest beginning of a name that is looked for, in characters: as long as a display name.
const TYPED_CHARS_MAX: usize = 64;

/// Where a list continues; only its maker reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListCursor(String);

impl ListCursor {
    fn after(key: &str, account: i64, kind: &str) -> ListCursor {
        ListCursor(copyable(format!("{account} {kind} {key}").as_bytes()))
    }

    /// As a caller gives it back.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<ListCursor, Mistake> {
        let cursor = ListCursor(text.to_owned());
        cursor.parts().map(|_| cursor.clone()).ok_or_else(|| Mistake::BadValue {
            what: "the cursor",
            found: text.chars().filter(|c| !c.is_control()).take(80).collect(),
            allowed: "it is the one that came with the page before".to_owned(),
        })
    }

    /// As it is given to a caller.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> Option<(i64, String, String)> {
        let text = String::from_utf8(copied(&self.0)?).ok()?;
        let mut parts = text.splitn(3, ' ');
        let account = parts.next()?.parse().ok()?;
        let (kind, key) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        (!key.contains('\0') && !kind.contains('\0')).then_some((account, kind, key))
    }
}

/// A part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountPage {
    /// In the order of their names. It may have fewer than were asked for, though others follow.
    pub accounts: Vec<Account>,
    /// What to ask for the next part; `None` at the end.
    pub next: Option<ListCursor>,
}

impl Directory {
    /// Accounts whose name or display name begins with what was typed, or with syllables of the consonants that were
    /// typed. Nothing typed finds all.
    ///
    /// # Errors
    /// If too much was typed, and what the environment refuses.
    pub fn search(
        &self,
        typed: &str,
        after: Option<&ListCursor>,
        limit: usize,
    ) -> Result<AccountPage, DirectoryError> {
        let limit = limit.clamp(1, PAGE_MAX);
        if typed.chars().count() > TYPED_CHARS_MAX || typed.contains('\0') {
            let allowed = format!("it has at most {TYPED_CHARS_MAX} characters");
            return Err(
                Mistake::BadValue { what: "the beginning", found: "given".to_owned(), allowed }.into()
            );
        }
        let pattern = Pattern::of(typed);
        // Before all others where the list begins.
        let after = after.and_then(ListCursor::parts).unwrap_or((0, String::new(), String::new()));
        self.read(move |database| page(database, &pattern, after, limit))
    }
}

fn page(
    database: &mut dyn Database,
    pattern: &Pattern,
    (account, kind, key): (i64, String, String),
    limit: usize,
) -> Result<AccountPage, DirectoryError> {
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let column = if pattern.is_of_initials() { "initials" } else { "folded" };
    let [from, to] = if pattern.is_of_initials() { pattern.range_of_initials() } else { pattern.range() };
    let [literal_from, literal_to] = pattern.range_of_literal();
    let sql = format!(
        "SELECT {COLUMNS}, n.kind, n.folded, n.{column} FROM search_names n JOIN accounts a ON a.id = n.account \
         WHERE n.{column} >= $1 AND n.{column} < $2 AND n.folded >= $3 AND n.folded < $4 \
         AND (n.{column}, n.account, n.kind) > ($5, $6, $7) ORDER BY n.{column}, n.account, n.kind LIMIT $8"
    );
    let values: [Value; 8] = [
        from.into(),
        to.into(),
        literal_from.into(),
        literal_to.into(),
        key.into(),
        account.into(),
        kind.into(),
        limit_rows.into(),
    ];
    let rows = database.query(&sql, &values)?;
    let mut accounts = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(account) = found(row, pattern)? {
            accounts.push(account);
        }
    }
    let next = match rows.last() {
        Some(last) if rows.len() == limit => {
            Some(ListCursor::after(last.text(COLUMN_COUNT + 2)?, last.number(0)?, last.text(COLUMN_COUNT)?))
        }
        _ => None,
    };
    Ok(AccountPage { accounts, next })
}

/// The account of a row, unless it is not found by this name after all, or is listed by its other one.
fn found(row: &Row, pattern: &Pattern) -> Result<Option<Account>, DirectoryError> {
    let (kind, name) = (row.text(COLUMN_COUNT)?, row.text(COLUMN_COUNT + 1)?);
    let account = read(row)?;
    let is_doubled = kind == DISPLAY_NAME && pattern.finds(&folded(&account.handle));
    if kind != HANDLE && kind != DISPLAY_NAME {
        return Err(row.damaged(format!("'{kind}' is no kind of name")));
    }
    Ok((pattern.finds(name) && !is_doubled).then_some(account))
}
