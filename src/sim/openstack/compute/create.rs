//! Creating servers: what is asked of the other services before one is accepted.
//!
//! Everything that can be refused is refused here, before anything is made; a server with no host to go to is
//! accepted and breaks afterwards, which is a different thing for a client.

use serde_json::{Value, json};

use super::flavor::Flavor;
use super::server::{Next, Server, named, only};
use super::version::Version;
use super::{Request, bad, error, links, policy, quota, refused};
use crate::sim::openstack::State;
use crate::sim::openstack::network::Wanted;
use crate::sim::openstack::wire::{Answer, Object, Reply, count, flag, strings, text, wrapped};

/// A network interface, as asked for.
enum Nic {
    Network(String, Option<String>),
    Port(String),
}

fn allowed(key: &str, version: Version) -> bool {
    match key {
        "name"
        | "imageRef"
        | "flavorRef"
        | "adminPass"
        | "metadata"
        | "networks"
        | "OS-DCF:diskConfig"
        | "accessIPv4"
        | "accessIPv6"
        | "key_name"
        | "config_drive"
        | "user_data"
        | "availability_zone"
        | "block_device_mapping"
        | "block_device_mapping_v2"
        | "min_count"
        | "max_count"
        | "return_reservation_id"
        | "security_groups" => true,
        "personality" => version < Version(57),
        "description" => version >= Version(19),
        "tags" => version >= Version(52),
        "trusted_image_certificates" => version >= Version(63),
        "host" | "hypervisor_hostname" => version >= Version(74),
        "hostname" => version >= Version(90),
        _ => false,
    }
}

