//! What the commands on users, tokens and the audit log share.

use std::env;

use owl_collector::{AccessError, Config};
use owl_measure::time::Timestamp;
use owl_measure::words::Lang;

use crate::failure::Failure;

/// Who uses this terminal, as far as the environment tells; it stands in the audit log, and proves nothing.
pub(super) fn who() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// An instant for a table.
pub(super) fn written(config: &Config, at: Option<Timestamp>) -> String {
    at.map_or_else(
        || "–".to_owned(),
        |at| owl_collector::enrolment::written(config, at),
    )
}

/// What was asked wrongly is usage; what the host refuses is not.
pub(super) fn explain(what: String, error: AccessError, lang: Lang) -> Failure {
    let hint = match &error {
        AccessError::Password(_) => Some(lang.pick(
            "four words that have nothing to do with each other make a good one",
            "四个互不相关的词语即可组成一个好密码",
        )),
        AccessError::NoSuchName { what: "user", .. } => Some(lang.pick(
            "`owl collector user list` names the users",
            "`owl collector user list` 可列出用户",
        )),
        AccessError::NoSuchName { what: "maintenance", .. } => Some(lang.pick(
            "`owl collector maintenance list` names the work and when it ends; what is over cannot be ended",
            "`owl collector maintenance list` 可列出维护及其结束时间；已结束的无法再结束",
        )),
        AccessError::NoSuchName { .. } => Some(lang.pick(
            "`owl collector token list` names the tokens",
            "`owl collector token list` 可列出令牌",
        )),
        AccessError::NameTaken { what: "user", .. } => Some(lang.pick(
            "`owl collector user passwd NAME` gives a user another password; another role needs `user remove` first",
            "`owl collector user passwd NAME` 可更改密码；更改角色须先 `user remove`",
        )),
        AccessError::LastAdmin { .. } => Some(lang.pick(
            "make another admin first, or remove the other users",
            "请先添加另一个 admin，或删除其他用户",
        )),
        _ => None,
    };
    let failure = match error {
        AccessError::Store(_) | AccessError::State { .. } | AccessError::Secret(_) => {
            Failure::unable(what)
        }
        _ => Failure::usage(what),
    };
    failure.because(error).hint_if_any(hint)
}
