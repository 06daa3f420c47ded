//! The integration tests in one program: linking each file alone costs more than compiling it.

mod envelopes;
mod forms;
mod hostile;
