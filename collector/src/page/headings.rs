//! The line of headings above the columns of a table.

use maud::{Markup, html};

pub(super) fn headings(names: &[&str]) -> Markup {
    html! {
        thead { tr { @for name in names { th scope="col" { (name) } } } }
    }
}
