//! The network's transport over loopback sockets: what was not sent, what was lost, who is trusted.

use edge::transport::network::{Network, Pem, Proxy, Settings, install_tls};
use edge::transport::{Body, BoxError, Transport, TransportError, empty_body, full_body};
use http_body_util::{BodyExt, StreamBody};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};

fn request(url: &str, body: Body) -> http::Request<Body> {
    http::Request::builder().method("POST").uri(url).body(body).unwrap()
}

fn network(settings: Settings) -> Network {
    Network::new(&settings).unwrap_or_else(|e| panic!("{e}"))
}

async fn sent(settings: Settings, url: &str) -> Result<u16, TransportError> {
    network(settings).send(request(url, empty_body())).await.map(|r| r.status().as_u16())
}

/// Reads one request, head and body, as text.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let (mut text, mut buffer) = (Vec::new(), [0u8; 4096]);
    loop {
        let n = stream.read(&mut buffer).await.unwrap_or(0);
        text.extend_from_slice(&buffer[..n]);
        let all = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = all.split_once("\r\n\r\n") else {
            if n == 0 {
                return all;
            }
            continue;
        };
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map(|l| l.parse::<usize>().unwrap());
        let chunked = head.contains("transfer-encoding: chunked");
        let ended = if chunked { body.ends_with("0\r\n\r\n") } else { body.len() >= length.unwrap_or(0) };
        if n == 0 || ended {
            return all;
        }
    }
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.replace('\n', "\r\n").as_bytes()).await.unwrap();
    stream.shutdown().await.ok();
}

/// Answers every connection so; gives the port and what was asked.
async fn serving(text: &'static str) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (seen, asked) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asked = read_request(&mut stream).await;
            answer(&mut stream, text).await;
            if seen.send(asked).is_err() {
                return;
            }
        }
    });
    (port, asked)
}

