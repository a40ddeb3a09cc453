mod damage;
mod expiry;
mod pages;
mod rebuild;
mod sizes;
mod snapshots;
mod world;
