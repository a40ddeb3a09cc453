//! TLS against a client of the same library, in memory: every cut of the bytes, and what no client does.

use super::{RECORD_BYTES_MAX, TlsAcceptor, TlsFault, TlsIdentity, TlsSession};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Writes a certificate and its key, and returns the first.
fn write_identity(directory: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(directory.join("certificate.pem"), made.cert.pem()).expect("write");
    fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).expect("write");
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("what was written")
}

fn load(directory: &Path) -> Result<TlsIdentity, super::TlsError> {
    TlsIdentity::load(&directory.join("certificate.pem"), &directory.join("key.pem"))
}

/// A client and the server's session, with the wire between them.
struct Pair {
    client: ClientConnection,
    server: TlsSession,
    heard: Vec<u8>,
    /// How many bytes a read of the server gives at most.
    step: usize,
}

impl Pair {
    fn new(step: usize) -> Pair {
        Pair::of(step, rustls::ALL_VERSIONS)
    }

    fn of(step: usize, versions: &[&'static rustls::SupportedProtocolVersion]) -> Pair {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let certificate = write_identity(directory.path());
        let acceptor = TlsAcceptor::new(load(directory.path()).expect("an identity"));
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(Arc::new(config), name).expect("a client");
        Pair { client, server: acceptor.accept().expect("a session"), heard: Vec::new(), step }
    }

    /// Gives the server bytes of the wire as reads of it would.
    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), TlsFault> {
        let mut wire = [0; RECORD_BYTES_MAX];
        let mut plain = [0; RECORD_BYTES_MAX];
        while !bytes.is_empty() {
            let start = self.server.begin(&mut wire);
            let count = bytes.len().min(self.step).min(RECORD_BYTES_MAX - start);
            wire[start..start + count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            let count = self.server.receive(&mut wire[..start + count], &mut plain)?;
            self.heard.extend_from_slice(&plain[..count]);
        }
        Ok(())
    }

    /// Carries all that waits to and fro, and returns what the client can read.
    fn settle(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        loop {
            let mut wire = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut wire).expect("memory");
            }
            self.feed(&wire).expect("an honest client");
            let outgoing = self.server.outgoing().to_vec();
            if outgoing.is_empty() && wire.is_empty() {
                return read;
            }
            self.server.sent(outgoing.len());
            self.give(&outgoing);
            let _ = self.client.reader().read_to_end(&mut read);
        }
    }

    fn give(&mut self, mut outgoing: &[u8]) {
        while !outgoing.is_empty() {
            self.client.read_tls(&mut outgoing).expect("memory");
            self.client.process_new_packets().expect("an honest server");
        }
    }

    /// Sends from the server, and returns what the client read.
    fn say(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut wire = [0; RECORD_BYTES_MAX + 1024];
        let mut read = Vec::new();
        while !bytes.is_empty() {
            let (taken, count) = self.server.encrypt(bytes, &mut wire).expect("keys");
            self.give(&wire[..count]);
            bytes = &bytes[taken..];
            let _ = self.client.reader().read_to_end(&mut read);
        }
        read
    }
}

#[test]
fn what_is_said_arrives_however_the_wire_is_cut() {
    for step in [1, 2, 7, 100, 4096, RECORD_BYTES_MAX] {
        let mut pair = Pair::new(step);
        pair.settle();
        assert!(pair.server.is_open(), "reads of {step}");
        pair.client.writer().write_all("안녕, 마당\n".as_bytes()).expect("memory");
        pair.settle();
        assert_eq!(pair.heard, "안녕, 마당\n".as_bytes());
        assert_eq!(pair.say(b"hello\n"), b"hello\n");
        pair.client.send_close_notify();
        pair.settle();
        assert!(pair.server.has_ended());
    }
}

#[test]
fn both_versions_carry_more_than_a_record_each_way() {
    for version in rustls::ALL_VERSIONS {
        let mut pair = Pair::of(RECORD_BYTES_MAX, &[version]);
        pair.settle();
        let long: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        assert_eq!(pair.say(&long), long, "{version:?}");
        for part in long.chunks(50_000) {
            pair.client.writer().write_all(part).expect("memory");
            pair.settle();
        }
        assert_eq!(pair.heard, long, "{version:?}");
    }
}

