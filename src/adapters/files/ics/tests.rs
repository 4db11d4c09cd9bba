//! Tests of what the parts of iCalendar mean.
