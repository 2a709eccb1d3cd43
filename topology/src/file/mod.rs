//! Reads a topology from TOML texts.
//!
//! In three steps, each only when the one before found no error: the texts are
//! read into tables (syntax, keys, kinds), the tables are checked against each
//! other (ids, references), and the whole is checked against physics and
//! itself. So one mistake is told once, not with its consequences.

mod most;
mod reader;
mod tables;
mod value;

use owl_measure::verdict::Profile;
use sha2::{Digest as _, Sha256};

use crate::check;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, Severity, text};
use crate::model::{StatProfile, Topology};

/// The most octets that the texts of a topology may have together: 16 MiB.
pub const TEXT_OCTETS_MAX: usize = 16 << 20;

/// A text and the name by which diagnostics call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// The name; several texts are read in the order of their names.
    pub name: &'a str,
    /// The TOML.
    pub text: &'a str,
}

/// A topology without errors.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The topology.
    pub topology: Topology,
    /// What deserves a look, in the order of the files.
    pub warnings: Vec<Diagnostic>,
}

impl Topology {
    /// Reads and checks a topology that is spread over one text or several; ids are shared by all of them.
    ///
    /// # Errors
    /// Everything that was found, when at least one of it is an error.
    pub fn parse(sources: &[Source<'_>]) -> Result<Checked, Diagnostics> {
        let mut sources = sources.to_vec();
        sources.sort_unstable_by_key(|source| source.name);
        let mut found = Vec::new();
        if let Some(refused) = too_long(&sources) {
            return Err(refuse(vec![refused]));
        }
        let read = tables::read(&sources, &mut found);
        let Some(mut topology) = read.filter(|_| !blocks(&found)) else {
            return Err(refuse(found));
        };
        topology.generation = generation(&sources);
        for built_in in [Profile::plan_2026(), Profile::lab()] {
            if topology.profile(&built_in.id).is_none() {
                topology.profiles.push(StatProfile::built_in(built_in));
            }
        }
        check::parts(&topology, &mut found);
        if !blocks(&found) {
            check::whole(&topology, &mut found);
        }
        if blocks(&found) {
            return Err(refuse(found));
        }
        Ok(Checked {
            topology,
            warnings: in_order(found),
        })
    }

    /// The built-in example [`YANCHENG`](crate::YANCHENG).
    pub fn yancheng() -> Self {
        Self::parse(&[Source {
            name: "yancheng.toml",
            text: crate::YANCHENG,
        }])
        .expect("the tests keep the built-in topology free of errors")
        .topology
    }
}

/// The first text that goes beyond [`TEXT_OCTETS_MAX`].
fn too_long(sources: &[Source<'_>]) -> Option<Diagnostic> {
    let mut octets = 0;
    let first = sources.iter().find(|source| {
        octets += source.text.len();
        octets > TEXT_OCTETS_MAX
    })?;
    let most = TEXT_OCTETS_MAX;
    Some(Diagnostic {
        code: Code::E004,
        place: Place {
            file: first.name.into(),
            line: 1,
            column: 1,
        },
        message: text!(
            "too much text: {most} octets in all files together are the most",
            "文本过长：所有文件合计最多 {most} 字节"
        ),
        hint: text!("is it a topology at all?", "请确认这是拓扑文件"),
    })
}

fn blocks(found: &[Diagnostic]) -> bool {
    found.iter().any(|d| d.code.severity() == Severity::Error)
}

fn refuse(found: Vec<Diagnostic>) -> Diagnostics {
    Diagnostics(in_order(found))
}

fn in_order(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by(|a, b| (&a.place, a.code).cmp(&(&b.place, b.code)));
    found
}

fn generation(sources: &[Source<'_>]) -> String {
    let mut hash = Sha256::new();
    for source in sources {
        hash.update(source.text);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
