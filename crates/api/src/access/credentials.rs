//! What a request shows of who sends it: a project's key, or the cookie of a session.

use std::net::SocketAddr;

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

/// Address of the other end of the connection.
pub(crate) fn client_of(extensions: &Extensions) -> String {
    extensions.get::<ConnectInfo<SocketAddr>>().map_or_else(|| "unknown".to_owned(), |peer| peer.0.ip().to_string())
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
    fn the_session_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; outgest_session=t; c"));
        assert_eq!(session_token(&headers), Some(Secret::new("t")));
        headers.insert(header::COOKIE, HeaderValue::from_static("outgest_session="));
        assert_eq!(session_token(&headers), None);
    }
}
