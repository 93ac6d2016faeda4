//! Certificates that are not accepted. A connection on which that happens was not made, but neither is its host away
//! nor its address misspelt.

use std::borrow::Cow;
use std::error::Error;
use std::io;

use rustls::CertificateError;

/// What is wrong with the certificate of a host, such as `has expired`, where that is what happened.
pub(crate) fn complaint(error: &(dyn Error + 'static)) -> Option<Cow<'static, str>> {
    let mut link = Some(error);
    while let Some(cause) = link {
        if let Some(rustls::Error::InvalidCertificate(why)) = cause.downcast_ref() {
            return Some(words(why));
        }
        // The source of an I/O error is not what it wraps, but the source of that.
        link = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    None
}

/// What to do about it.
pub(crate) fn hint(host: &str) -> String {
    format!("correct the certificate that {host:?} shows, or have this machine trust who issued it")
}

fn words(why: &CertificateError) -> Cow<'static, str> {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet".into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is that of another host".into()
        }
        CertificateError::UnknownIssuer => "is from an issuer that is not trusted here".into(),
        CertificateError::Revoked => "was revoked".into(),
        other => format!("is not accepted: {other}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_found_where_clients_put_it() {
        let wrapped = |why| {
            let handshake = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(why));
            io::Error::other(handshake)
        };
        for (why, words) in [
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidForName, "is that of another host"),
            (CertificateError::UnknownIssuer, "is from an issuer that is not trusted here"),
            (CertificateError::BadSignature, "is not accepted: BadSignature"),
        ] {
            assert_eq!(complaint(&wrapped(why)).as_deref(), Some(words));
        }
        assert_eq!(complaint(&io::Error::other(rustls::Error::HandshakeNotComplete)), None);
        assert_eq!(complaint(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
