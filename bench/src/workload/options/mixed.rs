//! What can be asked of `mixed`.

use crate::error::BenchError;
use crate::options::{Options, bounds, defaults, fields};
use crate::protocol::Protocol;
use crate::results::{Parameter, grouped};
use clap::Args;
use serde::Serialize;

/// Talk, whispers and moves between rooms, in proportions
#[derive(Args, Serialize, Clone, PartialEq, Debug)]
#[command(after_help = "Example: madang bench mixed --moves 10 --whispers 20 --rate 2000")]
pub(crate) struct MixedOptions {
    /// Rooms
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) rooms: usize,
    /// Users of each room who stay
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) members: usize,
    /// Actions a second over all users
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) rate: u64,
    /// Percentage of actions that are moves to the next room
    #[arg(long, value_name = "PERCENT", default_value_t = 5)]
    pub(crate) moves: u8,
    /// Percentage of actions that are whispers; the rest is talk
    #[arg(long, value_name = "PERCENT", default_value_t = 15)]
    pub(crate) whispers: u8,
    /// Text of a message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    pub(crate) size: usize,
    /// For how long it sends: --seconds of every workload.
    #[arg(skip = 5.0)]
    pub(crate) seconds: f64,
}

impl MixedOptions {
    pub(crate) const NAME: &str = "mixed";

    /// Users that move from room to room: as many as there are rooms.
    pub(crate) fn wanderers(&self) -> usize {
        if self.moves == 0 { 0 } else { self.rooms }
    }
}

impl Default for MixedOptions {
    fn default() -> MixedOptions {
        defaults()
    }
}

impl Options for MixedOptions {
    fn name(&self) -> &'static str {
        MixedOptions::NAME
    }

    fn parameters(&self) -> Vec<Parameter> {
        fields(self)
    }

    fn title(&self) -> String {
        let MixedOptions { rooms, members, rate, moves, whispers, seconds, .. } = self;
        let talk = 100_u8.saturating_sub(*moves).saturating_sub(*whispers);
        format!(
            "mixed: {rooms} rooms x {members} members, {rate} actions/s, open loop: {moves} % moves, {whispers} % \
             whispers, {talk} % talk, {seconds} s"
        )
    }

    fn label(&self) -> String {
        let [rooms, members] = [self.rooms, self.members].map(grouped);
        format!("mixed {rooms} × {members}, {} actions/s", grouped(self.rate))
    }

    fn check(&self, protocol: Protocol) -> Result<(), BenchError> {
        bounds::rooms_and_members(self.rooms, self.members, 2)?;
        bounds::within("rooms", self.rooms, 2, bounds::TALKERS_MAX)?;
        let (moves, whispers) = (usize::from(self.moves), usize::from(self.whispers));
        bounds::within("moves", moves, 0, 100)?;
        bounds::within("whispers", whispers, 0, 100 - moves)?;
        bounds::size(self.size, protocol)?;
        bounds::seconds(self.seconds)?;
        bounds::rate(self.rate, self.seconds)
    }

    fn connections(&self) -> usize {
        self.rooms * self.members + self.wanderers()
    }

    fn members(&self) -> usize {
        self.members + self.wanderers()
    }
}
