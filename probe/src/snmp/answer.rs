//! What an answer to a slice holds: whole rows, cell by cell, each under the name that was expected.
//!
//! GETBULK goes on with the next name that exists, whichever that is. So a row that is not there does not leave a hole in the
//! answer but another row, and only the names tell. No cell is ever taken for that of another row.

use owl_measure::counter::Ticks;
use owl_protocol::snmp::ber::Malformed;
use owl_protocol::snmp::pdu::Pdu;
use owl_protocol::snmp::{Oid, Value, last_arc, suffix};

/// More columns than any lane has.
const COLUMNS_MAX: usize = 8;

/// What an answer held of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// sysUpTime.
    pub(super) up: Ticks,
    /// So many rows of the slice, from its beginning, are answered: with a value, or without one for good.
    pub(super) rows: usize,
    /// A row that was expected is nowhere, or one that was not is there: the table is another one by now.
    pub(super) changed: bool,
}

/// Reads an answer whose first binding is sysUpTime, followed by rows of `columns`. Each cell of the `expected` rows is told
/// to `store` as column, row of the slice, value.
///
/// # Errors
/// When it is malformed, or does not begin with sysUpTime.
pub(super) fn read(
    pdu: &Pdu<'_>,
    up_time: &Oid,
    columns: &[Oid],
    expected: &[u32],
    mut store: impl FnMut(usize, usize, Value<'_>),
) -> Result<Held, Malformed> {
    let mut bindings = pdu.bindings();
    let first = bindings.next().ok_or(Malformed::Form)??;
    let (Some([0]), Value::Ticks(up)) = (suffix(first.name, up_time), first.value) else {
        return Err(Malformed::Form);
    };
    let count = columns.len().min(COLUMNS_MAX);
    // How far each column is, and how far any of them was seen.
    let mut cursors = [0_usize; COLUMNS_MAX];
    let (mut changed, mut seen) = (false, 0_usize);
    let mut column = 0;
    for binding in bindings {
        let binding = binding?;
        let k = column;
        column = if k + 1 == count { 0 } else { k + 1 };
        let cursor = &mut cursors[k];
        if *cursor >= expected.len() {
            continue;
        }
        let absent = matches!(
            binding.value,
            Value::EndOfMibView | Value::NoSuchObject | Value::NoSuchInstance
        );
        let row = suffix(binding.name, &columns[k])
            .filter(|_| !absent)
            .and_then(last_arc);
        let Some(row) = row else {
            // The column ended: no row behind this has a cell in it.
            *cursor = expected.len();
            continue;
        };
        while expected.get(*cursor).is_some_and(|&index| index < row) {
            *cursor += 1;
        }
        if expected.get(*cursor) == Some(&row) {
            store(k, *cursor, binding.value);
            // A row that no column has is gone.
            changed |= *cursor > seen;
            seen = seen.max(*cursor + 1);
            *cursor += 1;
        } else if *cursor < expected.len() {
            changed = true;
        }
    }
    let rows = cursors[..count].iter().min().copied().unwrap_or(0);
    Ok(Held {
        up: Ticks(up),
        rows,
        changed: changed || (rows > seen),
    })
}

#[cfg(test)]
mod tests {
    use owl_protocol::snmp::ber::Writer;
    use owl_protocol::snmp::community;
    use owl_protocol::snmp::pdu::{Head, Kind, write_cell};

    use super::super::column::up_time;
    use super::*;

    fn columns() -> [Oid; 2] {
        ["1.3.6.1.2.1.31.1.1.1.6", "1.3.6.1.2.1.31.1.1.1.10"].map(|oid| oid.parse().unwrap())
    }

    /// Cells as (column, row); column 2 is behind both.
    #[track_caller]
    fn check(
        cells: &[(usize, u32)],
        expected: &[u32],
        stored: &[(usize, usize)],
        rows: usize,
        changed: bool,
    ) {
        let head = Head {
            kind: Kind::Response,
            request_id: 1,
            status: 0,
            index: 0,
        };
        let mut writer = Writer::default();
        let [a, b] = columns();
        let behind: Oid = "1.3.6.1.2.1.31.1.1.1.11".parse().unwrap();
        community::write(&mut writer, b"", head, |writer| {
            for &(column, row) in cells.iter().rev() {
                let name = [&a, &b, &behind][column];
                write_cell(writer, name, row, Value::Counter64(row.into()));
            }
            write_cell(writer, &up_time(), 0, Value::Ticks(7));
        });
        let message = community::read(writer.message()).unwrap();
        let mut told = Vec::new();
        let held = read(
            &message.pdu,
            &up_time(),
            &columns(),
            expected,
            |column, row, value| {
                assert_eq!(value.number(), Some(expected[row].into()));
                told.push((column, row));
            },
        );
        assert_eq!(told, stored);
        let up = Ticks(7);
        assert_eq!(held, Ok(Held { up, rows, changed }));
    }

    #[test]
    fn no_cell_is_taken_for_that_of_another_row() {
        let all = &[(0, 5), (1, 5), (0, 9), (1, 9)];
        check(all, &[5, 9], &[(0, 0), (1, 0), (0, 1), (1, 1)], 2, false);
        // Cut in the middle of a row: that row is asked for again.
        check(&all[..3], &[5, 9], &[(0, 0), (1, 0), (0, 1)], 1, false);
        check(&[], &[5, 9], &[], 0, false);
        // Row 9 has no cell in the second column: the next one comes, which is another row's.
        check(
            &[(0, 5), (1, 5), (0, 9), (1, 12)],
            &[5, 9],
            &[(0, 0), (1, 0), (0, 1)],
            2,
            false,
        );
        // Row 5 is gone, in both columns.
        check(&[(0, 9), (1, 9)], &[5, 9], &[(0, 1), (1, 1)], 2, true);
        // The last row is gone, and the columns end.
        check(
            &[(0, 5), (1, 5), (1, 5), (2, 5)],
            &[5, 9],
            &[(0, 0), (1, 0)],
            2,
            true,
        );
        // A row that nobody expected.
        check(
            &[(0, 5), (1, 5), (0, 7), (1, 7)],
            &[5, 9],
            &[(0, 0), (1, 0)],
            1,
            true,
        );
    }
}
