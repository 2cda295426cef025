//! Security: who may log in, and what each user may do then.

mod secure_actions;
mod secure_before_login;
mod secure_changes;
mod secure_commands;
mod secure_component;
mod secure_delegation;
mod secure_identity;
mod secure_kept;
mod secure_names;
mod secure_profiles;
mod secure_profiles_choice;
mod secure_profiles_permissions;
mod secure_provider;
mod secure_providers;
mod secure_reach;
mod secure_revocations;
mod secure_start;
mod secure_tokens;
mod secure_web;
mod secure_wildcards;
mod secure_writers;
