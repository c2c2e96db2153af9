//! Tests of loss recovery: each algorithm by the text of its RFC, all of them together over a simulated path, and the
//! scoreboard against a naive model.

mod chaos;
mod path;
mod sections;
mod sim;
mod smoothing;
mod versus;