#[tokio::test]
async fn not_sent_and_lost_are_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    match sent(Settings::default(), &format!("http://127.0.0.1:{free}/")).await {
        Err(TransportError::NotSent(why)) => {
            assert_eq!(why, format!("cannot connect to 127.0.0.1:{free}: connection refused"))
        }
        other => panic!("{other:?}"),
    }
    for text in ["", "HTTP/1.1 200", "surprise\n\n"] {
        let (port, _asked) = serving(text).await;
        match sent(Settings::default(), &format!("http://127.0.0.1:{port}/")).await {
            Err(TransportError::Lost(why)) => assert!(why.contains(&format!("127.0.0.1:{port}")), "{why}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
    // Accepts, and never speaks TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    let hasty = Settings { connect_timeout: Duration::from_millis(200), ..Settings::default() };
    let failure = sent(hasty, &url).await.unwrap_err();
    assert!(matches!(&failure, TransportError::NotSent(why) if why.contains("no answer in time")), "{failure:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_of_its_body() {
    let (port, _asked) = serving("HTTP/1.1 200 OK\ncontent-length: 10\n\nhalf").await;
    let url = format!("http://127.0.0.1:{port}/");
    let response = network(Settings::default()).send(request(&url, empty_body())).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn redirects_are_not_followed_and_bodies_stream() {
    let (port, mut asked) =
        serving("HTTP/1.1 307 Over There\nlocation: http://127.0.0.1:1/\ncontent-length: 0\n\n").await;
    let url = format!("http://127.0.0.1:{port}/path?a=b");
    let network = network(Settings::default());
    let status = |body: Body| async { network.send(request(&url, body)).await.unwrap().status().as_u16() };
    assert_eq!(status(empty_body()).await, 307);
    let head = asked.recv().await.unwrap();
    assert!(head.starts_with("POST /path?a=b HTTP/1.1\r\n") && head.contains("content-length: 0\r\n"), "{head}");
    assert_eq!(status(full_body("five!")).await, 307);
    let whole = asked.recv().await.unwrap();
    assert!(whole.contains("content-length: 5\r\n") && whole.ends_with("five!"), "{whole}");
    let frames = ["one", "two"].map(|s| Ok::<_, BoxError>(http_body::Frame::data(bytes::Bytes::from(s))));
    let stream = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    assert_eq!(status(stream).await, 307);
    let chunks = asked.recv().await.unwrap();
    assert!(
        chunks.contains("transfer-encoding: chunked") && chunks.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        "{chunks}"
    );
}

#[tokio::test]
async fn a_proxy_is_used_where_it_is_set_and_never_for_this_machine() {
    let (proxy, mut asked) = serving("HTTP/1.1 200 OK\ncontent-length: 0\n\n").await;
    let (here, mut direct) = serving("HTTP/1.1 204 No Content\n\n").await;
    let through = Some(format!("http://user:hunter-2@127.0.0.1:{proxy}"));
    let settings = Settings {
        proxy: Proxy { always: None, http: through, https: None, except: Some("near.invalid".into()) },
        ..Settings::default()
    };
    assert!(!format!("{settings:?}").contains("hunter"));
    assert_eq!(sent(settings.clone(), "http://far.invalid/x").await, Ok(200));
    assert!(asked.recv().await.unwrap().starts_with("POST http://far.invalid/x HTTP/1.1"));
    assert_eq!(sent(settings, &format!("http://127.0.0.1:{here}/y")).await, Ok(204));
    assert!(direct.recv().await.unwrap().starts_with("POST /y"));
}

/// A certificate authority, a server's certificate and a client's, as files.
struct Certificates {
    directory: tempfile::TempDir,
    server: Arc<ServerConfig>,
    strict: Arc<ServerConfig>,
}

impl Certificates {
    fn new() -> Certificates {
        install_tls();
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key).unwrap();
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            (CertificateParams::new(vec![name.to_string()]).unwrap().signed_by(&key, &authority).unwrap(), key)
        };
        let ((server, server_key), (client, client_key)) = (issue("127.0.0.1"), issue("client"));
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(roots.into()).build().unwrap();
        let chain = vec![server.der().clone()];
        let private = || PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let open = ServerConfig::builder().with_no_client_auth().with_single_cert(chain.clone(), private()).unwrap();
        let strict =
            ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, private()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text).unwrap();
        write("ca.pem", authority.pem());
        write("client.pem", client.pem());
        write("client.key", client_key.serialize_pem());
        write("both.pem", client.pem() + &client_key.serialize_pem());
        write("nothing.pem", "no certificate".into());
        Certificates { directory, server: open.into(), strict: strict.into() }
    }

    fn path(&self, name: &str) -> Option<Pem> {
        Some(Pem::File(Path::join(self.directory.path(), name)))
    }
}

async fn serving_tls(config: Arc<ServerConfig>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = TlsAcceptor::from(config.clone()).accept(stream).await {
                read_request(&mut stream).await;
                answer(&mut stream, "HTTP/1.1 204 No Content\n\n").await;
            }
        }
    });
    url
}

#[tokio::test]
async fn a_site_is_verified_unless_the_user_says_otherwise() {
    let files = Certificates::new();
    let url = serving_tls(files.server.clone()).await;
    match sent(Settings::default(), &url).await {
        Err(TransportError::NotSent(why)) => assert!(why.to_lowercase().contains("certificate"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(sent(Settings { cacert: files.path("ca.pem"), ..Settings::default() }, &url).await, Ok(204));
    assert_eq!(sent(Settings { verify: false, ..Settings::default() }, &url).await, Ok(204));
    // Another name than the certificate's.
    let other = url.replace("127.0.0.1", "localhost");
    let failure = sent(Settings { cacert: files.path("ca.pem"), ..Settings::default() }, &other).await.unwrap_err();
    assert!(matches!(failure, TransportError::NotSent(_)), "{failure:?}");
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let files = Certificates::new();
    let url = serving_tls(files.strict.clone()).await;
    let with = |cert, key| Settings { cacert: files.path("ca.pem"), cert, key, ..Settings::default() };
    assert!(sent(with(None, None), &url).await.is_err());
    assert_eq!(sent(with(files.path("client.pem"), files.path("client.key")), &url).await, Ok(204));
    assert_eq!(sent(with(files.path("both.pem"), None), &url).await, Ok(204));
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let files = Certificates::new();
    let problem =
        |cacert, cert| Network::new(&Settings { cacert, cert, ..Settings::default() }).err().unwrap_or_default();
    for (why, name) in [
        (problem(files.path("missing.pem"), None), "missing.pem"),
        (problem(files.path("nothing.pem"), None), "nothing.pem"),
        (problem(None, files.path("client.pem")), "client.pem"),
    ] {
        assert!(why.contains(name), "{why}");
    }
}
