//! How a probe gets its certificate: what a joining or renewing probe and its
//! collector say to each other.
//!
//! The contract is this module and `enrolment.proto` beside it. Whatever
//! arrives is checked before it becomes a value of this module. Who may have a
//! certificate the collector decides; this only carries the words.

mod denial;
mod token;
mod wire;

use prost::Message as _;

pub use denial::Denial;
pub use token::{Fingerprint, Secret, Token, TokenError};

/// The application protocol (ALPN, RFC 7301) of a probe that joins.
pub const JOIN_ALPN: &[u8] = b"owl-join/1";

/// The largest message either side accepts, in octets.
pub const MESSAGE_OCTETS_MAX: usize = 16_384;

/// Certificates of one list of a [`Granted`] at most.
const CERTIFICATES_MAX: usize = 16;

/// What a probe that has a token asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Of the token.
    pub secret: Secret,
    /// Who joins: its id in the topology.
    pub probe: String,
    /// A certificate request (PKCS #10, RFC 2986) in DER; only its public key counts.
    pub request: Vec<u8>,
}

/// What a probe asks for that is known by its certificate, which is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// A certificate request (PKCS #10, RFC 2986) in DER; only its public key counts.
    pub request: Vec<u8>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The probe's certificate and then who signed it, each in DER; never empty.
    pub chain: Vec<Vec<u8>>,
    /// Who may have signed the collector's certificate, each in DER; never empty.
    pub authorities: Vec<Vec<u8>>,
}

