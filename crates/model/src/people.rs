//! People, what they may do in which project, and how they and their programs are recognised.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

use crate::{ApiKeyId, Fault, Micros, Page, PageRequest, ProjectId, Quotas, Secret, UserId};

/// What somebody may do in a project. A greater role may do all that a smaller one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at rows and exports.
    Viewer,
    /// Creates, cancels and downloads exports, comments and imports.
    Member,
    /// Manages members, keys, quotas and retention.
    Owner,
}

impl Role {
    /// Every role, least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Member, Self::Owner];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Owner => "owner",
        }
    }

    /// The role of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// A signed-in person.
    User(UserId),
    /// A program with a project's key.
    ApiKey(ApiKeyId),
    /// The service itself, such as a schedule.
    System,
}

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Address, unique regardless of case.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// May create projects and is an owner everywhere.
    pub admin: bool,
    /// When the account was made.
    pub created_at: Micros,
}

/// An account to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// Address; something on both sides of one `@`.
    pub email: String,
    /// Name for people.
    pub name: String,
    /// At least [`PASSWORD_CHARACTERS_MIN`] characters.
    pub password: Secret,
    /// May create projects and is an owner everywhere.
    pub admin: bool,
}

/// Shortest password: length is what makes guessing expensive, so nothing else is asked of it.
pub const PASSWORD_CHARACTERS_MIN: usize = 10;

/// What came of an attempt to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// A session has begun. The token goes into the cookie and is not stored.
    Done {
        /// Who it is.
        user: User,
        /// The session's token.
        token: Secret,
        /// When the session ends.
        until: Micros,
    },
    /// Address or password are wrong; which of them is not told.
    Refused,
    /// Too many wrong attempts for this address or from this client.
    Locked {
        /// Time until the next attempt is looked at.
        wait: Duration,
    },
}

/// A session that is still good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who it is.
    pub user: User,
    /// When it ends.
    pub until: Micros,
}

/// The token that a mutating call of this session must carry, derived so that it need not be kept.
pub fn csrf_token(session_token: &Secret) -> String {
    let digest = Sha256::digest(format!("outgest csrf {}", session_token.reveal()));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An invitation to make an account: the set-up link of a new server, or an owner's to a colleague.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvitation {
    /// The project and role that the account gets at once.
    pub member_of: Option<(ProjectId, Role)>,
    /// Whether the account may create projects. Such a link sets a server up: once anybody has an account it is void.
    pub admin: bool,
    /// How long the link can be used.
    pub valid: Duration,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Id, as rows carry it.
    pub id: ProjectId,
    /// Name for people.
    pub name: String,
    /// Bounds that differ from the server's defaults.
    pub quotas: Quotas,
    /// Rows that started longer ago are removed from the embedded store; kept for ever without it.
    pub retention_days: Option<u32>,
    /// When it was made.
    pub created_at: Micros,
}

/// Changes of a project; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectChange {
    /// New name.
    pub name: Option<String>,
    /// New bounds, all of them.
    pub quotas: Option<Quotas>,
    /// New retention; `Some(None)` keeps rows for ever.
    pub retention_days: Option<Option<u32>>,
}

/// Somebody's role in a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// What they may do.
    pub role: Role,
}

/// A project's key for programs, without its secret half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Id.
    pub id: ApiKeyId,
    /// Its project; a key never sees another one.
    pub project: ProjectId,
    /// Public half: the user name of basic authentication.
    pub public: String,
    /// What it may do.
    pub role: Role,
    /// What it is for, in the words of who made it.
    pub note: String,
    /// Last characters of the secret half, to tell keys apart.
    pub secret_ends: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it stops working; never without it.
    pub expires_at: Option<Micros>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Micros>,
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// Its project.
    pub project: ProjectId,
    /// What it may do.
    pub role: Role,
    /// What it is for.
    pub note: String,
    /// When it stops working.
    pub expires_at: Option<Micros>,
}

/// What a program presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresentedKey {
    /// Basic authentication: public and secret half.
    Pair {
        /// Public half.
        public: String,
        /// Secret half.
        secret: Secret,
    },
    /// Bearer authentication: the secret half alone.
    Secret(Secret),
}

