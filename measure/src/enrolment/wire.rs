//! The protobuf messages of `enrolment.proto`, tag for tag.
//!
//! Hand-kept beside that file; a test reads the `.proto` and compares every tag.

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Token {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) secret: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) fingerprint: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) probe: String,
    #[prost(string, tag = "4")]
    pub(super) collector: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Join {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) secret: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(super) probe: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) request: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Renewal {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) request: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Answer {
    #[prost(oneof = "Say", tags = "1, 2")]
    pub(super) say: Option<Say>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Say {
    #[prost(message, tag = "1")]
    Granted(Granted),
    #[prost(enumeration = "super::Denial", tag = "2")]
    Denied(i32),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Granted {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) chain: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) authorities: Vec<Vec<u8>>,
}
