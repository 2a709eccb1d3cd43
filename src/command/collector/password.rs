//! A password, from the terminal or from a file; never from the command line, which every user of a host can read.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use owl_collector::OCTETS_MAX;
use owl_measure::words::Lang;

use crate::failure::Failure;

/// Where it comes from.
#[derive(Debug, clap::Args)]
pub(super) struct From {
    /// Read the password from FILE, its first line, instead of asking for it; `-` is standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl From {
    pub(super) fn read(&self, lang: Lang) -> Result<String, Failure> {
        match &self.password_file {
            Some(file) => from_file(file, lang),
            None => from_terminal(lang),
        }
    }
}

fn from_file(file: &Path, lang: Lang) -> Result<String, Failure> {
    let most = OCTETS_MAX as u64 + 2;
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(most).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|opened| opened.take(most).read_to_string(&mut text))
    };
    read.map_err(|error| {
        let what = lang.pick("cannot read the password from", "无法读取密码：");
        Failure::usage(format!("{what} {}", file.display())).because(error)
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn from_terminal(lang: Lang) -> Result<String, Failure> {
    let what = lang.pick("cannot ask for the password", "无法询问密码");
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(what)
            .because("standard input is no terminal")
            .hint(lang.pick(
                "--password-file FILE reads it from a file, --password-file - from standard input",
                "--password-file FILE 从文件读取，--password-file - 从标准输入读取",
            )));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|error| Failure::unable(what).because(error))
    };
    let first = ask(lang.pick("Password: ", "密码："))?;
    let again = ask(lang.pick("Again: ", "再次输入："))?;
    if first == again {
        Ok(first)
    } else {
        Err(Failure::usage(lang.pick(
            "the two passwords differ; nothing was changed",
            "两次输入的密码不一致，未作更改",
        )))
    }
}
