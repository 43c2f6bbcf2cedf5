//! The models that reports are made of.

mod growth;
mod hazards;
mod heat;
mod honour;
mod mediation;
mod missed;
mod stock;
