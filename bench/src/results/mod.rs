//! What measurements find, before anyone words or draws it.
//!
//! Workloads fill these and know no output; outputs read these and know no workload.

mod measurement;
mod metric;

pub use measurement::{Faults, Measurement, Parameter, Series};
pub use metric::{Better, Latency, Metric};
