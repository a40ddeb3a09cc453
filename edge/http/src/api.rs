//! What every request is answered with: the directory, the keys, the core, what passwords and rates need.

use crate::client::Client;
use crate::core::{AccountEvents, AccountState, Ended};
use crate::passwords::{Busy, Guesses, PasswordLoad, Proofs, Workers};
use crate::problem::{Problem, ProblemCode};
use crate::rates::Rates;
use crate::settings::{PlainPasswords, Settings};
use crate::store::Store;
use crate::time::{WallClock, system_clock};
use crate::tokens::Keyring;
use madang_directory::{Account, Directory, DirectoryError, RefreshToken};
use madang_model::{Timestamp, UserName};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How long the core is waited for. What it was told of holds in the directory all the same.
const CORE_TIME_MAX: Duration = Duration::from_secs(2);

/// What is known of the device on which somebody types a password.
#[derive(Clone, Debug)]
pub enum Device {
    /// Nothing.
    Unknown,
    /// It has shown a refresh token: if that is of the account, it is not delayed.
    Shows(RefreshToken),
    /// It has logged in, and somebody types the password once more. It does not wait for what strangers guess, but whoever
    /// found it open guesses as slowly as they do.
    LoggedIn,
}

/// What the router is made of.
pub struct Parts {
    /// The accounts.
    pub directory: Arc<Directory>,
    /// What signs access tokens.
    pub keyring: Keyring,
    /// What has the connections.
    pub core: Arc<dyn AccountEvents>,
    /// What the operator decides.
    pub settings: Settings,
}

/// What every request is answered with. A clone is the same.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    store: Store,
    keyring: Keyring,
    core: Arc<dyn AccountEvents>,
    settings: Settings,
    workers: Workers,
    proofs: Proofs,
    guesses: Arc<Guesses>,
    rates: Rates,
    clock: WallClock,
}

impl Api {
    /// Of its parts. It starts the threads that compute with passwords, which end with it.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn new(parts: Parts) -> io::Result<Api> {
        Api::with_clock(parts, system_clock())
    }

    /// The same with another clock, for tests.
    ///
    /// # Errors
    /// As [`Api::new`].
    pub fn with_clock(parts: Parts, clock: WallClock) -> io::Result<Api> {
        Ok(Api(Arc::new(Inner {
            store: Store::new(parts.directory),
            keyring: parts.keyring,
            core: parts.core,
            settings: parts.settings,
            workers: Workers::start()?,
            proofs: Proofs::default(),
            guesses: Arc::new(Guesses::default()),
            rates: Rates::default(),
            clock,
        })))
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// What the operator decides.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What signs and checks access tokens.
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// What everyone has asked.
    pub fn rates(&self) -> &Rates {
        &self.0.rates
    }

    /// How many passwords wait, for metrics.
    pub fn password_load(&self) -> PasswordLoad {
        self.0.workers.load()
    }

    /// Asks the directory.
    ///
    /// # Errors
    /// What it refuses, or that too many ask.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Directory) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, Problem> {
        self.0.store.ask(question).await
    }

    /// Asks the directory something for which a password is computed.
    ///
    /// # Errors
    /// What it refuses, or that too many passwords wait.
    pub async fn compute<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Directory) -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, Problem> {
        let directory = self.0.store.directory();
        self.on_workers(move || question(&directory)).await
    }

    async fn on_workers<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, Problem> {
        match self.0.workers.run(compute).await {
            Ok(answer) => Ok(answer?),
            Err(Busy(wait)) => Err(Problem::plain(ProblemCode::Busy).retry_after(wait)),
        }
    }

    /// A password may come over the connection of this client.
    ///
    /// # Errors
    /// [`ProblemCode::PlainPassword`].
    pub fn expect_private(&self, client: &Client) -> Result<(), Problem> {
        match client.is_private || self.settings().plain_passwords == PlainPasswords::Always {
            true => Ok(()),
            false => Err(Problem::plain(ProblemCode::PlainPassword)),
        }
    }

    /// The account of a name and password.
    ///
    /// # Errors
    /// [`ProblemCode::WrongCredentials`], [`ProblemCode::Banned`], [`ProblemCode::TooManyGuesses`],
    /// [`ProblemCode::Busy`], and what the directory refuses.
    pub async fn check_password(
        &self,
        name: &str,
        password: &str,
        device: Device,
        client: &Client,
    ) -> Result<Account, Problem> {
        let now = self.now();
        let (asked, is_logged_in) = (name.to_owned(), matches!(device, Device::LoggedIn));
        let (credential, device_of) = self
            .ask(move |directory| {
                let credential = directory.credential(&asked)?;
                let device_of = match device {
                    Device::Shows(token) => directory.account_of_token(&token, now)?,
                    Device::Unknown | Device::LoggedIn => None,
                };
                Ok((credential, device_of))
            })
            .await?;
        let is_known = device_of.is_some() && device_of == credential.account_id();
        let begin = |name: &str, address| {
            let begun = self.0.guesses.begin(name, address, now);
            begun.map_err(|wait| Problem::plain(ProblemCode::TooManyGuesses).retry_after(wait))
        };
        let attempt = match is_known {
            true => None,
            // No name has a space.
            false if is_logged_in => Some(begin(&format!("{} logged in", guessed(name)), None)?),
            false => {
                let address = (!client.is_loopback()).then(|| client.network());
                Some(begin(&guessed(name), address)?)
            }
        };
        let is_proven = self.0.proofs.has(&credential, password, now);
        let checked = match is_proven {
            true => credential.accept(now).map_err(Problem::from),
            false => {
                let (credential, password) = (credential.clone(), password.to_owned());
                self.on_workers(move || credential.check(&password, now)).await
            }
        };
        match &checked {
            Ok(_) => {
                // A proof is not proven by itself: it ends after some hours.
                if !is_proven {
                    self.0.proofs.put(&credential, password, now);
                }
                if let Some(attempt) = attempt {
                    attempt.was_right();
                }
            }
            Err(problem) if problem.code == ProblemCode::WrongCredentials => {
                if let Some(attempt) = attempt {
                    attempt.was_wrong(now);
                }
            }
            // Who is told of a ban knows the password.
            Err(problem) if problem.code == ProblemCode::Banned => {
                if let Some(attempt) = attempt {
                    attempt.was_right();
                }
            }
            Err(_) => {}
        }
        checked
    }

    /// Forgets that somebody has proven to know the password of an account.
    pub fn forget_proof(&self, account: i64) {
        self.0.proofs.forget(account);
    }

    /// Tells the core that sessions have ended, and waits until it has ended them.
    pub async fn end_sessions(&self, account: i64, ended: Ended) {
        self.tell(self.0.core.end_sessions(account, ended)).await;
    }

    /// Tells the core what an account is now, and waits until it goes by it.
    pub async fn account_changed(&self, state: AccountState) {
        self.tell(self.0.core.account_changed(state)).await;
    }

    /// A core that is away is no reason to refuse what is done already: it learns of it when it is back.
    async fn tell(&self, answer: crate::core::Acknowledged<'_>) {
        match tokio::time::timeout(CORE_TIME_MAX, answer).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("{error}"),
            Err(_) => tracing::warn!("{}", crate::core::CoreAway),
        }
    }
}

/// What guesses of a name are counted under: the same for all ways to write it.
fn guessed(name: &str) -> String {
    // What is no name is nobody's: those count as one.
    UserName::parse(name).map(|name| name.canonical()).unwrap_or_default()
}
