//! Model providers with faults, in process: for the demo, the tests and the simulation.
