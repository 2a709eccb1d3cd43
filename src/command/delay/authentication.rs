//! With which key a session is protected, and how far.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use owl_measure::words::Lang;
use owl_probe::keys::KeyWatch;
use owl_protocol::session::sender::Protection;
use owl_protocol::wire::authentication::{Key, KeyStore};

use crate::command::key_file;
use crate::failure::Failure;

/// How the session is protected.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Authentication {
    /// Protect the session with the key that this file has for the reflector's address and the session identifier; the
    /// file is looked at again every second (docs/keys.md)
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// What the key protects: whole packets (authenticated mode, RFC 8762), or only their TLVs (RFC 8972)
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "whole",
        requires = "key_file"
    )]
    authentication: Protects,
    /// Session identifier; any without it
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    ssid: Option<u16>,
}

/// What a key protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protects {
    /// Packets as a whole
    Whole,
    /// Only the TLVs
    Tlv,
}

/// The identifier of a session, and the keys that it may be protected with.
pub(super) struct Identity {
    pub(super) ssid: u16,
    pub(super) watch: Option<KeyWatch>,
    protects: Protects,
}

impl Authentication {
    pub(super) fn has_keys(&self) -> bool {
        self.key_file.is_some()
    }

    pub(super) fn has_ssid(&self) -> bool {
        self.ssid.is_some()
    }

    /// `any` is the session identifier when none was given.
    pub(super) fn identity(&self, any: u16, lang: Lang) -> Result<Identity, Failure> {
        let watch = self
            .key_file
            .as_deref()
            .map(|file| key_file::open(file, lang))
            .transpose()?;
        Ok(Identity {
            ssid: self.ssid.unwrap_or(any.max(1)),
            watch,
            protects: self.authentication,
        })
    }
}

impl Identity {
    fn protection(&self, key: &Key) -> Protection {
        match self.protects {
            Protects::Whole => Protection::Authenticated(key.clone()),
            Protects::Tlv => Protection::Tlvs(key.clone()),
        }
    }

    /// How packets to a peer are protected, as the file has it now.
    pub(super) fn towards(&self, peer: IpAddr) -> Towards {
        let Some(watch) = &self.watch else {
            return Towards::Open;
        };
        let store: KeyStore = watch.live().current();
        store
            .of(peer, self.ssid)
            .next()
            .map_or(Towards::NoKey, |key| {
                Towards::Protected(self.protection(key))
            })
    }

    /// The protection of the session, or why there is none.
    pub(super) fn protect(&self, peer: IpAddr, lang: Lang) -> Result<Protection, Failure> {
        match self.towards(peer) {
            Towards::Open => Ok(Protection::None),
            Towards::Protected(protection) => Ok(protection),
            Towards::NoKey => Err(no_key(self.ssid, lang)),
        }
    }
}

/// How packets to one peer are protected.
pub(super) enum Towards {
    /// Not at all: no key file was given.
    Open,
    /// The key file has none for it.
    NoKey,
    /// So.
    Protected(Protection),
}

/// The key file has no key for anyone who was asked.
pub(super) fn no_key(ssid: u16, lang: Lang) -> Failure {
    Failure::usage(lang.pick(
        format!("cannot protect the session: the key file has no key for this reflector and session identifier {ssid}"),
        format!("无法保护会话：密钥文件中没有该反射端和会话标识 {ssid} 的密钥"),
    ))
    .hint(lang.pick(
        "`--ssid NUMBER` chooses the session identifier; a table without peer and ssid serves every session",
        "可用 `--ssid NUMBER` 选择会话标识；不含 peer 和 ssid 的表适用于所有会话",
    ))
}
