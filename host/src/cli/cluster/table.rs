//! Tables of text.
//!
//! Enters: rows of cells. Leaves: lines whose columns are as wide as their widest cell. Guarantees: each row is one line.

use crate::terminal::OneLine;
use std::io::{self, Write};

/// Writes a head and rows. The last column is not filled up.
pub(super) fn write<const COLUMNS: usize>(
    out: &mut impl Write,
    head: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> io::Result<()> {
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = all().map(|row| OneLine(&row[column]).to_string().chars().count());
        cells.max().unwrap_or(0)
    });
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let cell = OneLine(cell).to_string();
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["shop-1", "x"], ["s", "a\nb"]].map(|row| row.map(str::to_owned));
        let mut out = Vec::new();
        write(&mut out, ["NODE", "WHAT"], &rows).expect("memory takes it");
        let text = String::from_utf8(out).expect("it is text");
        assert_eq!(text, "NODE    WHAT\nshop-1  x\ns       a\\nb\n");
    }
}
