//! TLS for served Kubernetes sites: kubectl sends no token to a server without it.
//!
//! An authority of its own signs for the sites of one process; its certificate is in the kubeconfig that goes with
//! them, and its key nowhere. The keys are the one thing here that does not follow from the scenario's seed.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

#[derive(Clone)]
pub(super) struct Authority {
    /// Its certificate.
    pub pem: String,
    pub acceptor: TlsAcceptor,
}

pub(super) fn authority() -> io::Result<Authority> {
    let wrong = |error: rcgen::Error| io::Error::other(format!("no certificate can be made: {error}"));
    let mut of_authority = CertificateParams::default();
    of_authority.distinguished_name.push(DnType::CommonName, "edge sim");
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    of_authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = KeyPair::generate().and_then(|key| CertifiedIssuer::self_signed(of_authority, key)).map_err(wrong)?;
    let mut of_sites = CertificateParams::new(vec!["localhost".to_string()]).map_err(wrong)?;
    of_sites.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let key = KeyPair::generate().map_err(wrong)?;
    let certificate = of_sites.signed_by(&key, &issuer).map_err(wrong)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private))
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Authority { pem: issuer.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
}

/// Whether a client that has just connected begins with TLS; one that speaks plain HTTP is answered, too.
pub(super) async fn begins(stream: &TcpStream) -> bool {
    let mut first = [0u8];
    matches!(stream.peek(&mut first).await, Ok(1)) && first[0] == 0x16
}