/// Accounts, sessions, projects, members and keys. Passwords and tokens are kept as hashes only.
#[async_trait]
pub trait PeopleStore: Send + Sync {
    /// Whether anybody can sign in yet.
    async fn has_users(&self) -> Result<bool, Fault>;

    /// Makes an account. A taken address is a conflict.
    async fn create_user(&self, new: NewUser) -> Result<User, Fault>;

    /// An account by id.
    async fn user(&self, id: &UserId) -> Result<Option<User>, Fault>;

    /// An account by address, regardless of case.
    async fn user_by_email(&self, email: &str) -> Result<Option<User>, Fault>;

    /// Accounts by address, ascending.
    async fn users(&self, page: &PageRequest) -> Result<Page<User>, Fault>;

    /// Changes a password and ends every session of the account.
    async fn set_password(&self, user: &UserId, password: &Secret) -> Result<(), Fault>;

    /// Removes an account with its sessions and memberships.
    async fn delete_user(&self, user: &UserId) -> Result<(), Fault>;

    /// Tries to sign in. `client` is the address the attempt came from; wrong attempts are counted for
    /// both the account's address and the client's.
    async fn sign_in(&self, email: &str, password: &Secret, client: &str) -> Result<SignIn, Fault>;

    /// The session of a token; `None` where it is unknown or over. Using a session prolongs it.
    async fn session(&self, token: &Secret) -> Result<Option<Session>, Fault>;

    /// Ends a session.
    async fn sign_out(&self, token: &Secret) -> Result<(), Fault>;

    /// Makes a link's token. It works once.
    async fn invite(&self, new: NewInvitation) -> Result<Secret, Fault>;

    /// Makes the account of an invitation. The invitation decides what it may do, whatever `new` says.
    /// A token that is unknown, used or over is a `NotFound`.
    async fn accept_invitation(&self, token: &Secret, new: NewUser) -> Result<User, Fault>;

    /// Makes a project. A taken id is a conflict.
    async fn create_project(&self, id: &ProjectId, name: &str) -> Result<Project, Fault>;

    /// A project by id.
    async fn project(&self, id: &ProjectId) -> Result<Option<Project>, Fault>;

    /// Projects by id, ascending; those of one user, or all.
    async fn projects(&self, member: Option<&UserId>, page: &PageRequest) -> Result<Page<Project>, Fault>;

    /// Changes a project.
    async fn change_project(&self, id: &ProjectId, change: ProjectChange) -> Result<Project, Fault>;

    /// Removes a project with its keys and memberships, and cancels its work. Stored rows stay.
    async fn delete_project(&self, id: &ProjectId) -> Result<(), Fault>;

    /// Members of a project by address, ascending.
    async fn members(&self, project: &ProjectId) -> Result<Vec<Member>, Fault>;

    /// Somebody's own role in a project; admins have none of their own.
    async fn role(&self, project: &ProjectId, user: &UserId) -> Result<Option<Role>, Fault>;

    /// Makes somebody a member or changes their role. The last owner stays one: else a conflict.
    async fn set_member(&self, project: &ProjectId, user: &UserId, role: Role) -> Result<(), Fault>;

    /// Ends a membership. The last owner cannot go: else a conflict.
    async fn remove_member(&self, project: &ProjectId, user: &UserId) -> Result<(), Fault>;

    /// Makes a key. The secret half is returned once and never again.
    async fn create_api_key(&self, new: NewApiKey) -> Result<(ApiKey, Secret), Fault>;

    /// Keys of a project, newest first.
    async fn api_keys(&self, project: &ProjectId) -> Result<Vec<ApiKey>, Fault>;

    /// Removes a key: it stops working at once.
    async fn delete_api_key(&self, project: &ProjectId, id: &ApiKeyId) -> Result<(), Fault>;

    /// The key that was presented; `None` where it is unknown, over or its halves do not belong together.
    async fn authenticate(&self, presented: &PresentedKey) -> Result<Option<ApiKey>, Fault>;
}