pub(super) fn create(state: &mut State, request: &Request) -> Answer {
    let (call, who, version) = (request.call, request.who, request.version);
    let body = call.json().map_err(bad)?;
    let given = wrapped(&body, "server").map_err(bad)?;
    only(given, |key| allowed(key, version), "server")?;
    let name = named(text(given, "name").map_err(bad)?.ok_or_else(|| missing("name"))?)?;
    let flavor_ref = match given.get("flavorRef") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err(missing("flavorRef")),
    };
    // Clients send a link as well as an id.
    let flavor_ref = flavor_ref.rsplit('/').next().unwrap_or_default();
    let metadata = super::part::texts(given.get("metadata"), "metadata")?;
    let limit = state.compute.limits.metadata_items;
    if limit >= 0 && metadata.len() as i64 > limit {
        return Err(error(403, "Maximum number of metadata items exceeds quota"));
    }
    let tags = strings(given, "tags").map_err(bad)?.unwrap_or_default();
    super::part::check_tags(&tags)?;
    let user_data = text(given, "user_data").map_err(bad)?;
    if let Some(data) = user_data {
        use base64::Engine;
        if base64::engine::general_purpose::STANDARD.decode(data).is_err() {
            let message =
                format!("Invalid input for field/attribute user_data. Value: {data}. '{data}' is not a 'base64'");
            return Err(refused(&message));
        }
    }
    let least = count(given, "min_count").map_err(bad)?.unwrap_or(1);
    let most = count(given, "max_count").map_err(bad)?.unwrap_or(least);
    if least == 0 || least > most {
        return Err(refused("min_count must be <= max_count"));
    }
    let key_name = text(given, "key_name").map_err(bad)?;
    if let Some(key) = key_name
        && state.compute.keypairs.get(&who.user).is_none_or(|own| !own.contains_key(key))
    {
        return Err(refused("Invalid key_name provided."));
    }
    let (image, volume) = boot_source(given)?;
    let flavor = state.compute.flavors.get(flavor_ref).filter(|flavor| flavor.visible_to(who)).cloned();
    let flavor = flavor.ok_or_else(|| refused(&format!("Flavor {flavor_ref} could not be found.")))?;
    if let Some(image) = &image {
        check_image(state, request, image, &flavor, volume)?;
    }
    let zone = text(given, "availability_zone").map_err(bad)?.unwrap_or("nova");
    let (zone, forced) = zone.split_once(':').map_or((zone, None), |(zone, host)| (zone, Some(host)));
    if zone != "nova" {
        return Err(refused("The requested availability zone is not available"));
    }
    let forced = forced.or(text(given, "host").map_err(bad)?).or(text(given, "hypervisor_hostname").map_err(bad)?);
    if forced.is_some() && !who.admin {
        return Err(policy("servers:create:forced_host"));
    }
    if let Some(host) = forced.filter(|host| !state.compute.hosts.iter().any(|known| known.spec.name == *host)) {
        return Err(refused(&format!("Compute host {host} could not be found.")));
    }
    let group = hinted_group(state, request, &body)?;
    let groups = security_groups(state, request, given)?;
    let nics = nics(state, request, given)?;
    let room = quota::room(state, request, &flavor, most);
    let number = match room {
        Ok(()) => most,
        Err(refused) if most == least => return Err(refused),
        Err(_) => {
            quota::room(state, request, &flavor, least)?;
            least
        }
    };
    let networked = nics.iter().filter(|nic| matches!(nic, Nic::Network(..))).count() * number as usize;
    if !state.network.room_for("ports", &who.project, networked) {
        return Err(error(403, "Maximum number of ports exceeded"));
    }
    if number > 1 && nics.iter().any(|nic| matches!(nic, Nic::Port(_))) {
        return Err(refused(
            "Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one with different ports.",
        ));
    }
    let reservation = format!("r-{}", &state.ids.hex()[..8]);
    let password = match text(given, "adminPass").map_err(bad)? {
        Some(password) => password.to_string(),
        None => state.ids.hex()[..12].to_string(),
    };
    let mut first = None;
    for place in 0..number {
        let id = state.ids.uuid();
        let host = match forced {
            Some(host) => Some(host.to_string()),
            None => state.compute.host_for(&flavor, None),
        };
        let ready = call.now + state.compute.timings.build;
        let next = match (&host, volume) {
            (Some(_), false) => Next::Status("ACTIVE"),
            (Some(_), true) => Next::Broken(format!(
                "Build of instance {id} aborted: publicURL endpoint for block-storage service not found"
            )),
            (None, _) => Next::Broken("No valid host was found. There are not enough hosts available.".into()),
        };
        let mut server = Server {
            name: if number > 1 { format!("{name}-{}", place + 1) } else { name.clone() },
            description: text(given, "description").map_err(bad)?.map(str::to_string),
            hostname: text(given, "hostname").map_err(bad)?.map(str::to_string).unwrap_or_else(|| hostname(&name)),
            user: who.user.clone(),
            project: who.project.clone(),
            image: image.clone().filter(|_| !volume),
            flavor: flavor.clone(),
            created: call.now,
            updated: call.now,
            launched: None,
            status: "BUILD",
            task: Some("spawning"),
            due: Some((ready, next)),
            fault: None,
            metadata: metadata.clone(),
            tags: tags.clone(),
            key_name: key_name.map(str::to_string),
            user_data: user_data.map(str::to_string),
            config_drive: flag(given, "config_drive").map_err(bad)?.unwrap_or(false),
            zone: zone.to_string(),
            ports: Vec::new(),
            security_groups: Vec::new(),
            group: group.clone(),
            locked: None,
            reservation: reservation.clone(),
            access: (String::new(), String::new()),
            resized_from: None,
            actions: Vec::new(),
            host,
            id,
        };
        if server.host.is_some() {
            plug(state, request, &mut server, &nics, &groups)?;
        }
        server.record(request, "create", None);
        if let Some(group) = group.as_ref().and_then(|group| state.compute.groups.get_mut(group)) {
            group.members.push(server.id.clone());
        }
        first.get_or_insert_with(|| server.id.clone());
        state.compute.servers.insert(server.id.clone(), server);
    }
    super::settle(state, call.now);
    if flag(given, "return_reservation_id").map_err(bad)?.unwrap_or(false) {
        return Ok(Reply::json(202, json!({"reservation_id": reservation})));
    }
    let id = first.unwrap_or_default();
    let mut shown = json!({
        "id": id, "links": links(call, "servers", &id), "OS-DCF:diskConfig": "MANUAL", "adminPass": password,
    });
    let names: Vec<Value> = groups.iter().map(|(name, _)| json!({"name": name})).collect();
    shown["security_groups"] = json!(if names.is_empty() { vec![json!({"name": "default"})] } else { names });
    let location = format!("{}/compute/v2.1/servers/{id}", call.base);
    Ok(Reply::json(202, json!({"server": shown})).header("location", location))
}

