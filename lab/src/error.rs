//! Why a lab cannot be run.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use owl_probe::net::SocketError;

use crate::truth::NoPlace;

/// Why a lab cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The topology has no place for the troubles.
    #[error("cannot draw the lab's truth")]
    Truth(#[from] NoPlace),
    /// A file or directory of the lab cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A certificate cannot be made.
    #[error("cannot make the certificate of {name}")]
    Certificate {
        /// For whom.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
    /// The topology that the lab writes is refused.
    #[error("cannot write the lab's topology")]
    Topology(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No free port.
    #[error("cannot find a free port on {address}")]
    Port {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A child process cannot be started.
    #[error("cannot start {name}")]
    Start {
        /// Which one.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The collector does not answer.
    #[error(
        "cannot reach the collector at {address}: it did not answer within {seconds} s; it last said: {said}"
    )]
    Collector {
        /// Where it should be.
        address: SocketAddr,
        /// How long was waited.
        seconds: u64,
        /// The end of its log.
        said: String,
    },
    /// The delay box has no socket.
    #[error("cannot open the delay box")]
    Socket(#[from] SocketError),
    /// The system refuses something that the lab needs.
    #[error("cannot {what}")]
    System {
        /// What it is.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// Namespaces need root.
    #[error("cannot make network namespaces without root")]
    NotRoot,
    /// A command that makes namespaces failed.
    #[error("cannot run `{command}`: {said}")]
    Command {
        /// The command.
        command: String,
        /// What it printed.
        said: String,
    },
}
