//! What the user wrote as the address of a destination, taken apart.
//!
//! Paths are taken literally, as the vendors' own command-line tools do: `%20` is three characters
//! of a key. Only the query is decoded. No message of this module repeats the query, since it may
//! hold secrets.

use model::Fault;

/// The scheme of standard output, which is written `-`.
pub(crate) const STDOUT_SCHEME: &str = "-";
/// The scheme of a path without one.
pub(crate) const FILE_SCHEME: &str = "file";

/// An address, taken apart but not yet valid for its kind.
#[derive(PartialEq, Eq)]
pub(crate) struct Address {
    /// In lower case.
    pub(crate) scheme: String,
    /// Bucket or container; empty for files.
    pub(crate) root: String,
    /// What follows the root, without the slash between them; the whole path for files.
    pub(crate) path: String,
    /// Options, in the order written.
    pub(crate) query: Vec<(String, String)>,
}

impl Address {
    /// Takes `text` apart.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(Fault::bad_request("the destination is empty").hint("write a path, an address or -"));
        }
        if text == "-" {
            return Ok(Self::plain(STDOUT_SCHEME, "-"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text.split_once(':') {
                Some((scheme, _)) if crate::all().iter().any(|kind| kind.schemes.contains(&scheme)) => {
                    Err(Fault::bad_request(format!("the address begins with {scheme}: instead of {scheme}://"))
                        .hint(format!("write {scheme}:// and what follows; a path may begin with ./")))
                }
                _ => Ok(Self::plain(FILE_SCHEME, text)),
            };
        };
        let scheme = scheme.to_ascii_lowercase();
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let (root, path) = place.split_once('/').unwrap_or((place, ""));
        if root.contains('@') {
            return Err(Fault::bad_request(format!("the {scheme}:// address holds a user name or password"))
                .hint("give credentials as options or in the environment"));
        }
        if scheme == FILE_SCHEME {
            // file:///abs has an empty host; file://localhost/abs means the same.
            if !matches!(root, "" | "localhost") {
                return Err(Fault::bad_request(format!("file:// addresses name no host, but this one names {root:?}"))
                    .hint("write file:///path with three slashes"));
            }
            return Ok(Self { scheme, root: String::new(), path: format!("/{path}"), query });
        }
        Ok(Self { scheme, root: root.to_owned(), path: path.to_owned(), query })
    }

    fn plain(scheme: &str, path: &str) -> Self {
        Self { scheme: scheme.to_owned(), root: String::new(), path: path.to_owned(), query: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, String) {
        let address = Address::parse(text).unwrap();
        (address.scheme, address.root, address.path)
    }

    fn owned(scheme: &str, root: &str, path: &str) -> (String, String, String) {
        (scheme.to_owned(), root.to_owned(), path.to_owned())
    }

    #[test]
    fn addresses_paths_and_the_dash_are_told_apart() {
        assert_eq!(parts("S3://bucket/a/b c%20.csv"), owned("s3", "bucket", "a/b c%20.csv"));
        assert_eq!(parts("gs://bucket"), owned("gs", "bucket", ""));
        assert_eq!(parts("out/what?.csv"), owned("file", "", "out/what?.csv"));
        assert_eq!(parts("file:///abs/x.csv"), owned("file", "", "/abs/x.csv"));
        assert_eq!(parts("file://localhost/abs"), owned("file", "", "/abs"));
        assert_eq!(parts("-"), owned("-", "", "-"));
    }

    #[test]
    fn a_slash_that_is_missing_makes_no_folder() {
        let fault = Address::parse("s3:/bucket/x?secret_access_key=hunter2").err().unwrap();
        assert_eq!(fault.public_message(), "the address begins with s3: instead of s3://");
        assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
        assert_eq!(parts("./s3:/x"), owned("file", "", "./s3:/x"));
        assert_eq!(parts("2026-08-01T12:00.csv"), owned("file", "", "2026-08-01T12:00.csv"));
    }

    #[test]
    fn the_query_is_decoded() {
        let address = Address::parse("s3://b/k?endpoint=http%3A%2F%2Fh%3A1&region=eu-1").unwrap();
        assert_eq!(address.query[0], ("endpoint".to_owned(), "http://h:1".to_owned()));
        assert_eq!(address.query[1], ("region".to_owned(), "eu-1".to_owned()));
    }

    #[test]
    fn passwords_in_addresses_are_refused_without_being_repeated() {
        let fault = Address::parse("s3://AKIA:hunter2@bucket/x").err().unwrap();
        assert!(!format!("{fault:?}").contains("hunter2"));
    }
}
