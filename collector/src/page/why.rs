//! The page on which one verdict is explained.

use maud::{Markup, html};

use super::Frame;
use crate::explain::{Explained, Section};
use crate::live::Table;

/// The page of one verdict on `path`; `here` is its address.
pub(crate) fn why(
    frame: &Frame<'_>,
    table: &Table,
    path: &str,
    here: &str,
    told: &Explained,
) -> Markup {
    let lang = frame.lang;
    let title = lang.pick("Why?", "判定依据");
    let (headline, sections) = told.sections(lang);
    let body = html! {
        p.trail {
            a href=(frame.address("/")) { (lang.pick("Overview", "总览")) }
            " · " a href=(frame.path_address(path)) { (path) }
        }
        h1 { (title) }
        div.wide tabindex="0" role="region" aria-label=(title) {
            pre { (headline) }
            @for Section { title, lines } in &sections {
                h2 { (title) }
                pre { @for line in lines { (line) "\n" } }
            }
        }
    };
    frame.page(table, here, &format!("{title} {path}"), &body)
}

impl Frame<'_> {
    /// The address of the page that explains the verdict on a window.
    pub(super) fn why_address(
        &self,
        path: &str,
        window_start: owl_measure::time::Timestamp,
    ) -> String {
        self.address(&format!("/paths/{path}/windows/{}", window_start.0))
    }
}
