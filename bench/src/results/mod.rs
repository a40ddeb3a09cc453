//! What measurements find, before anyone words or draws it.
//!
//! Workloads fill these and know no output; outputs read these and know no workload.

#[cfg(test)]
pub(crate) mod example;
mod figure;
mod measurement;
mod metric;
mod number;
mod run;

pub(crate) use figure::figures;
pub use figure::{Figure, QUANTILES, Spread, quantile_us};
pub use measurement::{Faults, Measurement, Parameter, Series};
pub use metric::{Better, Latency, Metric};
pub(crate) use number::grouped;
pub use run::{Column, Entry, Run, ServerFacts};
