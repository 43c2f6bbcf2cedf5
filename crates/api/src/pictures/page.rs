//! A picture and its figures as one page of HTML, which stands alone.

use std::fmt::Write as _;

use super::frame::escaped;

/// The figures of a picture: a table that can be read aloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// What the table is of.
    pub(crate) caption: String,
    /// The names of the columns.
    pub(crate) columns: Vec<String>,
    /// The rows; the first cell names the row.
    pub(crate) rows: Vec<Vec<String>>,
}

const LOOKS: &str = "body{font-family:sans-serif;margin:1.5em;color:#111;background:#fff}\
svg{max-width:100%;height:auto}table{border-collapse:collapse;margin:1.5em 0}\
caption{text-align:left;font-weight:bold;padding:.3em 0}\
th,td{border:1px solid #666;padding:.2em .5em;text-align:left;font-variant-numeric:tabular-nums}\
thead{display:table-header-group}tr{break-inside:avoid}";

/// The page; it is well-formed XML, too.
pub(crate) fn html(title: &str, svg: &str, tables: &[Table]) -> String {
    let title = escaped(title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n\
         <meta charset=\"utf-8\"/>\n<title>{title}</title>\n<style>{LOOKS}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n{svg}\n"
    );
    for table in tables {
        write_table(&mut page, table);
    }
    page.push_str("</body>\n</html>");
    page
}

fn write_table(page: &mut String, table: &Table) {
    let mut put = |text: std::fmt::Arguments<'_>| {
        // A string takes whatever is written to it.
        let _ = page.write_fmt(text);
    };
    put(format_args!(
        "<table>\n<caption>{}</caption>\n<thead><tr>",
        escaped(&table.caption)
    ));
    for column in &table.columns {
        put(format_args!("<th scope=\"col\">{}</th>", escaped(column)));
    }
    put(format_args!("</tr></thead>\n<tbody>\n"));
    for row in &table.rows {
        put(format_args!("<tr>"));
        for (place, cell) in row.iter().enumerate() {
            let cell = escaped(cell);
            if place == 0 {
                put(format_args!("<th scope=\"row\">{cell}</th>"));
            } else {
                put(format_args!("<td>{cell}</td>"));
            }
        }
        put(format_args!("</tr>\n"));
    }
    put(format_args!("</tbody>\n</table>\n"));
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, ParsingOptions};

    use super::*;

    #[test]
    fn a_page_holds_the_picture_and_all_figures_escaped() {
        let table = Table {
            caption: "figures <&>".to_owned(),
            columns: vec!["zone".to_owned(), "min".to_owned()],
            rows: vec![vec!["<东门 & \"x\">\u{7}".to_owned(), "5".to_owned()]],
        };
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><text>a</text></svg>";
        let page = html("A <title>", svg, &[table, Table::default()]);
        let options = ParsingOptions {
            allow_dtd: true,
            ..Default::default()
        };
        let parsed = Document::parse_with_options(&page, options).expect("well-formed XML");
        let texts = |name: &str| -> Vec<_> {
            let nodes = parsed
                .descendants()
                .filter(|node| node.tag_name().name() == name);
            nodes.map(|node| node.text().unwrap_or_default()).collect()
        };
        assert_eq!(texts("h1"), ["A <title>"]);
        assert_eq!(texts("caption"), ["figures <&>", ""]);
        assert_eq!(texts("th"), ["zone", "min", "<东门 & \"x\"> "]);
        assert_eq!(texts("td"), ["5"]);
        assert_eq!(texts("text"), ["a"]);
        for foreign in ["src=", "href=", "<script", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
