//! TLS through a proxy that ends it, and either protocol spoken to a port of the other.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// The certificate of `localhost`, which is its own authority.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/tls/certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/tls/key.pem");

fn tls_proxy(engine: &Engine) -> Proxy {
    let certificates = CertificateDer::pem_file_iter(CERTIFICATE).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(KEY).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    Proxy::start_tls(engine.address(), config)
}

fn over_tls(address: SocketAddr, options: &str) -> Client {
    let address = format!("clickhouses://localhost:{}/default?{options}", address.port());
    Client::new(ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap()).unwrap()
}

#[tokio::test]
async fn tls_works_with_an_authority_of_ones_own() {
    let proxy = tls_proxy(need_engine!());
    let client = over_tls(proxy.address(), &format!("ca={CERTIFICATE}"));
    assert_eq!(one(&client, "1 + 1").await, "2");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let proxy = tls_proxy(need_engine!());
    let fault = fault_of(&over_tls(proxy.address(), ""), "SELECT 1").await;
    assert_eq!((fault.kind(), fault.retry()), (FaultKind::Configuration, Retry::Never), "{}", shown(&fault));
    assert!(shown(&fault).contains("certificate") && shown(&fault).contains("option ca"), "{}", shown(&fault));
}

#[tokio::test]
async fn http_on_a_tls_port_and_tls_on_an_http_port_are_told_apart() {
    let engine = need_engine!();
    let proxy = tls_proxy(engine);
    let fault = fault_of(&through(proxy.address(), ""), "SELECT 1").await;
    assert!(shown(&fault).contains("clickhouses://"), "{}", shown(&fault));

    let fault = fault_of(&over_tls(engine.address(), ""), "SELECT 1").await;
    assert_eq!((fault.kind(), fault.retry()), (FaultKind::Configuration, Retry::Never), "{}", shown(&fault));
    assert!(shown(&fault).contains("does not speak TLS"), "{}", shown(&fault));
}

#[test]
fn a_file_without_certificates_is_refused() {
    drop(rustls::crypto::ring::default_provider().install_default());
    for (file, words) in [("/no/such/file", "cannot read"), (KEY, "holds no certificate")] {
        let address = format!("clickhouses://h/d?ca={file}");
        let options = ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap();
        let fault = Client::new(options).unwrap_err();
        assert!(fault.to_string().contains(words), "{fault}");
    }
}
