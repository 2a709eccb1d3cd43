//! Which row is which port. Ports are known by their names (ifName): the numbers of rows change when agents restart.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Ports of one agent, at most; an agent that has more is asked for the first ones.
pub const PORTS_MAX: usize = 65_536;
/// The longest name or alias that is kept, in octets (RFC 2863: DisplayString of 255, and 64).
const TEXT_OCTETS_MAX: usize = 255;

/// A port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// ifName; where that is empty or another port has it, too, followed by `#` and ifIndex.
    pub name: String,
    /// ifAlias.
    pub alias: String,
    /// ifHighSpeed, in b/s; `None` when it is not told.
    pub speed_bps: Option<u64>,
    /// Whether ifOperStatus is up; `None` when it is not told.
    pub up: Option<bool>,
    identity: u64,
}

impl Port {
    fn named(name: String) -> Self {
        let mut hash = DefaultHasher::new();
        name.hash(&mut hash);
        Self {
            name,
            alias: String::new(),
            speed_bps: None,
            up: None,
            identity: hash.finish(),
        }
    }

    /// A number that another name does not have.
    pub fn identity(&self) -> u64 {
        self.identity
    }
}

/// The ports of one agent, each at a place that it keeps as long as the agent has it.
#[derive(Debug, Default)]
pub struct Directory {
    ports: Vec<Port>,
    rows: Vec<Row>,
}

/// A row of the agent's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// ifIndex.
    pub index: u32,
    /// The place of its port.
    pub port: usize,
}

/// Text of an agent, as far as it is kept.
pub(super) fn text(octets: &[u8]) -> String {
    let kept = &octets[..octets.len().min(TEXT_OCTETS_MAX)];
    String::from_utf8_lossy(kept)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

impl Directory {
    /// Takes the rows as they are now, in order of their index. Ports keep their places; the places of ports that are gone
    /// are given to new ones.
    pub(super) fn replace(&mut self, walked: Vec<(u32, String)>) {
        let mut places: HashMap<String, usize> = self
            .ports
            .iter()
            .enumerate()
            .map(|(place, port)| (port.name.clone(), place))
            .collect();
        let mut seen: HashMap<String, ()> = HashMap::with_capacity(walked.len());
        let names: Vec<(u32, String)> = walked
            .into_iter()
            .map(|(index, name)| {
                let name = if name.is_empty() || seen.contains_key(&name) {
                    format!("{name}#{index}")
                } else {
                    name
                };
                seen.insert(name.clone(), ());
                (index, name)
            })
            .collect();
        let mut free: Vec<usize> = places
            .extract_if(|name, _| !seen.contains_key(name))
            .map(|(_, place)| place)
            .collect();
        self.rows = names
            .into_iter()
            .map(|(index, name)| {
                let port = *places.entry(name).or_insert_with_key(|name| {
                    let port = Port::named(name.clone());
                    match free.pop() {
                        Some(place) => {
                            self.ports[place] = port;
                            place
                        }
                        None => {
                            self.ports.push(port);
                            self.ports.len() - 1
                        }
                    }
                });
                Row { index, port }
            })
            .collect();
    }

    /// The rows, in order of their index.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The ports by their places. A place without a row belongs to a port that is gone.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    pub(super) fn port_mut(&mut self, row: usize) -> &mut Port {
        &mut self.ports[self.rows[row].port]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(directory: &Directory) -> Vec<(u32, usize, &str)> {
        let rows = directory.rows().iter();
        rows.map(|row| {
            (
                row.index,
                row.port,
                directory.ports()[row.port].name.as_str(),
            )
        })
        .collect()
    }

    #[test]
    fn a_port_keeps_its_place_whatever_its_number_is() {
        let mut directory = Directory::default();
        let walked = |rows: &[(u32, &str)]| {
            rows.iter()
                .map(|&(index, name)| (index, name.to_owned()))
                .collect()
        };
        directory.replace(walked(&[(1, "a"), (2, "b"), (3, "c")]));
        assert_eq!(shown(&directory), [(1, 0, "a"), (2, 1, "b"), (3, 2, "c")]);
        directory.replace(walked(&[(1, "c"), (2, "a"), (7, "b")]));
        assert_eq!(shown(&directory), [(1, 2, "c"), (2, 0, "a"), (7, 1, "b")]);
        let gone = directory.ports()[0].identity();
        // The place of a port that is gone is given to another, which is another.
        directory.replace(walked(&[(1, "c"), (2, "b"), (3, "d"), (4, "e")]));
        assert_eq!(
            shown(&directory),
            [(1, 2, "c"), (2, 1, "b"), (3, 0, "d"), (4, 3, "e")]
        );
        assert_ne!(directory.ports()[0].identity(), gone);
        // Names that are no names.
        directory.replace(walked(&[(1, ""), (2, "b"), (3, "b")]));
        let names: Vec<_> = shown(&directory).into_iter().map(|row| row.2).collect();
        assert_eq!(names, ["#1", "b", "b#3"]);
    }

    #[test]
    fn names_hold_nothing_that_a_terminal_would_obey() {
        assert_eq!(text(b"eth\x1b[2J0\0"), "eth [2J0");
        assert_eq!(text(&[b'x'; 300]).len(), TEXT_OCTETS_MAX);
    }
}
