//! Tests of the whole: tables, walks, two hosts over a bad network.

mod behaviour;
mod fuzz;
mod limits;
mod script;
mod sim;
mod table;
mod transfer;
mod walk;
