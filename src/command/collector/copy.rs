//! `owl collector backup|restore|verify`: copies of the store.

use std::path::PathBuf;

use owl_collector::{Config, Contents, Place, StoreError, UpkeepError, upkeep};
use owl_measure::words::Lang;

use crate::failure::{Failure, Outcome};
use crate::terminal::print;

/// Copy the store into a file while the collector runs
///
/// The copy is the store at one moment; it is verified, and takes its name only when it is whole. SQLite's store alone:
/// PostgreSQL has pg_dump and pg_basebackup.
#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The copy, which must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Put a copy in the place of the store
///
/// The copy is verified first, and no collector may run. The store that was there stays beside it as owl.sqlite.before,
/// or owl.sqlite.before-2 and so on when that is taken.
/// Reports that came after the copy was made are gone, except those that their probes still keep and send again.
#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The copy
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Read the store, or a copy of it, from beginning to end
///
/// Its schema must be one that this version knows, SQLite must find its file whole, and every report and verdict must be what
/// was stored. Exit code 1 when something is not.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// A copy; the store that the configuration names when left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let contents = upkeep::back_up(&config.store, &self.file).map_err(|error| {
            failed(
                lang.pick("cannot copy the store", "无法复制存储"),
                error,
                lang,
            )
        })?;
        print(&format!(
            "{}: {}\n",
            self.file.display(),
            told(&contents, lang)
        ))?;
        Ok(Outcome::Ok)
    }
}

impl Restore {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let what = lang.pick("cannot restore the store", "无法恢复存储");
        let (contents, before) = upkeep::restore(&config.state, &config.store, &self.file)
            .map_err(|error| failed(what, error, lang))?;
        print(&format!("{}: {}\n", config.store, told(&contents, lang)))?;
        if let Some(before) = before {
            let kept = lang.pick("what was there is kept as", "原存储保留为");
            print(&format!("{kept} {}\n", before.display()))?;
        }
        Ok(Outcome::Ok)
    }
}

impl Verify {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let store = self
            .file
            .map_or_else(|| config.store.clone(), Place::Sqlite);
        let what = lang.pick("the store is not sound", "存储不完好");
        let contents = upkeep::verify(&store).map_err(|error| failed(what, error, lang))?;
        if self.json {
            let text = serde_json::to_string_pretty(&contents)
                .expect("our own structs have string keys and finite numbers");
            print(&format!("{text}\n"))?;
        } else {
            print(&format!("{store}: {}\n", told(&contents, lang)))?;
        }
        Ok(Outcome::Ok)
    }
}

fn told(contents: &Contents, lang: Lang) -> String {
    let Contents {
        version,
        reports,
        batches,
        blocks,
        verdicts,
    } = contents;
    lang.pick(
        format!(
            "whole; schema version {version}, {reports} reports in {batches} batches and {blocks} blocks, {verdicts} verdicts"
        ),
        format!("完好；结构版本 {version}，{reports} 份报告（{batches} 批、{blocks} 块），{verdicts} 个判定"),
    )
}

fn failed(what: &str, error: UpkeepError, lang: Lang) -> Failure {
    let damaged = matches!(
        error,
        UpkeepError::Unsound { .. }
            | UpkeepError::Store(
                StoreError::Damaged { .. }
                    | StoreError::DamagedReport { .. }
                    | StoreError::DamagedBatch { .. }
                    | StoreError::DamagedBlock { .. }
            )
    );
    let hint = match &error {
        UpkeepError::Postgres { .. } => Some(lang.pick(
            "PostgreSQL has tools of its own: pg_dump and pg_restore, or pg_basebackup and an archive of its log (docs/store.md)",
            "PostgreSQL 自带工具：pg_dump 与 pg_restore，或 pg_basebackup 与日志归档（docs/store.md）",
        )),
        UpkeepError::Store(StoreError::Held { .. }) => Some(lang.pick(
            "stop the collector first",
            "请先停止采集器",
        )),
        _ => None,
    };
    let failure = if damaged {
        Failure::found(what)
    } else {
        Failure::unable(what)
    };
    failure.because(error).hint_if_any(hint)
}