fn missing(what: &str) -> Reply {
    refused(&format!("Invalid input for field/attribute server. '{what}' is a required property"))
}

fn hostname(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    plain.trim_matches('-').chars().take(63).collect()
}

/// The image, and whether it is to become a volume (which this site has no service for).
fn boot_source(given: &Object) -> Result<(Option<String>, bool), Reply> {
    let named = text(given, "imageRef").map_err(bad)?.filter(|image| !image.is_empty());
    let mut image = named.map(|image| image.rsplit('/').next().unwrap_or_default().to_string());
    let mut volume = false;
    let devices = given.get("block_device_mapping_v2").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for device in devices.iter().filter(|device| device["boot_index"] == 0 || device["boot_index"] == "0") {
        volume |= device["destination_type"] == "volume";
        if device["source_type"] == "image" {
            image = image.or_else(|| device["uuid"].as_str().map(str::to_string));
        }
    }
    volume |= given.get("block_device_mapping").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    match &image {
        Some(id) if uuid::Uuid::parse_str(id).is_err() => Err(refused("Invalid imageRef provided.")),
        None if !volume => Err(refused("Missing imageRef attribute")),
        _ => Ok((image, volume)),
    }
}

fn check_image(state: &State, request: &Request, id: &str, flavor: &Flavor, volume: bool) -> Result<(), Reply> {
    let image = state.images.bootable(id, request.who).ok_or_else(|| refused("Can not find requested image"))?;
    if !image.active || !image.has_data {
        return Err(refused(&format!("Image {id} is not active.")));
    }
    if image.min_ram > flavor.ram {
        return Err(refused("Flavor's memory is too small for requested image."));
    }
    if volume {
        return Ok(());
    }
    if flavor.disk == 0 && !request.who.admin {
        return Err(error(403, "Only volume-backed servers are allowed for flavors with zero disk."));
    }
    let (room, least) = (flavor.disk << 30, image.min_disk << 30);
    if flavor.disk > 0 && image.size > room {
        let size = image.size;
        let message = format!(
            "Flavor's disk is too small for requested image. Flavor disk is {room} bytes, image is {size} bytes."
        );
        return Err(refused(&message));
    }
    if flavor.disk > 0 && least > room {
        let message = format!(
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {room} bytes, \
             minimum size is {least} bytes."
        );
        return Err(refused(&message));
    }
    Ok(())
}

fn hinted_group(state: &State, request: &Request, body: &Value) -> Result<Option<String>, Reply> {
    let hints = body.get("os:scheduler_hints").or_else(|| body.get("OS-SCH-HNT:scheduler_hints"));
    let Some(group) = hints.and_then(|hints| hints.get("group")).filter(|group| !group.is_null()) else {
        return Ok(None);
    };
    let id = group.as_str().filter(|id| uuid::Uuid::parse_str(id).is_ok());
    let id = id.ok_or_else(|| {
        refused(&format!("Invalid input for field/attribute group. Value: {group}. {group} is not a 'uuid'"))
    })?;
    let known = state.compute.groups.get(id).filter(|group| request.who.admin || group.project == request.who.project);
    let known = known.ok_or_else(|| refused(&format!("Instance group {id} could not be found.")))?;
    let limit = state.compute.limits.server_group_members;
    if limit >= 0 && known.members.len() as i64 >= limit {
        return Err(error(403, "Quota exceeded, too many servers in group"));
    }
    Ok(Some(id.to_string()))
}

/// Name and id of each.
fn security_groups(state: &mut State, request: &Request, given: &Object) -> Result<Vec<(String, String)>, Reply> {
    let State { network, ids, .. } = state;
    let list = match given.get("security_groups") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(refused("Invalid input for field/attribute security_groups.")),
    };
    let mut groups = Vec::new();
    for one in list {
        let name = one["name"].as_str().ok_or_else(|| refused("Invalid input for field/attribute security_groups."))?;
        let id = network.group(name, request.who, request.call.now, ids);
        let id = id
            .ok_or_else(|| refused(&format!("Security group {name} not found for project {}.", request.who.project)))?;
        groups.push((name.to_string(), id));
    }
    Ok(groups)
}