#[test]
fn keys_are_renewed_while_the_start_of_a_record_waits() {
    let mut pair = Pair::of(RECORD_BYTES_MAX, &[&rustls::version::TLS13]);
    pair.settle();
    pair.client.refresh_traffic_keys().expect("TLS 1.3");
    pair.client.writer().write_all(b"after the renewal").expect("memory");
    let mut wire = Vec::new();
    while pair.client.wants_write() {
        pair.client.write_tls(&mut wire).expect("memory");
    }
    let (start, rest) = wire.split_at(wire.len() - 5);
    pair.feed(start).expect("an honest client");
    assert_eq!(pair.say(b"meanwhile"), b"meanwhile");
    pair.feed(rest).expect("an honest client");
    assert_eq!(pair.heard, b"after the renewal");
    assert_eq!(pair.say(b"and after"), b"and after");
}

#[test]
fn an_idle_session_holds_no_buffer() {
    let mut pair = Pair::new(100);
    pair.settle();
    pair.client.writer().write_all(b"hello").expect("memory");
    pair.settle();
    pair.say(b"hello");
    assert_eq!(pair.server.buffer_bytes(), 0);
}

#[test]
fn what_is_no_tls_is_a_fault_and_is_answered_so() {
    for bytes in [&b"hello, is this a chat server?\n"[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 64], &[0xff; 64]] {
        let mut pair = Pair::new(RECORD_BYTES_MAX);
        assert!(matches!(pair.feed(bytes), Err(TlsFault::Protocol(_))), "{bytes:?}");
        // An alert record, as `openssl s_client` shows it.
        assert_eq!(pair.server.outgoing().first(), Some(&21), "{bytes:?}");
    }
}

#[test]
fn a_message_without_an_end_is_a_fault_and_not_a_growing_buffer() {
    let mut pair = Pair::new(RECORD_BYTES_MAX);
    // A ClientHello of 60,000 bytes, in records of 16,000.
    let mut hello = vec![1, 0, 0xea, 0x60, 3, 3];
    hello.resize(60_000, 0);
    let mut wire = Vec::new();
    for part in hello.chunks(16_000) {
        wire.extend([22, 3, 1, (part.len() >> 8) as u8, part.len() as u8]);
        wire.extend(part);
    }
    assert!(pair.feed(&wire).is_err());
    assert!(pair.server.buffer_bytes() < 2 * RECORD_BYTES_MAX);
}

#[test]
fn a_record_that_was_changed_on_its_way_is_a_fault() {
    let mut pair = Pair::new(RECORD_BYTES_MAX);
    pair.settle();
    pair.client.writer().write_all(b"pay bob 10").expect("memory");
    let mut wire = Vec::new();
    pair.client.write_tls(&mut wire).expect("memory");
    let last = wire.len() - 1;
    wire[last] ^= 1;
    assert!(matches!(pair.feed(&wire), Err(TlsFault::Protocol(_))));
    assert_eq!(pair.heard, b"");
}

#[test]
fn whatever_bytes_are_changed_there_is_a_fault_or_none_and_never_a_panic() {
    for round in 0..300 {
        let at = round % 280;
        let mut pair = Pair::new([1, 60, RECORD_BYTES_MAX][round % 3]);
        let mut wire = Vec::new();
        pair.client.write_tls(&mut wire).expect("memory");
        if let Some(byte) = wire.get_mut(at) {
            *byte ^= 0x55;
        }
        wire.extend(b"and then something else altogether");
        let mut end = [0; RECORD_BYTES_MAX];
        if pair.feed(&wire).is_err() {
            assert_eq!(pair.server.say_end(&mut end), 0, "a connection that failed says nothing more");
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_is_wrong() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let refusal = |directory: &Path| load(directory).expect_err("unusable").to_string();
    assert!(refusal(directory.path()).contains("cannot read the certificate"), "no file");
    write_identity(directory.path());
    let key = directory.path().join("key.pem");
    let good = fs::read(&key).expect("a key");
    fs::write(&key, "").expect("write");
    let words = refusal(directory.path());
    assert!(words.contains("cannot read the key") && words.contains("key.pem"), "{words}");
    let other = tempfile::tempdir().expect("a temporary directory");
    write_identity(other.path());
    fs::copy(other.path().join("key.pem"), &key).expect("copy");
    let words = refusal(directory.path());
    assert!(words.contains("cannot be used together"), "{words}");
    fs::write(&key, good).expect("write");
    load(directory.path()).expect("they belong together again");
}
