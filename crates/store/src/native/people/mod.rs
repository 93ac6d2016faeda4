//! Accounts, sessions, projects, members and keys: one file each, gathered behind [`PeopleStore`].

mod accounts;
mod invitations;
mod keys;
mod members;
mod password;
mod projects;
mod sessions;

use async_trait::async_trait;
use model::{
    ApiKey, ApiKeyId, Fault, FaultKind, Member, NewApiKey, NewInvitation, NewUser, Page, PageRequest, PeopleStore,
    PresentedKey, Project, ProjectChange, ProjectId, Role, Secret, Session, SignIn, User, UserId,
};

use super::NativeStore;

pub(super) use members::{is_of, owners_of};
pub use password::PasswordCost;
pub(super) use projects::quotas_of;

#[async_trait]
impl PeopleStore for NativeStore {
    async fn has_users(&self) -> Result<bool, Fault> {
        self.any_account().await
    }

    async fn create_user(&self, new: NewUser) -> Result<User, Fault> {
        self.create_account(new).await
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, Fault> {
        self.account(id).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, Fault> {
        self.account_by_email(email).await
    }

    async fn users(&self, page: &PageRequest) -> Result<Page<User>, Fault> {
        self.accounts(page).await
    }

    async fn set_password(&self, user: &UserId, password: &Secret) -> Result<(), Fault> {
        self.change_password(user, password).await
    }

    async fn delete_user(&self, user: &UserId) -> Result<(), Fault> {
        self.delete_account(user).await
    }

    async fn sign_in(&self, email: &str, password: &Secret, client: &str) -> Result<SignIn, Fault> {
        self.begin_session(email, password, client).await
    }

    async fn session(&self, token: &Secret) -> Result<Option<Session>, Fault> {
        self.use_session(token).await
    }

    async fn sign_out(&self, token: &Secret) -> Result<(), Fault> {
        self.end_session(token).await
    }

    async fn invite(&self, new: NewInvitation) -> Result<Secret, Fault> {
        self.create_invitation(new).await
    }

    async fn accept_invitation(&self, token: &Secret, new: NewUser) -> Result<User, Fault> {
        self.use_invitation(token, new).await
    }

    async fn create_project(&self, id: &ProjectId, name: &str) -> Result<Project, Fault> {
        self.insert_project(id, name).await
    }

    async fn project(&self, id: &ProjectId) -> Result<Option<Project>, Fault> {
        self.find_project(id).await
    }

    async fn projects(&self, member: Option<&UserId>, page: &PageRequest) -> Result<Page<Project>, Fault> {
        self.list_projects(member, page).await
    }

    async fn change_project(&self, id: &ProjectId, change: ProjectChange) -> Result<Project, Fault> {
        self.update_project(id, change).await
    }

    async fn delete_project(&self, id: &ProjectId) -> Result<(), Fault> {
        self.remove_project(id).await
    }

    async fn members(&self, project: &ProjectId) -> Result<Vec<Member>, Fault> {
        self.list_members(project).await
    }

    async fn role(&self, project: &ProjectId, user: &UserId) -> Result<Option<Role>, Fault> {
        self.member_role(project, user).await
    }

    async fn set_member(&self, project: &ProjectId, user: &UserId, role: Role) -> Result<(), Fault> {
        self.put_member(project, user, role).await
    }

    async fn remove_member(&self, project: &ProjectId, user: &UserId) -> Result<(), Fault> {
        self.delete_member(project, user).await
    }

    async fn create_api_key(&self, new: NewApiKey) -> Result<(ApiKey, Secret), Fault> {
        self.insert_key(new).await
    }

    async fn api_keys(&self, project: &ProjectId) -> Result<Vec<ApiKey>, Fault> {
        self.list_keys(project).await
    }

    async fn delete_api_key(&self, project: &ProjectId, id: &ApiKeyId) -> Result<(), Fault> {
        self.remove_key(project, id).await
    }

    async fn authenticate(&self, presented: &PresentedKey) -> Result<Option<ApiKey>, Fault> {
        self.find_key(presented).await
    }
}

fn no_such_user() -> Fault {
    Fault::new(FaultKind::NotFound, "there is no such user")
}

fn no_such_project(id: &ProjectId) -> Fault {
    Fault::new(FaultKind::NotFound, format!("there is no project {:?}", id.as_str()))
}

/// The role of a stored name; what is not known may look only.
fn role_of_column(name: &str) -> Role {
    Role::of_name(name).unwrap_or(Role::Viewer)
}
