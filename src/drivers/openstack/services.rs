//! The names of OpenStack's services: the official types (service-types.openstack.org) and what catalogs call them too.

/// Official type, then its other names, the newer first.
const ALIASES: &[(&str, &[&str])] = &[
    ("alarm", &["alarming"]),
    ("application-container", &["container"]),
    ("baremetal", &["bare-metal"]),
    ("block-storage", &["volumev3", "volumev2", "volume", "block-store"]),
    ("clustering", &["resource-cluster", "cluster"]),
    ("container-infrastructure-management", &["container-infrastructure", "container-infra"]),
    ("event", &["events"]),
    ("instance-ha", &["ha"]),
    ("message", &["messaging"]),
    ("meter", &["metering", "telemetry"]),
    ("operator-policy", &["policy"]),
    ("resource-optimization", &["infra-optim"]),
    ("root-cause-analysis", &["rca"]),
    ("shared-file-system", &["sharev2", "share"]),
    ("workflow", &["workflowv2"]),
];

/// `block-storage` for `volumev3`; what is not known is its own name.
pub fn official(kind: &str) -> &str {
    ALIASES.iter().find(|(name, others)| *name == kind || others.contains(&kind)).map_or(kind, |(name, _)| name)
}

/// All names of a service: the one asked for, the official one, the others.
pub fn names(kind: &str) -> Vec<&str> {
    let official = official(kind);
    let others = ALIASES.iter().find(|(name, _)| *name == official).map_or(&[][..], |(_, others)| others);
    let mut names = vec![kind];
    names.extend(std::iter::once(official).chain(others.iter().copied()).filter(|n| *n != kind));
    names
}

/// How the header that asks for a microversion names the service.
pub fn in_version_header(kind: &str) -> &str {
    match official(kind) {
        "block-storage" => "volume",
        "container-infrastructure-management" => "container-infra",
        other => other,
    }
}

/// The header that came before `OpenStack-API-Version`, which older sites still want.
pub fn older_version_header(kind: &str) -> Option<&'static str> {
    match official(kind) {
        "compute" => Some("x-openstack-nova-api-version"),
        "baremetal" => Some("x-openstack-ironic-api-version"),
        "shared-file-system" => Some("x-openstack-manila-api-version"),
        _ => None,
    }
}
