//! The attacks of docs/security.md, each tried on the real binary: what the attacker sees, that
//! nobody else notices, and the bound that holds.

mod churn;
mod crowds;
mod descriptors;
mod floods;
mod http;
mod names;
mod numbers;
mod outboxes;
mod oversized;
mod resets;
mod rooms;
mod storms;
mod terminals;
