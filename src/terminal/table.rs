//! A table for a terminal: columns as wide as their widest cell, Chinese characters counted as two.

use std::fmt;

use unicode_width::UnicodeWidthStr as _;

/// The side of its column that a cell keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A heading and rows under it.
pub(crate) struct Table<const COLUMNS: usize> {
    sides: [Side; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(columns: &[(&str, Side); COLUMNS]) -> Self {
        Self {
            sides: columns.map(|(_, side)| side),
            rows: vec![columns.map(|(heading, _)| heading.to_owned())],
        }
    }

    pub(crate) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }
}

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; COLUMNS];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, side), width) in row.iter().zip(self.sides).zip(widths) {
                let gap = " ".repeat(width - cell.width());
                match side {
                    Side::Left => line.extend([cell.as_str(), gap.as_str(), "  "]),
                    Side::Right => line.extend([gap.as_str(), cell.as_str(), "  "]),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_under_chinese() {
        let mut table = Table::new(&[
            ("name", Side::Left),
            ("km", Side::Right),
            ("end", Side::Left),
        ]);
        table.row(["盐城".into(), "7.5".into(), "a".into()]);
        table.row(["Yannan".into(), "148".into(), "b".into()]);
        assert_eq!(
            table.to_string(),
            "name     km  end\n盐城    7.5  a\nYannan  148  b\n"
        );
    }
}
