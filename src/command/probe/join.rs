//! `owl probe join`: from a token to a probe that is ready to run.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use owl_measure::enrolment::{Token, TokenError};
use owl_measure::words::Lang;
use owl_probe::enrolment::{JoinError, Joined, Places, join};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::terminal::print;

/// A file with a token is no longer than this.
const TOKEN_OCTETS_MAX: u64 = 4_096;

/// Become known to a collector: make a key on this host, get a certificate for it, and write the configuration
///
/// `owl collector enroll PROBE` on the collector's host prints the token. It says where the collector is and how it is
/// known, so nothing else is needed. The key never leaves this host. An attempt that was interrupted is made again with the
/// same token. A configuration that is there is left as it is, and its files are replaced; a probe that runs uses them with
/// its next connection.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token
    #[arg(
        value_name = "TOKEN",
        required_unless_present = "token_file",
        conflicts_with = "token_file"
    )]
    token: Option<String>,
    /// Read the token from this file instead, so that it stands in no list of processes; - is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Directory for certificate, key, reports and plan of a configuration that is written
    #[arg(long, value_name = "DIR", default_value = "/var/lib/owl/probe")]
    state: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, config: &Path, lang: Lang) -> Result<Outcome, Failure> {
    let text = match (&args.token, &args.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(file)) => read(file, lang)?,
        // The parser asks for one of the two.
        (None, None) => String::new(),
    };
    let token: Token = text.parse().map_err(|error: TokenError| {
        Failure::usage(lang.pick("cannot join", "无法加入"))
            .because(error)
            .hint(lang.pick(
                "it is the whole last word of the line that `owl collector enroll` printed",
                "令牌是 `owl collector enroll` 所打印命令的最后一个词，须完整",
            ))
    })?;
    let places = Places {
        config: config.to_owned(),
        state: args.state,
    };
    let joined = join(&token, &places).map_err(|error| explain(&token, error, lang))?;
    if args.json {
        let said = json!({
            "probe": joined.probe,
            "collector": token.collector,
            "certificate": joined.certificate,
            "certificate_until_ns": joined.until,
            "config": config,
            "config_written": joined.configured,
            "joined_before": joined.before,
        });
        return print(&format!("{said}\n"));
    }
    print(&said(&joined, &token, config, lang))
}

fn read(file: &Path, lang: Lang) -> Result<String, Failure> {
    let mut text = String::new();
    let outcome = if file == Path::new("-") {
        io::stdin().take(TOKEN_OCTETS_MAX).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|opened| opened.take(TOKEN_OCTETS_MAX).read_to_string(&mut text))
    };
    outcome.map_err(|error| {
        let what = lang.pick("cannot read the token file", "无法读取令牌文件");
        Failure::usage(format!("{what} {}", file.display())).because(error)
    })?;
    Ok(text)
}

fn said(joined: &Joined, token: &Token, config: &Path, lang: Lang) -> String {
    let (probe, collector) = (&joined.probe, token.collector);
    let (file, certificate) = (config.display(), joined.certificate.display());
    let until = &joined.until_written;
    let first = if joined.before {
        lang.pick(
            format!("this host has joined already as {probe}, until {until}.\n"),
            format!("本机此前已作为 {probe} 加入，有效至 {until}。\n"),
        )
    } else {
        lang.pick(
            format!(
                "{probe} has joined the collector {collector}; its certificate is {certificate}.\n"
            ),
            format!("{probe} 已加入采集器 {collector}；证书位于 {certificate}。\n"),
        )
    };
    let configuration = match (joined.configured, joined.other_collector) {
        (true, _) => lang.pick(
            format!("The configuration was written: {file}\n"),
            format!("已写入配置：{file}\n"),
        ),
        (false, None) => String::new(),
        (false, Some(other)) => lang.pick(
            format!(
                "The configuration {file} was left as it is, and names another collector, {other}: set `collector = \"{collector}\"` there.\n"
            ),
            format!(
                "配置 {file} 保持不变，但其中的采集器是 {other}：请将其改为 `collector = \"{collector}\"`。\n"
            ),
        ),
    };
    let next = lang.pick(
        format!("Next: owl probe --config {file}    (`owl doctor` tells what on this host stands in the way)\n"),
        format!("下一步：owl probe --config {file}    （`owl doctor` 说明本机有何障碍）\n"),
    );
    format!("{first}{configuration}{next}")
}

fn explain(token: &Token, error: JoinError, lang: Lang) -> Failure {
    let what = format!(
        "{} {}",
        lang.pick("cannot join as", "无法加入，探针"),
        token.probe
    );
    let failure = match &error {
        JoinError::Config(_) | JoinError::OtherProbe { .. } | JoinError::Denied(_) => {
            Failure::usage(what)
        }
        _ => Failure::unable(what),
    };
    let collector = token.collector;
    let hint = match &error {
        JoinError::Denied(denial) => {
            // Said here, because only here the language is known.
            return failure
                .because(denial.said(lang))
                .hint(denial.hint(lang).replace("PROBE", &token.probe));
        }
        JoinError::OtherProbe { .. } => lang
            .pick(
                "give the other probe a configuration of its own with --config FILE and --state DIR",
                "请用 --config FILE 和 --state DIR 为另一探针指定其自己的配置",
            )
            .to_owned(),
        JoinError::NoAnswer { .. } => lang.pick(
            format!("is the collector running there, and does every firewall let UDP to {collector} through?"),
            format!("采集器是否在那里运行？沿途防火墙是否放行到 {collector} 的 UDP？"),
        ),
        JoinError::Stranger { .. } => lang
            .pick(
                "the token is of another collector, or somebody stands in between; nothing was told to who answered",
                "令牌属于另一采集器，或有人居中；未向应答者透露任何信息",
            )
            .to_owned(),
        JoinError::Clock { .. } => lang
            .pick(
                "compare the clocks of both hosts (`date -u`): certificates are dated",
                "请比较两台主机的时钟（`date -u`）：证书是有日期的",
            )
            .to_owned(),
        JoinError::Broken { .. } => lang
            .pick(
                "a collector of an older version knows no joining; else try the same command again",
                "旧版本的采集器不支持加入；否则请再次运行同一命令",
            )
            .to_owned(),
        JoinError::File(error) if error.source.kind() == ErrorKind::PermissionDenied => lang
            .pick(
                "run it as the user that the probe runs as, or as root",
                "请以探针的运行用户或 root 身份运行",
            )
            .to_owned(),
        JoinError::Config(_)
        | JoinError::File(_)
        | JoinError::Key(_)
        | JoinError::Socket(_)
        | JoinError::Tls(_)
        | JoinError::Answer(_)
        | JoinError::Certificate(_) => {
            return failure.because(error);
        }
    };
    failure.because(error).hint(hint)
}
