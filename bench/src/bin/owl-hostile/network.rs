//! A collector of two probes in a folder of its own.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

const TOPOLOGY: &str = include_str!("../../../../topology/examples/two-probes.toml");
pub(crate) const PROBES: [&str; 2] = ["p-north", "p-south"];

pub(crate) struct Network {
    folder: TempDir,
    intake: SocketAddr,
}

impl Network {
    pub(crate) fn make() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let folder = tempfile::tempdir()?;
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        write("ca.pem", &params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        for name in PROBES.into_iter().chain(["owl-collector"]) {
            let key = KeyPair::generate()?;
            let params = CertificateParams::new(vec![name.to_owned()])?;
            write(
                &format!("{name}.pem"),
                &params.signed_by(&key, &issuer)?.pem(),
            )?;
            write(&format!("{name}.key"), &key.serialize_pem())?;
        }
        let intake = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        write("topology.toml", TOPOLOGY)?;
        write(
            "collector.toml",
            &format!(
                "topology = \"topology.toml\"\nstate = \"state\"\nintake = \"{intake}\"\nhttp = \"127.0.0.1:0\"\n\
                 ca = \"ca.pem\"\ncertificate = \"owl-collector.pem\"\nkey = \"owl-collector.key\"\n"
            ),
        )?;
        Ok(Self { folder, intake })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn intake(&self) -> SocketAddr {
        self.intake
    }

    /// Starts the collector; it listens when this returns.
    pub(crate) fn collector(&self, owl: &Path) -> io::Result<Child> {
        let mut collector = Command::new(owl.canonicalize()?)
            .current_dir(self.folder())
            .args(["collector", "--config", "collector.toml"])
            .stdout(Stdio::piped())
            .stderr(File::create(self.folder().join("collector.log"))?)
            .spawn()?;
        if let Some(out) = collector.stdout.take() {
            BufReader::new(out).read_line(&mut String::new())?;
        }
        Ok(collector)
    }
}
