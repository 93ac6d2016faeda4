//! Passwords: argon2id, away from the asynchronous threads.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use model::{Fault, PASSWORD_CHARACTERS_MIN, Secret};

/// Longest password that is looked at: hashing must not become a way to keep the server busy.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// How expensive hashing a password is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordCost {
    /// 19 MiB and two passes: OWASP's first choice for argon2id.
    #[default]
    Standard,
    /// As cheap as can be, for tests.
    Cheap,
}

impl PasswordCost {
    fn hasher(self) -> Argon2<'static> {
        let params = match self {
            Self::Standard => Params::default(),
            Self::Cheap => Params::new(Params::MIN_M_COST, 1, 1, None).expect("the smallest costs are allowed"),
        };
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    /// Checks a new password and hashes it.
    pub(super) async fn hash(self, password: &Secret) -> Result<String, Fault> {
        let text = password.reveal();
        if text.chars().count() < PASSWORD_CHARACTERS_MIN {
            let message = format!("it is shorter than {PASSWORD_CHARACTERS_MIN} characters");
            return Err(Fault::of_field("password", message).hint("a few words in a row are long and easy to remember"));
        }
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(Fault::of_field("password", format!("it is longer than {PASSWORD_BYTES_MAX} bytes")));
        }
        let password = password.clone();
        let hash = move || self.hasher().hash_password(password.reveal().as_bytes()).map(|hash| hash.to_string());
        match tokio::task::spawn_blocking(hash).await {
            Ok(Ok(hash)) => Ok(hash),
            Ok(Err(error)) => Err(Fault::bug("cannot hash a password").because(error.to_string())),
            Err(panic) => Err(Fault::bug("hashing a password panicked").because(panic)),
        }
    }

    /// Whether the password belongs to the hash. Without a hash the same work is done for nothing, so
    /// that the time does not tell whether an account exists.
    pub(super) async fn verify(self, password: &Secret, hash: Option<String>) -> Result<bool, Fault> {
        if password.reveal().len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let password = password.clone();
        let verify = move || {
            let hasher = self.hasher();
            let password = password.reveal().as_bytes();
            let Some(hash) = hash else {
                drop(hasher.hash_password(password));
                return false;
            };
            PasswordHash::new(&hash).is_ok_and(|hash| hasher.verify_password(password, &hash).is_ok())
        };
        tokio::task::spawn_blocking(verify)
            .await
            .map_err(|panic| Fault::bug("checking a password panicked").because(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits_and_equal_ones_hash_differently() {
        let cost = PasswordCost::Cheap;
        let password = Secret::new("correct horse battery");
        let (one, other) = (cost.hash(&password).await.unwrap(), cost.hash(&password).await.unwrap());
        assert_ne!(one, other);
        assert!(one.starts_with("$argon2id$"));
        assert!(cost.verify(&password, Some(one.clone())).await.unwrap());
        assert!(!cost.verify(&Secret::new("wrong horse battery"), Some(one)).await.unwrap());
        assert!(!cost.verify(&password, None).await.unwrap());
        assert!(cost.hash(&Secret::new("too short")).await.is_err());
    }
}