fn nics(state: &State, request: &Request, given: &Object) -> Result<Vec<Nic>, Reply> {
    let who = request.who;
    let explicit = request.version >= Version(37);
    let usable = |required: bool| match &state.network.usable(who)[..] {
        [] if required => {
            Err(refused(&format!("Unable to automatically allocate a network for project {}", who.project)))
        }
        [] => Ok(Vec::new()),
        [one] => Ok(vec![Nic::Network(one.clone(), None)]),
        _ => Err(error(
            409,
            "More than one possible network found. Specify network ID(s) to select which one(s) to connect to.",
        )),
    };
    let list = match given.get("networks") {
        None | Some(Value::Null) if explicit => return Err(missing("networks")),
        None | Some(Value::Null) => return usable(false),
        Some(Value::String(word)) if explicit && word == "none" => return Ok(Vec::new()),
        Some(Value::String(word)) if explicit && word == "auto" => return usable(true),
        Some(Value::Array(list)) if list.is_empty() => return usable(false),
        Some(Value::Array(list)) => list,
        Some(other) => {
            return Err(refused(&format!(
                "Invalid input for field/attribute networks. Value: {other}. {other} is not valid under any of the given schemas"
            )));
        }
    };
    let mut nics = Vec::new();
    for one in list {
        if let Some(port) = one["port"].as_str() {
            let known =
                state.network.port(port, who).ok_or_else(|| refused(&format!("Port id {port} could not be found.")))?;
            if known["device_id"].as_str().is_some_and(|device| !device.is_empty()) {
                return Err(error(409, &format!("Port {port} is still in use.")));
            }
            nics.push(Nic::Port(port.to_string()));
            continue;
        }
        let network =
            one["uuid"].as_str().ok_or_else(|| refused("Bad networks format: network uuid is not in proper format"))?;
        if !state.network.has_network(network, who) {
            return Err(refused(&format!("Network {network} could not be found.")));
        }
        if !state.network.has_subnet(network) {
            return Err(refused(&format!("Network {network} requires a subnet in order to boot instances on.")));
        }
        nics.push(Nic::Network(network.to_string(), one["fixed_ip"].as_str().map(str::to_string)));
    }
    Ok(nics)
}

/// Makes the ports. A refusal of the network service breaks the server, as it does in life.
fn plug(
    state: &mut State,
    request: &Request,
    server: &mut Server,
    nics: &[Nic],
    groups: &[(String, String)],
) -> Result<(), Reply> {
    let State { network, ids, .. } = state;
    for nic in nics {
        let wanted = Wanted {
            network: if let Nic::Network(id, _) = nic { id.clone() } else { String::new() },
            fixed_ip: if let Nic::Network(_, address) = nic { address.clone() } else { None },
            security_groups: (!groups.is_empty()).then(|| groups.iter().map(|(_, id)| id.clone()).collect()),
            device: server.id.clone(),
            zone: server.zone.clone(),
            host: server.host.clone().unwrap_or_default(),
        };
        match nic {
            Nic::Port(id) => {
                network.bind_port(id, &wanted, request.call.now);
                server.ports.push((id.clone(), false));
            }
            Nic::Network(..) => match network.make_port(&wanted, request.who, request.call.now, ids) {
                Ok(id) => server.ports.push((id, true)),
                Err(_) => {
                    let why = format!(
                        "Build of instance {} aborted: Failed to allocate the network(s), not rescheduling.",
                        server.id
                    );
                    let at = server.due.as_ref().map_or(request.call.now, |(at, _)| *at);
                    server.due = Some((at, Next::Broken(why)));
                    break;
                }
            },
        }
    }
    let named = server.ports.iter().flat_map(|(port, _)| network.groups_of_port(port));
    for name in named {
        if !server.security_groups.contains(&name) {
            server.security_groups.push(name);
        }
    }
    Ok(())
}
