//! Certificates, and a person at `ncat --ssl`.

use super::PATIENCE;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate for `localhost` and its key, in files.
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Identity {
    /// Makes one and writes it, over the last if there was one.
    pub fn write(directory: &Path) -> Identity {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let identity =
            Identity { certificate: directory.join("certificate.pem"), key: directory.join("key.pem") };
        fs::write(&identity.certificate, made.cert.pem()).expect("write the certificate");
        fs::write(&identity.key, made.signing_key.serialize_pem()).expect("write the key");
        identity
    }

    /// `KEY=VALUE`, for a server that listens with TLS, too.
    pub fn settings(&self) -> [String; 3] {
        [
            "listen.line_tls=127.0.0.1:0".to_owned(),
            format!("tls.certificate={}", self.certificate.display()),
            format!("tls.key={}", self.key.display()),
        ]
    }

    /// How a client trusts this certificate, and no other.
    pub fn trust(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.certificate).expect("a certificate")).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

/// One connection with TLS.
pub struct TlsClient {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl TlsClient {
    /// Connects; the handshake is done when the first line is read.
    pub fn connect(address: SocketAddr, trust: &Arc<ClientConfig>) -> TlsClient {
        TlsClient::connect_saying(address, trust, &[])
    }

    /// The same, with something that is said before the handshake.
    pub fn connect_saying(address: SocketAddr, trust: &Arc<ClientConfig>, first: &[u8]) -> TlsClient {
        let mut socket = TcpStream::connect(address).expect("connect");
        socket.set_read_timeout(Some(PATIENCE)).expect("set a time-out");
        socket.set_write_timeout(Some(PATIENCE)).expect("set a time-out");
        socket.write_all(first).expect("send");
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::clone(trust), name).expect("a client");
        TlsClient { stream: BufReader::new(StreamOwned::new(connection, socket)) }
    }

    /// Connects and says a name.
    pub fn login(address: SocketAddr, trust: &Arc<ClientConfig>, name: &str) -> TlsClient {
        let mut client = TlsClient::connect(address, trust);
        client.send(name);
        client.expect(&format!("name: {name} has joined general"));
        client
    }

    /// Goes to a room. Its history, if any, is not read yet.
    #[track_caller]
    pub fn enter(&mut self, room: &str, name: &str) {
        self.send(&format!("/channel {room}"));
        self.expect(&format!("{name} has joined {room}"));
    }

    pub fn send(&mut self, line: &str) {
        self.try_send(line).expect("send");
    }

    /// Sends to a server that may have ended the connection.
    pub fn try_send(&mut self, line: &str) -> std::io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{line}\n").as_bytes()).and_then(|()| stream.flush())
    }

    /// Sends bytes as they are to a server that may have ended the connection.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).and_then(|()| stream.flush())
    }

    /// Reads up to this line.
    #[track_caller]
    pub fn expect(&mut self, wanted: &str) {
        let mut read = Vec::new();
        loop {
            let line = self.read_line().unwrap_or_else(|error| panic!("{error}; read {read:?}"));
            if line == wanted {
                return;
            }
            assert!(!line.is_empty(), "closed before {wanted:?}; read {read:?}");
            read.push(line);
        }
    }

    /// The next line, without its end; empty at the end of the connection.
    pub fn read_line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end_matches('\n').to_owned())
    }

    /// The certificate that the server has shown.
    pub fn certificate(&self) -> CertificateDer<'static> {
        let shown = self.stream.get_ref().conn.peer_certificates().expect("after the handshake");
        shown[0].clone().into_owned()
    }

    /// The connection below.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream.get_mut().sock
    }
}
