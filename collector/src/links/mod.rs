//! What links carry: the latest minute of every port, link and indicator.
//!
//! The store holds the ports' readings as they came; the [`Readings`] is a cache of
//! the last minutes of them, the same in every collector of a store, and
//! [`Figures`] are computed from it when they are asked for, once a window.

mod figures;
mod readings;

pub(crate) use figures::{
    Figures, Indicated, LinkFigure, PonFigure, PortFigure, PortWay, WayFigure,
};
pub(crate) use readings::{READINGS_OF, Readings};
