//! Packets that are bound to a member link of an aggregation group (RFC 9534), and over which link their replies came.

use std::io;
use std::net::SocketAddr;

use owl_measure::words::Lang;
use owl_probe::member::{Member, MemberError};
use owl_probe::sender::{RepliesOver, SessionError};
use serde_json::{Value, json};

use super::Args;
use crate::failure::Failure;

impl Args {
    /// The way over the interface that was asked for, when one was.
    ///
    /// # Errors
    /// When frames cannot go there over it.
    pub(super) fn way_over_member(
        &self,
        reflector: SocketAddr,
        lang: Lang,
    ) -> Result<Option<Member>, Failure> {
        let Some(interface) = &self.member else {
            return Ok(None);
        };
        let found = Member::find(interface, reflector);
        found.map(Some).map_err(|error| refused(error, lang))
    }
}

fn cannot(lang: Lang) -> &'static str {
    lang.pick(
        "cannot bind packets to a member link",
        "无法将报文绑定到成员链路",
    )
}

fn refused(error: MemberError, lang: Lang) -> Failure {
    let hint = match &error {
        MemberError::Unknown { .. } => Some(lang.pick(
            "`ip link` lists the interfaces; a member is named, not its bond",
            "`ip link` 列出网络接口；请给出成员的名称，而不是聚合组的",
        )),
        MemberError::NotEthernet { .. } => Some(lang.pick(
            "name an Ethernet interface that leads to the far host",
            "请给出通往远端主机的以太网接口",
        )),
        MemberError::Down { .. } => Some(lang.pick(
            "`ip link set IFNAME up`, and see that its cable is in",
            "执行 `ip link set IFNAME up`，并检查线缆",
        )),
        MemberError::NotIpv4 { .. } => Some(lang.pick(
            "measure to an IPv4 address of that host: `-4`",
            "请测量到该主机的 IPv4 地址：`-4`",
        )),
        MemberError::Unreachable { .. } => Some(lang.pick(
            "the interface, or the bond that it is a member of, needs an IPv4 address",
            "该接口或它所属的聚合组需要一个 IPv4 地址",
        )),
        MemberError::NoNeighbour { .. } => Some(lang.pick(
            "the far host or its gateway must be on that link; `ip neighbour` shows who has answered",
            "远端主机或其网关必须在该链路上；`ip neighbour` 显示哪些邻居已应答",
        )),
        MemberError::Kernel { .. } => None,
    };
    Failure::unable(cannot(lang))
        .because(error)
        .hint_if_any(hint)
}

/// A session that could not be opened.
pub(super) fn not_opened(error: SessionError, lang: Lang) -> Failure {
    let hint = match &error {
        SessionError::Member { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            Some(lang.pick(
                "frames need CAP_NET_RAW: run as root, or `setcap cap_net_raw+ep` on the owl binary",
                "发送帧需要 CAP_NET_RAW：请以 root 运行，或对 owl 程序执行 `setcap cap_net_raw+ep`",
            ))
        }
        SessionError::TooLong { .. } => Some(lang.pick(
            "give fewer `--octets`: frames are never cut into fragments",
            "请减小 `--octets`：帧不会被分片",
        )),
        _ => None,
    };
    Failure::unable(lang.pick("cannot measure", "无法测量"))
        .because(error)
        .hint_if_any(hint)
}

/// What is known of the links of a session that was bound to one.
pub(super) struct Over<'a> {
    interface: &'a str,
    aggregate: Option<&'a str>,
    replies: RepliesOver,
}

impl<'a> Over<'a> {
    pub(super) fn new(member: &'a Member, replies: RepliesOver) -> Self {
        Self {
            interface: &member.interface,
            aggregate: member.aggregate.as_deref(),
            replies,
        }
    }

    /// For a person.
    pub(super) fn line(&self, lang: Lang) -> String {
        let interface = self.interface;
        let RepliesOver {
            member,
            aggregate,
            elsewhere,
        } = self.replies;
        let mut line = match self.aggregate {
            Some(name) => lang.pick(
                format!("packets left over {interface}, a member of {name}; replies: {aggregate} came in over {name}, by which member the kernel does not tell, {member} over {interface}"),
                format!("报文经 {name} 的成员 {interface} 发出；应答：{aggregate} 个经 {name} 到达（内核不告知是哪个成员），{member} 个经 {interface} 到达"),
            ),
            None => lang.pick(
                format!("packets left over {interface}; replies: {member} came in over {interface}"),
                format!("报文经 {interface} 发出；应答：{member} 个经 {interface} 到达"),
            ),
        };
        line.push_str(&lang.pick(
            format!(", {elsewhere} over another interface"),
            format!("，{elsewhere} 个经其他接口到达"),
        ));
        line
    }

    /// For a program.
    pub(super) fn json(&self) -> Value {
        json!({
            "interface": self.interface,
            "aggregate": self.aggregate,
            "replies_over": {
                "interface": self.replies.member,
                "aggregate": self.replies.aggregate,
                "elsewhere": self.replies.elsewhere,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_does_not_tell_of_an_aggregate_is_said() {
        let over = |aggregate| Over {
            interface: "eth1",
            aggregate,
            replies: RepliesOver {
                member: 1,
                aggregate: 40,
                elsewhere: 3,
            },
        };
        for (aggregate, lang, parts) in [
            (
                None,
                Lang::En,
                [
                    "left over eth1; replies: 1 came in over eth1",
                    "3 over another",
                ],
            ),
            (
                Some("bond0"),
                Lang::En,
                [
                    "a member of bond0; replies: 40",
                    "by which member the kernel does not tell",
                ],
            ),
            (None, Lang::Zh, ["报文经 eth1 发出", "3 个经其他接口"]),
            (
                Some("bond0"),
                Lang::Zh,
                ["bond0 的成员 eth1", "内核不告知是哪个成员"],
            ),
        ] {
            let line = over(aggregate).line(lang);
            for part in parts {
                assert!(line.contains(part), "{part}: {line}");
            }
        }
        let json = over(Some("bond0")).json();
        assert_eq!(
            (&json["interface"], &json["aggregate"]),
            (&json!("eth1"), &json!("bond0"))
        );
        assert_eq!(json["replies_over"]["elsewhere"], 3);
    }
}
