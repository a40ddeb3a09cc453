//! The load, the histograms and the report of `madang bench`.
