//! What links carry: the latest minute of every port, link and indicator.
//!
//! The store holds the ports' readings as they came; the [`Board`] is a cache of
//! the last minutes of them, the same in every collector of a store, and
//! [`Figures`] are computed from it when they are asked for, once a window.

mod board;
mod figures;

pub(crate) use board::{Board, READINGS_OF};
pub(crate) use figures::{
    Figures, Indicated, LinkFigure, PonFigure, PortFigure, PortWay, WayFigure,
};
