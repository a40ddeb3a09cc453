//! The program as people and operators meet it: the real binary, over real sockets. A file a subject; `attacks` are those
//! of docs/security.md, `documents` types what the documents say one can type.
//!
//! One binary, as each would hold all of the harness and be linked anew.

mod harness;

mod accounts;
mod amended_crashes;
mod amendments;
mod architecture;
mod attacks;
mod backups;
mod bad_connections;
mod bad_input;
mod bench;
mod bench_log;
mod clients;
mod command_line;
mod commands;
mod config;
mod containers;
mod copies;
mod crashes;
mod direct_rooms;
mod disk;
mod documents;
mod drafts;
mod durability;
mod edge;
mod epochs;
mod erasures;
mod events;
mod every_listener;
mod evidence;
mod facts;
mod failed_upgrades;
mod faults;
mod history;
mod imports;
mod lifecycle;
mod limits;
mod link;
mod load;
mod log_tools;
mod metrics;
mod other_protocols;
mod packaging;
mod previous_release;
mod privacy;
mod proxy;
mod recipes;
mod reload;
mod rest;
mod restarts;
mod samples;
mod sandbox;
mod silence;
mod soak;
mod status;
mod supervisors;
mod systemd;
mod talk;
mod telnet;
mod tls;
mod upgrades;
