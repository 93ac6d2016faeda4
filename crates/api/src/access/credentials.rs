//! What a request shows of who sends it: a project's key, or the cookie of a session.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{PresentedKey, Secret};

use super::{Caller, Who};
use crate::app::App;
use crate::problem::{Answer, Problem};

/// Name of the cookie that holds a session's token.
pub(crate) const SESSION_COOKIE: &str = "outgest_session";

/// Whom proxies say that they were called by.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Longest header that is looked at: tokens have some 50 characters.
const CREDENTIALS_BYTES_MAX: usize = 1_000;

/// Who sends the request; `None` where it does not say.
pub(super) async fn caller(app: &App, headers: &HeaderMap, client: &str) -> Answer<Option<Caller>> {
    let who = match headers.get(header::AUTHORIZATION) {
        Some(shown) => {
            let key = presented_key(shown).ok_or_else(|| {
                Problem::unauthenticated("the Authorization header is neither Bearer with a secret key nor Basic")
            })?;
            let known = app.ports.people.authenticate(&key).await?;
            Some(Who::Program(known.ok_or_else(|| Problem::unauthenticated("this key is not known or is over"))?))
        }
        None => match session_token(headers) {
            Some(token) => {
                let session = app.ports.people.session(&token).await?;
                let session =
                    session.ok_or_else(|| Problem::unauthenticated("this session is not known or is over"))?;
                Some(Who::Person { session, token })
            }
            None => None,
        },
    };
    Ok(who.map(|who| Caller { who, client: client.to_owned() }))
}

/// `Bearer <secret>`, or `Basic` with public key and secret key as user name and password.
fn presented_key(shown: &HeaderValue) -> Option<PresentedKey> {
    let text = shown.to_str().ok().filter(|text| text.len() <= CREDENTIALS_BYTES_MAX)?;
    let (scheme, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!rest.is_empty()).then(|| PresentedKey::Secret(Secret::new(rest)));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (public, secret) = pair.split_once(':')?;
    Some(PresentedKey::Pair { public: public.to_owned(), secret: Secret::new(secret) })
}

/// The token of the session cookie.
fn session_token(headers: &HeaderMap) -> Option<Secret> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == SESSION_COOKIE)?;
    (!token.is_empty() && token.len() <= CREDENTIALS_BYTES_MAX).then(|| Secret::new(token))
}

/// The cookie that begins a session of so many seconds, or ends it with an empty token and none.
pub(crate) fn session_cookie(app: &App, token: &str, seconds: i64) -> HeaderValue {
    let secure = if app.is_encrypted() { "; Secure" } else { "" };
    let text = format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).expect("tokens are made of characters that headers take")
}

/// Address that the request came from: the other end of the connection or, where that is a proxy of ours, whom the
/// proxy names.
pub(super) fn client_of(extensions: &Extensions, headers: &HeaderMap, is_proxy: &dyn Fn(IpAddr) -> bool) -> String {
    let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() else { return "unknown".to_owned() };
    let lines = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
    let named: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    forwarded(peer.ip().to_canonical(), &named, is_proxy).to_string()
}

/// Every proxy appends whom it was called by, and whoever is no proxy of ours may have written anything before that.
/// So the list is read from its end as long as proxies of ours wrote it.
fn forwarded(peer: IpAddr, named: &[&str], is_proxy: &dyn Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    for name in named.iter().rev() {
        if !is_proxy(client) {
            break;
        }
        let address = name.parse().or_else(|_| name.parse().map(|with_port: SocketAddr| with_port.ip()));
        let Ok(address) = address else { break };
        client = address.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_as_bearer_or_basic() {
        let read = |text: &str| presented_key(&HeaderValue::from_str(text).unwrap());
        let pair = PresentedKey::Pair { public: "pk".to_owned(), secret: Secret::new("sk:1") };
        assert_eq!(read(&format!("Basic {}", STANDARD.encode("pk:sk:1"))), Some(pair));
        assert_eq!(read("bearer sk"), Some(PresentedKey::Secret(Secret::new("sk"))));
        for bad in ["", "Bearer", "Bearer ", "Basic", "Basic pk:sk", "Basic cGs=", "Digest x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&format!("Bearer {}", "x".repeat(2_000))), None);
    }

    #[test]
    fn the_word_of_our_proxies_is_taken_and_nobody_elses() {
        let ours: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let client = |peer: &str, named: &[&str]| {
            forwarded(peer.parse().unwrap(), named, &|address| ours.contains(&address)).to_string()
        };
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        // What the caller wrote itself stands before what our proxy appended.
        assert_eq!(client("10.0.0.1", &["198.51.100.1", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "fd00::1"]), "203.0.113.9");
        assert_eq!(client("fd00::1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "unknown"]), "10.0.0.1");
    }

    #[test]
    fn the_session_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; outgest_session=t; c"));
        assert_eq!(session_token(&headers), Some(Secret::new("t")));
        headers.insert(header::COOKIE, HeaderValue::from_static("outgest_session="));
        assert_eq!(session_token(&headers), None);
    }
}
