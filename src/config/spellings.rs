//! The many spellings of one value in clouds.yaml, brought to one, in openstacksdk's order of precedence.

use super::yaml::Map;

/// `endpoint_type` is `interface`, and any `.._timeout` is `api_timeout`.
pub(super) fn rename_endings(config: &mut Map) {
    let timeout = config.iter().rfind(|(k, _)| k.ends_with("timeout") && *k != "timeout" && *k != "api_timeout");
    if let Some((_, value)) = timeout.map(|(k, v)| (k.clone(), v.clone())) {
        config.insert("api_timeout".into(), value);
    }
    *config = std::mem::take(config)
        .into_iter()
        .map(|(key, value)| match key.strip_suffix("endpoint_type") {
            Some(prefix) => (format!("{prefix}interface"), value),
            None => (key, value),
        })
        .collect();
}

/// Values beside `auth` win over those in it: variables and command lines put them there.
pub(super) fn beside_wins(config: &mut Map, auth: &mut Map) {
    let spellings: [(&str, &[&str]); 10] = [
        ("domain_id", &["domain_id"]),
        ("domain_name", &["domain_name"]),
        ("user_domain_id", &["user_domain_id"]),
        ("user_domain_name", &["user_domain_name"]),
        ("project_domain_id", &["project_domain_id"]),
        ("project_domain_name", &["project_domain_name"]),
        ("token", &["auth_token", "token"]),
        ("passcode", &["passcode"]),
        ("project_id", &["tenant_id", "project_id"]),
        ("project_name", &["tenant_name", "project_name"]),
    ];
    for (target, spellings) in spellings {
        let mut value = None;
        for spelling in spellings {
            for map in [&mut *auth, &mut *config] {
                value = map.shift_remove(*spelling).filter(|v| !v.is_null()).or(value);
            }
        }
        if let Some(value) = value.filter(|v| v.scalar().is_none_or(|s| !s.is_empty())) {
            auth.insert(target.into(), value);
        }
    }
}

/// A domain said once is the user's and the project's; without a project it is the scope.
pub(super) fn domains(config: &mut Map, auth: &mut Map) {
    let scoped = auth.contains_key("project_id") || auth.contains_key("project_name");
    if !scoped {
        return;
    }
    for (domain, users, projects) in [
        ("domain_id", "user_domain_id", "project_domain_id"),
        ("domain_name", "user_domain_name", "project_domain_name"),
    ] {
        config.shift_remove(domain);
        if let Some(value) = auth.shift_remove(domain) {
            for key in [users, projects] {
                auth.entry(key.into()).or_insert_with(|| value.clone());
            }
        }
    }
}

/// What may also stand beside `auth`, by type.
pub(super) fn options(kind: &str) -> &'static [&'static str] {
    match kind {
        "none" => &["endpoint"],
        "http_basic" => &["endpoint", "username", "password"],
        "admin_token" => &["endpoint", "token"],
        _ => &[
            "auth_url",
            "system_scope",
            "domain_id",
            "domain_name",
            "project_id",
            "project_name",
            "project_domain_id",
            "project_domain_name",
            "trust_id",
            "default_domain_id",
            "default_domain_name",
            "user_id",
            "username",
            "user_domain_id",
            "user_domain_name",
            "password",
            "token",
            "passcode",
            "application_credential_id",
            "application_credential_name",
            "application_credential_secret",
        ],
    }
}
