//! The objects of a simulated OLT, in the order of their names.

use owl_protocol::snmp::Oid;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Object {
    Description,
    UpTime,
    Name,
    IfDescription,
    IfSpeed,
    AdminStatus,
    OperStatus,
    InDiscards,
    InErrors,
    OutDiscards,
    OutErrors,
    PortName,
    InOctets,
    InPackets,
    OutOctets,
    OutPackets,
    HighSpeed,
    Alias,
    Discontinuity,
    TableLastChange,
    EngineBoots,
    EngineTime,
}

/// A column of a table, or an object that has one value.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) object: Object,
    pub(super) oid: Oid,
    pub(super) arcs: Vec<u32>,
    /// Whether it has one value, `.0`, and not one a port.
    pub(super) scalar: bool,
}

/// One value: a column and a row, or nothing where the names end.
pub(super) type Place = Option<(usize, u32)>;

/// All objects, and the rows of the tables.
#[derive(Debug)]
pub(super) struct Mib {
    pub(super) columns: Vec<Column>,
    first_index: u32,
    rows: u32,
}

/// The first port's ifIndex: such numbers have five octets, as those of real OLTs do.
const FIRST_INDEX: u32 = 0x1101_0101;

const SCALAR: bool = true;
const TABLE: bool = false;

const OBJECTS: [(Object, bool, &str); 22] = [
    (Object::Description, SCALAR, "1.3.6.1.2.1.1.1"),
    (Object::UpTime, SCALAR, "1.3.6.1.2.1.1.3"),
    (Object::Name, SCALAR, "1.3.6.1.2.1.1.5"),
    (Object::IfDescription, TABLE, "1.3.6.1.2.1.2.2.1.2"),
    (Object::IfSpeed, TABLE, "1.3.6.1.2.1.2.2.1.5"),
    (Object::AdminStatus, TABLE, "1.3.6.1.2.1.2.2.1.7"),
    (Object::OperStatus, TABLE, "1.3.6.1.2.1.2.2.1.8"),
    (Object::InDiscards, TABLE, "1.3.6.1.2.1.2.2.1.13"),
    (Object::InErrors, TABLE, "1.3.6.1.2.1.2.2.1.14"),
    (Object::OutDiscards, TABLE, "1.3.6.1.2.1.2.2.1.19"),
    (Object::OutErrors, TABLE, "1.3.6.1.2.1.2.2.1.20"),
    (Object::PortName, TABLE, "1.3.6.1.2.1.31.1.1.1.1"),
    (Object::InOctets, TABLE, "1.3.6.1.2.1.31.1.1.1.6"),
    (Object::InPackets, TABLE, "1.3.6.1.2.1.31.1.1.1.7"),
    (Object::OutOctets, TABLE, "1.3.6.1.2.1.31.1.1.1.10"),
    (Object::OutPackets, TABLE, "1.3.6.1.2.1.31.1.1.1.11"),
    (Object::HighSpeed, TABLE, "1.3.6.1.2.1.31.1.1.1.15"),
    (Object::Alias, TABLE, "1.3.6.1.2.1.31.1.1.1.18"),
    (Object::Discontinuity, TABLE, "1.3.6.1.2.1.31.1.1.1.19"),
    (Object::TableLastChange, SCALAR, "1.3.6.1.2.1.31.1.5"),
    (Object::EngineBoots, SCALAR, "1.3.6.1.6.3.10.2.1.2"),
    (Object::EngineTime, SCALAR, "1.3.6.1.6.3.10.2.1.3"),
];

impl Mib {
    pub(super) fn new(ports: u32) -> Self {
        let columns = OBJECTS.map(|(object, scalar, oid)| {
            let oid: Oid = oid.parse().expect("the table above holds identifiers");
            Column {
                object,
                arcs: oid.arcs(),
                oid,
                scalar,
            }
        });
        Self {
            columns: columns.into(),
            first_index: FIRST_INDEX,
            rows: ports,
        }
    }

    fn rows(&self, column: &Column) -> u32 {
        if column.scalar { 1 } else { self.rows }
    }

    /// The last number of a value's name.
    pub(super) fn index(&self, column: usize, row: u32) -> u32 {
        if self.columns[column].scalar {
            0
        } else {
            self.first_index + row
        }
    }

    /// The value of this name.
    pub(super) fn find(&self, name: &[u32]) -> Place {
        let (k, column) = self
            .columns
            .iter()
            .enumerate()
            .find(|(_, column)| name.starts_with(&column.arcs))?;
        let &[index] = &name[column.arcs.len()..] else {
            return None;
        };
        let row = index.checked_sub(self.index(k, 0))?;
        (row < self.rows(column)).then_some((k, row))
    }

    /// The first value whose name is greater.
    pub(super) fn next(&self, name: &[u32]) -> Place {
        for (k, column) in self.columns.iter().enumerate() {
            let first = self.index(k, 0);
            let rows = self.rows(column);
            let row = if let Some(behind) = name.strip_prefix(column.arcs.as_slice()) {
                match behind {
                    [] => 0,
                    [index, ..] if *index < first => 0,
                    [index, ..] => (index - first).saturating_add(1),
                }
            } else if column.arcs.as_slice() > name {
                0
            } else {
                continue;
            };
            if row < rows {
                return Some((k, row));
            }
        }
        None
    }

    /// What follows a value.
    pub(super) fn after(&self, (column, row): (usize, u32)) -> Place {
        if row + 1 < self.rows(&self.columns[column]) {
            return Some((column, row + 1));
        }
        (column + 1..self.columns.len())
            .find(|&k| self.rows(&self.columns[k]) > 0)
            .map(|k| (k, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_walked_in_their_order_from_wherever_one_begins() {
        let mib = Mib::new(3);
        let mut place = mib.next(&[0]);
        let mut last = vec![0, 0];
        let mut count = 0;
        while let Some((column, row)) = place {
            let mut name = mib.columns[column].arcs.clone();
            name.push(mib.index(column, row));
            assert!(name > last, "{name:?} comes after {last:?}");
            assert_eq!(mib.next(&last), place);
            assert_eq!(mib.find(&name), place);
            count += 1;
            last = name;
            place = mib.after((column, row));
        }
        assert_eq!(count, 6 + 16 * 3);
        assert_eq!(mib.next(&last), None);
    }
}
