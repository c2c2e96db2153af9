//! Aligned tables.

use super::Style;

/// A colour of a cell; what it means is said in words too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    /// Well.
    Green,
    /// On its way.
    Yellow,
    /// Bad.
    Red,
}

impl Color {
    /// `text` in this colour, where colours are wanted.
    pub(crate) fn paint(self, text: &str, style: Style) -> String {
        let code = match self {
            Color::Green => 32,
            Color::Yellow => 33,
            Color::Red => 31,
        };
        if style.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A cell's text and maybe its colour.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    color: Option<Color>,
}

impl Cell {
    /// In a colour.
    pub(crate) fn colored(text: impl Into<String>, color: Color) -> Cell {
        Cell { text: text.into(), color: Some(color) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell { text: text.into(), color: None }
    }
}

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

#[derive(Debug)]
enum Row {
    Cells(Vec<Cell>),
    /// A line across all columns, indented.
    Note(String),
}

/// Columns as wide as their widest cell, two spaces between.
#[derive(Debug)]
pub(crate) struct Table {
    columns: &'static [(&'static str, Align)],
    rows: Vec<Row>,
    style: Style,
}

impl Table {
    /// Without rows.
    pub(crate) fn new(columns: &'static [(&'static str, Align)], style: Style) -> Table {
        Table { columns, rows: Vec::new(), style }
    }

    /// Adds a row, a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row::Cells(cells.into_iter().collect()));
    }

    /// Adds a line under the last row.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.rows.push(Row::Note(text.into()));
    }

    /// The table with its header; each line after `indent` spaces.
    pub(crate) fn render(&self, indent: usize) -> String {
        self.render_page(indent, &mut Vec::new())
    }

    /// Part of a table that is longer: `widths`, empty at first, are kept from part to part, so that the columns do
    /// not jump as long as their cells fit. Only the first part has the header.
    pub(crate) fn render_page(&self, indent: usize, widths: &mut Vec<usize>) -> String {
        let header = widths.is_empty();
        widths.resize(self.columns.len(), 0);
        if header {
            for (width, (title, _)) in widths.iter_mut().zip(self.columns) {
                *width = title.len();
            }
        }
        for row in &self.rows {
            if let Row::Cells(cells) = row {
                widths.iter_mut().zip(cells).for_each(|(w, c)| *w = (*w).max(c.text.chars().count()));
            }
        }
        let mut text = String::new();
        if header {
            let titles: Vec<Cell> = self.columns.iter().map(|(title, _)| Cell::from(*title)).collect();
            self.line(&mut text, indent, widths, &titles);
        }
        for row in &self.rows {
            match row {
                Row::Cells(cells) => self.line(&mut text, indent, widths, cells),
                Row::Note(note) => text.push_str(&format!("{:indent$}  {note}\n", "")),
            }
        }
        text
    }

    fn line(&self, text: &mut String, indent: usize, widths: &[usize], cells: &[Cell]) {
        // Spaces are owed until something comes that needs them, so that no line ends with any.
        let mut owed = indent;
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(self.columns) {
            let pad = width.saturating_sub(cell.text.chars().count());
            if cell.text.is_empty() {
                owed += pad + 2;
                continue;
            }
            if *align == Align::Right {
                owed += pad;
            }
            text.extend(std::iter::repeat_n(' ', owed));
            match cell.color {
                Some(color) => text.push_str(&color.paint(&cell.text, self.style)),
                None => text.push_str(&cell.text),
            }
            owed = 2 + if *align == Align::Left { pad } else { 0 };
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_and_leaves_no_space_at_the_end() {
        let mut table = Table::new(
            &[("Name", Align::Left), ("N", Align::Right), ("Text", Align::Left)],
            Style { color: false },
        );
        table.row(["a".into(), "1000".into(), "".into()]);
        table.note("about a");
        table.row(["a longer one".into(), "".into(), "x".into()]);
        assert_eq!(
            table.render(1),
            " Name             N  Text\n a             1000\n   about a\n a longer one        x\n"
        );
    }

    #[test]
    fn color_does_not_count_as_width() {
        let mut table = Table::new(&[("State", Align::Left), ("N", Align::Right)], Style { color: true });
        table.row([Cell::colored("up", Color::Green), "1".into()]);
        assert_eq!(table.render(0), "State  N\n\x1b[32mup\x1b[0m     1\n");
    }

    #[test]
    fn pages_keep_their_columns() {
        let page = |name: &str| {
            let mut table = Table::new(&[("Name", Align::Left), ("N", Align::Right)], Style { color: false });
            table.row([name.into(), "1".into()]);
            table
        };
        let mut widths = Vec::new();
        assert_eq!(page("longer").render_page(0, &mut widths), "Name    N\nlonger  1\n");
        assert_eq!(page("a").render_page(0, &mut widths), "a       1\n");
    }
}
