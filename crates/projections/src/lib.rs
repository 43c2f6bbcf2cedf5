//! The read models of benniu, the engine that feeds them, and what runs beside it.

pub mod read_model;
pub mod read_models;
