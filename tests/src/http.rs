//! The least of an HTTP client: one GET, one answer, the connection closed.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// An answer may take this long, connection and body each.
const PATIENCE: Duration = Duration::from_secs(10);
/// A longer answer is cut off, and then fails where it is read.
const OCTETS_MAX: u64 = 16 << 20;

/// GETs `path` from `address` (`HOST:PORT`): the status and the body.
///
/// HTTP/1.0, so that the body is never chunked and ends with the connection.
///
/// # Errors
/// When the connection fails, or what comes back is no HTTP.
pub fn get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let not_http = || io::Error::new(io::ErrorKind::InvalidData, "the answer is no HTTP");
    let address = address
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::other("the name has no address"))?;
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(
        format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut octets = Vec::new();
    connection.take(OCTETS_MAX).read_to_end(&mut octets)?;
    let answer = String::from_utf8(octets).map_err(io::Error::other)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(not_http)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(not_http)?;
    Ok((status, body.to_owned()))
}

/// A value of a query string: every octet but the unreserved ones of RFC 3986, section 2.3, as `%XX`.
pub fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(octet))
            }
            _ => encoded.push_str(&format!("%{octet:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_query_keeps_its_meaning() {
        assert_eq!(
            percent_encoded("rate(x_total[5m]) * 2 > 市"),
            "rate%28x_total%5B5m%5D%29%20%2A%202%20%3E%20%E5%B8%82"
        );
    }

    #[test]
    fn an_answer_is_its_status_and_its_body() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut octet = [0];
                connection.read_exact(&mut octet).unwrap();
                request.extend(octet);
            }
            connection
                .write_all(b"HTTP/1.0 404 Not Found\r\nX: y\r\n\r\nno\r\n\r\nsuch")
                .unwrap();
            String::from_utf8(request).unwrap()
        });
        assert_eq!(
            get(&address, "/a?b=c").unwrap(),
            (404, "no\r\n\r\nsuch".to_owned())
        );
        assert!(
            server
                .join()
                .unwrap()
                .starts_with("GET /a?b=c HTTP/1.0\r\n")
        );
    }
}
