//! The rules of the model.
