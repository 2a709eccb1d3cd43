//! Where something is sent to, and how one is known there.

use std::path::{Path, PathBuf};

use hyper::Uri;

/// Authorities of a Debian host.
const CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How a receiver knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Login {
    /// It need not.
    Open,
    /// A file with a token (RFC 6750).
    Token(PathBuf),
    /// A file with NAME:PASSWORD (RFC 7617).
    Basic(PathBuf),
}

/// An address that takes POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(super) url: Uri,
    pub(super) login: Login,
    pub(super) ca: PathBuf,
}

/// As the configuration names it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) url: String,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) basic_auth_file: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
}

impl Named {
    /// As it is meant; its file names are relative to `base`, and `example` is an address as it should be.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(crate) fn read(self, base: &Path, example: &str) -> Result<Destination, String> {
        let url: Uri = self.url.parse().map_err(|error| format!("url: {error}"))?;
        let known = matches!(url.scheme_str(), Some("http" | "https"));
        if !known || url.host().is_none_or(str::is_empty) {
            return Err(format!(
                "url is the address of a receiver, such as {example}"
            ));
        }
        if url
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err("a name and a password do not belong into url: put NAME:PASSWORD into a file and name it in basic_auth_file".into());
        }
        let login = match (self.token_file, self.basic_auth_file) {
            (None, None) => Login::Open,
            (Some(file), None) => Login::Token(base.join(file)),
            (None, Some(file)) => Login::Basic(base.join(file)),
            (Some(_), Some(_)) => {
                return Err("token_file and basic_auth_file exclude each other".into());
            }
        };
        Ok(Destination {
            url,
            login,
            ca: base.join(self.ca.unwrap_or_else(|| CA.into())),
        })
    }
}

impl Destination {
    /// What it is called in metrics, logs and the store.
    pub(crate) fn name(&self) -> String {
        self.url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read_from_a_file_beside_the_configuration() {
        let named = |token: Option<&str>, basic: Option<&str>| Named {
            url: "https://m.example/push".into(),
            token_file: token.map(PathBuf::from),
            basic_auth_file: basic.map(PathBuf::from),
            ca: None,
        };
        for (token, basic, login) in [
            (None, None, Login::Open),
            (Some("t"), None, Login::Token("/etc/owl/t".into())),
            (None, Some("/b"), Login::Basic("/b".into())),
        ] {
            let read = named(token, basic).read(Path::new("/etc/owl"), "");
            let read = read.unwrap();
            assert_eq!((read.login, read.ca.as_path()), (login, Path::new(CA)));
        }
    }
}