/// A message that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentError {
    /// No protobuf of this contract.
    #[error("cannot read a message of enrolment")]
    Protobuf(#[from] prost::DecodeError),
    /// Protobuf, but something in it is missing or cannot be.
    #[error("cannot read a message of enrolment: {0}")]
    Impossible(&'static str),
}

impl Join {
    /// As octets, without the length before them.
    pub fn encode(&self) -> Vec<u8> {
        let message = wire::Join {
            secret: self.secret.0.to_vec(),
            probe: self.probe.clone(),
            request: self.request.clone(),
        };
        message.encode_to_vec()
    }

    /// From octets, without the length before them.
    ///
    /// # Errors
    /// When they are no message of this contract.
    pub fn decode(octets: &[u8]) -> Result<Self, EnrolmentError> {
        let message = wire::Join::decode(octets)?;
        let secret = message.secret.as_slice().try_into();
        Ok(Self {
            secret: Secret(secret.map_err(|_| EnrolmentError::Impossible("no secret"))?),
            probe: message.probe,
            request: message.request,
        })
    }
}

impl Renewal {
    /// As octets, without the length before them.
    pub fn encode(&self) -> Vec<u8> {
        let message = wire::Renewal {
            request: self.request.clone(),
        };
        message.encode_to_vec()
    }

    /// From octets, without the length before them.
    ///
    /// # Errors
    /// When they are no message of this contract.
    pub fn decode(octets: &[u8]) -> Result<Self, EnrolmentError> {
        let wire::Renewal { request } = wire::Renewal::decode(octets)?;
        Ok(Self { request })
    }
}

/// What a collector says to either: a certificate, or why there is none.
pub type Answer = Result<Granted, Denial>;

/// An answer as octets, without the length before them.
pub fn encode_answer(answer: &Answer) -> Vec<u8> {
    let say = match answer {
        Ok(Granted { chain, authorities }) => wire::Say::Granted(wire::Granted {
            chain: chain.clone(),
            authorities: authorities.clone(),
        }),
        Err(denial) => wire::Say::Denied(i32::from(*denial)),
    };
    wire::Answer { say: Some(say) }.encode_to_vec()
}

/// An answer from octets, without the length before them.
///
/// # Errors
/// When they are no message of this contract. A denial for a reason that this version does not know is
/// [`Denial::Unspecified`].
pub fn decode_answer(octets: &[u8]) -> Result<Answer, EnrolmentError> {
    match wire::Answer::decode(octets)?.say {
        Some(wire::Say::Granted(wire::Granted { chain, authorities })) => {
            for list in [&chain, &authorities] {
                if !(1..=CERTIFICATES_MAX).contains(&list.len()) {
                    return Err(EnrolmentError::Impossible(
                        "no certificates, or too many of them",
                    ));
                }
            }
            Ok(Ok(Granted { chain, authorities }))
        }
        Some(wire::Say::Denied(code)) => Ok(Err(Denial::try_from(code).unwrap_or_default())),
        None => Err(EnrolmentError::Impossible("an empty answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join() -> Join {
        Join {
            secret: Secret([7; 20]),
            probe: "p-north".into(),
            request: vec![0x30, 0x82],
        }
    }

    fn granted() -> Answer {
        Ok(Granted {
            chain: vec![vec![1, 2], vec![3]],
            authorities: vec![vec![3]],
        })
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        assert_eq!(Join::decode(&join().encode()), Ok(join()));
        let renewal = Renewal {
            request: vec![5; 90],
        };
        assert_eq!(Renewal::decode(&renewal.encode()), Ok(renewal));
        let denied = Denial::ALL.map(Err);
        for answer in denied.into_iter().chain([granted()]) {
            assert_eq!(decode_answer(&encode_answer(&answer)), Ok(answer));
        }
    }

    #[test]
    fn a_reason_of_a_later_version_is_still_a_denial() {
        let say = Some(wire::Say::Denied(4_711));
        let octets = wire::Answer { say }.encode_to_vec();
        assert_eq!(decode_answer(&octets), Ok(Err(Denial::Unspecified)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut short = wire::Join::decode(join().encode().as_slice()).unwrap();
        short.secret.pop();
        assert!(Join::decode(&short.encode_to_vec()).is_err());
        assert!(decode_answer(&[]).is_err());
        let many = Ok(Granted {
            chain: vec![vec![1]; CERTIFICATES_MAX + 1],
            authorities: vec![vec![1]],
        });
        let none = Ok(Granted {
            chain: vec![],
            authorities: vec![vec![1]],
        });
        for answer in [many, none] {
            assert!(decode_answer(&encode_answer(&answer)).is_err());
        }
    }

    #[test]
    fn no_octets_make_a_reader_panic() {
        for octets in [join().encode(), encode_answer(&granted())] {
            for end in 0..octets.len() {
                let _ = Join::decode(&octets[..end]);
                let _ = decode_answer(&octets[..end]);
            }
            for at in 0..octets.len() {
                for flip in [1_u8, 0x80, 0xFF] {
                    let mut broken = octets.clone();
                    broken[at] ^= flip;
                    let _ = Join::decode(&broken);
                    let _ = Renewal::decode(&broken);
                    let _ = decode_answer(&broken);
                }
            }
        }
    }

    #[test]
    fn every_tag_is_the_one_of_the_proto_file() {
        let proto = include_str!("enrolment.proto").lines().filter_map(|line| {
            let line = line.split("//").next()?.trim().strip_suffix(';')?;
            let (declaration, tag) = line.split_once(" = ")?;
            // The values of the enumeration are in capitals, and in denial.rs.
            let name = declaration.split_whitespace().last()?;
            let is_field = name.chars().all(|c| c.is_ascii_lowercase());
            Some((name.to_owned(), tag.parse::<u32>().ok()?)).filter(|_| is_field)
        });
        let lines: Vec<&str> = include_str!("wire.rs").lines().map(str::trim).collect();
        let rust = lines.windows(2).filter_map(|pair| {
            let tag = pair[0].split(" tag = \"").nth(1)?.split('"').next()?;
            let name = pair[1].trim_start_matches("pub(super) ");
            let name = name.split([':', '(']).next()?.to_lowercase();
            Some((name, tag.parse::<u32>().unwrap()))
        });
        assert_eq!(rust.collect::<Vec<_>>(), proto.collect::<Vec<_>>());
        for denial in Denial::ALL {
            let value = format!(" = {};", i32::from(denial));
            assert!(include_str!("enrolment.proto").contains(&value));
        }
    }
}
