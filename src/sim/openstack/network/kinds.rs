//! What a network, subnet, port, router, security group and rule are made of: one table, as Neutron has it.
//!
//! The table says which attributes a client may give when it creates or changes a resource, what stands there when
//! it says nothing, and which of them only administrators see. Everything that is the same for all kinds (lists,
//! filters, validation, revisions) is read off it.

use serde_json::{Value, json};

pub(super) struct Kind {
    /// As in paths.
    pub path: &'static str,
    /// As in bodies.
    pub plural: &'static str,
    pub singular: &'static str,
    /// As in the names of errors.
    pub name: &'static str,
    pub attributes: &'static [Attribute],
}

pub(super) struct Attribute {
    pub name: &'static str,
    pub form: Form,
    pub given: Given,
    pub preset: Preset,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Text,
    /// Text, or nothing.
    Maybe,
    Bool,
    Int,
    MaybeInt,
    List,
    /// An object, or nothing.
    Object,
}

/// When a client may set it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Given {
    Never,
    Created,
    Always,
    /// By administrators, who alone see it.
    Admin,
}

#[derive(Clone, Copy)]
pub(super) enum Preset {
    Required,
    /// Worked out by the kind's own rules.
    Later,
    Null,
    Empty,
    Yes,
    No,
    Nothing,
    Text(&'static str),
    Int(i64),
}

impl Preset {
    pub fn value(self) -> Value {
        match self {
            Preset::Required | Preset::Later | Preset::Null => Value::Null,
            Preset::Empty => json!(""),
            Preset::Yes => json!(true),
            Preset::No => json!(false),
            Preset::Nothing => json!([]),
            Preset::Text(text) => json!(text),
            Preset::Int(number) => json!(number),
        }
    }
}

const fn a(name: &'static str, form: Form, given: Given, preset: Preset) -> Attribute {
    Attribute { name, form, given, preset }
}

use self::Form::*;
use self::Given::*;
use self::Preset::{Empty, Later, No, Nothing, Null, Required, Yes};

pub(super) const KINDS: &[Kind] = &[NETWORK, SUBNET, PORT, ROUTER, GROUP, RULE];

const NETWORK: Kind = Kind {
    path: "networks",
    plural: "networks",
    singular: "network",
    name: "Network",
    attributes: &[
        a("id", Text, Never, Later),
        a("name", Text, Always, Empty),
        a("tenant_id", Text, Created, Later),
        a("project_id", Text, Created, Later),
        a("admin_state_up", Bool, Always, Yes),
        a("mtu", Int, Always, Preset::Int(1450)),
        a("status", Text, Never, Preset::Text("ACTIVE")),
        a("subnets", List, Never, Nothing),
        a("shared", Bool, Always, No),
        a("is_default", Bool, Always, No),
        a("availability_zone_hints", List, Created, Nothing),
        a("availability_zones", List, Never, Nothing),
        a("ipv4_address_scope", Maybe, Never, Null),
        a("ipv6_address_scope", Maybe, Never, Null),
        a("router:external", Bool, Always, No),
        a("description", Text, Always, Empty),
        a("port_security_enabled", Bool, Always, Yes),
        a("qos_policy_id", Maybe, Always, Null),
        a("dns_domain", Text, Always, Empty),
        a("provider:network_type", Text, Admin, Preset::Text("vxlan")),
        a("provider:physical_network", Maybe, Admin, Null),
        a("provider:segmentation_id", MaybeInt, Admin, Later),
    ],
};

const SUBNET: Kind = Kind {
    path: "subnets",
    plural: "subnets",
    singular: "subnet",
    name: "Subnet",
    attributes: &[
        a("id", Text, Never, Later),
        a("name", Text, Always, Empty),
        a("tenant_id", Text, Created, Later),
        a("project_id", Text, Created, Later),
        a("network_id", Text, Created, Required),
        a("ip_version", Int, Created, Required),
        a("cidr", Text, Created, Later),
        a("gateway_ip", Maybe, Always, Later),
        a("allocation_pools", List, Always, Later),
        a("dns_nameservers", List, Always, Nothing),
        a("host_routes", List, Always, Nothing),
        a("enable_dhcp", Bool, Always, Yes),
        a("ipv6_address_mode", Maybe, Created, Null),
        a("ipv6_ra_mode", Maybe, Created, Null),
        a("subnetpool_id", Maybe, Created, Null),
        a("use_default_subnetpool", Bool, Created, No),
        a("segment_id", Maybe, Created, Null),
        a("service_types", List, Always, Nothing),
        a("description", Text, Always, Empty),
    ],
};

const PORT: Kind = Kind {
    path: "ports",
    plural: "ports",
    singular: "port",
    name: "Port",
    attributes: &[
        a("id", Text, Never, Later),
        a("name", Text, Always, Empty),
        a("tenant_id", Text, Created, Later),
        a("project_id", Text, Created, Later),
        a("network_id", Text, Created, Required),
        a("admin_state_up", Bool, Always, Yes),
        a("mac_address", Text, Always, Later),
        a("fixed_ips", List, Always, Later),
        a("device_id", Text, Always, Empty),
        a("device_owner", Text, Always, Empty),
        a("status", Text, Never, Preset::Text("DOWN")),
        a("security_groups", List, Always, Later),
        a("port_security_enabled", Bool, Always, Yes),
        a("allowed_address_pairs", List, Always, Nothing),
        a("extra_dhcp_opts", List, Always, Nothing),
        a("description", Text, Always, Empty),
        a("qos_policy_id", Maybe, Always, Null),
        a("binding:vnic_type", Text, Always, Preset::Text("normal")),
        a("binding:host_id", Text, Admin, Empty),
        a("binding:profile", Object, Admin, Later),
        a("binding:vif_type", Text, Admin, Preset::Text("unbound")),
        a("binding:vif_details", Object, Admin, Later),
        a("dns_name", Text, Always, Empty),
        a("dns_assignment", List, Never, Nothing),
        a("propagate_uplink_status", Bool, Created, Yes),
        a("numa_affinity_policy", Maybe, Always, Null),
    ],
};

const ROUTER: Kind = Kind {
    path: "routers",
    plural: "routers",
    singular: "router",
    name: "Router",
    attributes: &[
        a("id", Text, Never, Later),
        a("name", Text, Always, Empty),
        a("tenant_id", Text, Created, Later),
        a("project_id", Text, Created, Later),
        a("admin_state_up", Bool, Always, Yes),
        a("status", Text, Never, Preset::Text("ACTIVE")),
        a("external_gateway_info", Object, Always, Null),
        a("routes", List, Always, Nothing),
        a("distributed", Bool, Admin, No),
        a("ha", Bool, Admin, No),
        a("flavor_id", Maybe, Created, Null),
        a("availability_zone_hints", List, Created, Nothing),
        a("availability_zones", List, Never, Nothing),
        a("description", Text, Always, Empty),
    ],
};

const GROUP: Kind = Kind {
    path: "security-groups",
    plural: "security_groups",
    singular: "security_group",
    name: "SecurityGroup",
    attributes: &[
        a("id", Text, Never, Later),
        a("name", Text, Always, Empty),
        a("tenant_id", Text, Created, Later),
        a("project_id", Text, Created, Later),
        a("description", Text, Always, Empty),
        a("stateful", Bool, Always, Yes),
        a("shared", Bool, Never, No),
        a("security_group_rules", List, Never, Nothing),
    ],
};

const RULE: Kind = Kind {
    path: "security-group-rules",
    plural: "security_group_rules",
    singular: "security_group_rule",
    name: "SecurityGroupRule",
    attributes: &[
        a("id", Text, Never, Later),
        a("tenant_id", Text, Created, Later),
        a("project_id", Text, Created, Later),
        a("security_group_id", Text, Created, Required),
        a("direction", Text, Created, Required),
        a("ethertype", Text, Created, Preset::Text("IPv4")),
        a("protocol", Maybe, Created, Null),
        a("port_range_min", MaybeInt, Created, Null),
        a("port_range_max", MaybeInt, Created, Null),
        a("remote_ip_prefix", Maybe, Created, Null),
        a("remote_group_id", Maybe, Created, Null),
        a("remote_address_group_id", Maybe, Created, Null),
        a("normalized_cidr", Maybe, Never, Null),
        a("description", Maybe, Always, Empty),
    ],
};

impl Kind {
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Standard attributes that every kind has besides its own.
    pub fn knows(&self, name: &str) -> bool {
        self.attribute(name).is_some() || ["created_at", "updated_at", "revision_number", "tags"].contains(&name)
    }
}
