#!/usr/bin/python3
"""tickets.py [K] [--only WORD] [--long]: tries, on the running site K, what
docs/tickets.md says about closing a request that was sent and not answered,
and prints it as a table. Fails when something that Edge relies on is not so.

Every trial is the same story: a request is on its way and cannot get on (its
service or one that it needs is frozen), the ticket is destroyed and that is
acknowledged, the site thaws; then we look for what the request made.
`--long` adds the waits that take minutes. Everything made is removed again."""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "lib"))
from cloud import Cloud, Silent, freeze, heal, refuse, until  # noqa: E402

TRIALS = []          # (operation, ticket, function, takes minutes)


def trial(operation, ticket, long=False):
    def register(function):
        TRIALS.append((operation, ticket, function, long))
        return function
    return register


class Site:
    """The site under trial, and what the trials made there."""

    def __init__(self, k):
        self.k, self.user, self.cleanup = k, Cloud(k), []
        self.user.login()
        self.call = self.user.call
        self.flavor = self.user.one("compute", "/flavors", "flavors",
                                    "tiny")["id"]
        self.network = self.user.one("network", "/networks", "networks",
                                     "private")["id"]
        self.image = self.call("POST", "image", "/images", {
            "name": "ticket-trial", "disk_format": "raw",
            "container_format": "bare"}).body["id"]
        self.remove("image", f"/images/{self.image}")
        self.call("PUT", "image", f"/images/{self.image}/file", raw=b"x" * 999)

    def remove(self, service, path):
        self.cleanup.append((service, path))

    def clear(self, *keep):
        """Servers go first: they hold ports and groups."""
        for server in self.call("GET", "compute", "/servers").body["servers"]:
            if server["name"].startswith("ticket-"):
                path = f"/servers/{server['id']}"
                self.user.send("DELETE", "compute", path)
                until(lambda: self.user.send("GET", "compute", path
                                             ).status == 404)
        while self.cleanup:
            service, path = self.cleanup.pop()
            if path in keep:
                continue
            self.user.send("DELETE", service, path)
        for path in keep:
            self.remove("image", path)

    # ---- servers

    def server(self, marker, networks="auto", group=None):
        body = {"server": {"name": f"ticket-{marker}", "tags": [marker],
                           "flavorRef": self.flavor, "imageRef": self.image,
                           "networks": networks}}
        if group:
            body["os:scheduler_hints"] = {"group": group}
        return "POST", "compute", "/servers", body

    def servers(self, marker):
        """The probe: what carries the marker, as the site lists it."""
        return self.call("GET", "compute", f"/servers/detail?tags={marker}",
                         version="2.52").body["servers"]

    def group(self, name):
        made = self.call("POST", "compute", "/os-server-groups", {
            "server_group": {"name": name, "policies": ["anti-affinity"]}})
        path = f"/os-server-groups/{made.body['server_group']['id']}"
        self.remove("compute", path)
        return made.body["server_group"]["id"], path

    def port(self, name):
        made = self.call("POST", "network", "/ports", {"port": {
            "name": name, "network_id": self.network}})
        path = f"/ports/{made.body['port']['id']}"
        self.remove("network", path)
        return made.body["port"]["id"], path

    # ---- a credential of one attempt

    def credential(self):
        """A token that dies with its application credential, and its path."""
        made = self.call(
            "POST", "identity",
            f"/users/{self.user.user_id}/application_credentials",
            {"application_credential": {"name": f"ticket-{uuid.uuid4()}"}}
        ).body["application_credential"]
        path = (f"/users/{self.user.user_id}/application_credentials/"
                f"{made['id']}")
        self.remove("identity", path)
        other = Cloud(self.k)
        token = other.login({"methods": ["application_credential"],
                             "application_credential": {
                                 "id": made["id"], "secret": made["secret"]}},
                            scope=None)
        return token, path


class Late:
    """A request under way in its own thread; `.end()` is how it ended."""

    def __init__(self, site, request, give_up=None, **options):
        self.reply = None
        options.setdefault("version", "2.52")
        options["timeout"] = give_up or 120

        def run():
            try:
                self.reply = site.user.send(*request, **options)
            except Silent:
                self.reply = None
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        if give_up:
            self.thread.join()
        else:
            time.sleep(1.5)          # until it waits for what is frozen

    def end(self):
        self.thread.join(130)
        if self.reply is None:
            return "no answer"
        return f"{self.reply.status}{reason(self.reply)}"


def reason(reply):
    if reply.status < 400:
        return ""
    body = reply.body
    if isinstance(body, dict):
        inner = next(iter(body.values()))
        text = inner.get("message", "") if isinstance(inner, dict) else inner
    else:
        text = reply.text.decode(errors="replace").split("\n\n")[1]
    return f" `{text.strip()[:70]}`"


def seen(rows):
    if not rows:
        return "nothing"
    return ", ".join(r.get("status") or r["name"] for r in rows)


def settled(site, marker, seconds=15):
    """What is there when nothing moves any more: watched to the end, since
    what is looked for may come late."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rows = site.servers(marker)
        if rows and all(r["status"] != "BUILD" for r in rows):
            break
        time.sleep(0.3)
    return site.servers(marker)


def name():
    return "t" + uuid.uuid4().hex[:10]


# ------------------------------------------------------------- Nova, server

@trial("server.create", "server group as scheduler hint")
def group_before(site):
    "group deleted, then POST"
    m = name()
    group, path = site.group(m)
    site.call("DELETE", "compute", path)
    late = Late(site, site.server(m, group=group))
    end = late.end()
    return end, end.startswith("400") and not site.servers(m)


@trial("server.create", "server group as scheduler hint")
def group_waiting(site):
    "POST waits inside Nova for a frozen Glance, group deleted, thaw"
    m = name()
    group, path = site.group(m)
    freeze(site.k, "glance")
    try:
        late = Late(site, site.server(m, group=group))
        gone = site.call("DELETE", "compute", path).status
        before = seen(site.servers(m))
    finally:
        heal(site.k)
    end = late.end()
    rows = settled(site, m, 5)
    return (f"delete {gone} at once; POST then {end}; probe {before}, "
            f"later {seen(rows)}"), end.startswith("400") and not rows


@trial("server.create", "server group as scheduler hint")
def group_frozen(site):
    "POST to a frozen nova-api, given up after 2 s; thaw; group deleted"
    m = name()
    group, path = site.group(m)
    freeze(site.k, "nova-api")
    try:
        Late(site, site.server(m, group=group), give_up=2)
    finally:
        heal(site.k)
    began = time.monotonic()
    site.call("DELETE", "compute", path)
    acknowledged = time.monotonic() - began
    first = site.servers(m)
    rows = settled(site, m)
    # Either way the probe after the deletion tells the truth.
    return (f"deleted {acknowledged:.1f} s after the thaw; probe {seen(first)}"
            f", later {seen(rows)}"), len(first) == len(rows)


@trial("server.create", "server group as scheduler hint")
def group_past_check(site):
    "POST past the check, held at its database insert; group deleted; let go"
    m = name()
    group, path = site.group(m)
    with inserts_held(site.k):
        late = Late(site, site.server(m, group=group))
        gone = site.call("DELETE", "compute", path).status
        before_rows = site.servers(m)
        before = seen(before_rows)
    end = late.end()
    rows = settled(site, m)
    # Nova enters the server in the group after its record is in the database:
    # either a probe after the deletion sees the record, or that step fails.
    return (f"delete {gone}; probe {before}; POST then {end}; later "
            f"{seen(rows)}"), len(before_rows) == len(rows)


@trial("server.create", "port")
def port_before(site):
    "port deleted, then POST"
    m = name()
    port, path = site.port(m)
    site.call("DELETE", "network", path)
    late = Late(site, site.server(m, networks=[{"port": port}]))
    end = late.end()
    return end, end.startswith("400") and not site.servers(m)


@trial("server.create", "port")
def port_frozen(site):
    "POST to a frozen nova-api, given up after 2 s; port deleted at Neutron; thaw"
    m = name()
    port, path = site.port(m)
    freeze(site.k, "nova-api")
    try:
        Late(site, site.server(m, networks=[{"port": port}]), give_up=2)
        gone = site.call("DELETE", "network", path).status
    finally:
        heal(site.k)
    rows = settled(site, m, 6)
    return f"delete {gone} while frozen; after the thaw {seen(rows)}", not rows


@trial("server.create", "port")
def port_past_check(site):
    "POST past the check, held at its database insert; port deleted; let go"
    m = name()
    port, path = site.port(m)
    with inserts_held(site.k):
        late = Late(site, site.server(m, networks=[{"port": port}]))
        gone = site.call("DELETE", "network", path).status
        before = seen(site.servers(m))
    end = late.end()
    rows = settled(site, m, 30)
    return (f"delete {gone}; probe {before}; POST then {end}; later "
            f"{seen(rows)}"), not any(r["status"] == "ACTIVE" for r in rows)


@trial("server.create", "none")
def server_frozen(site):
    "POST to a frozen nova-api, given up after 2 s; thaw 30 s later"
    return frozen_for(site, 30)


@trial("server.create", "none", long=True)
def server_frozen_long(site):
    "the same, thawed after 5 min"
    return frozen_for(site, 300)


def frozen_for(site, seconds):
    m = name()
    freeze(site.k, "nova-api")
    try:
        Late(site, site.server(m), give_up=2)
        time.sleep(seconds)
    finally:
        heal(site.k)
    first = site.servers(m)
    began = time.monotonic()
    rows = settled(site, m, 30)
    took = time.monotonic() - began
    return (f"first probe after the thaw {seen(first)}, then {seen(rows)} "
            f"({took:.1f} s)"), len(rows) == 1


@trial("server.create", "none")
def server_killed(site):
    "POST to a frozen nova-api, given up; processes killed; started again"
    m = name()
    freeze(site.k, "nova-api")
    try:
        Late(site, site.server(m), give_up=2)
        refuse(site.k, "nova-api")
    finally:
        heal(site.k)
    rows = settled(site, m, 6)
    return f"afterwards {seen(rows)}", True


@trial("server.create", "credential, fresh")
def credential_fresh(site):
    "POST to a frozen nova-api with a token not used before; its credential deleted; thaw"
    m = name()
    token, path = site.credential()
    freeze(site.k, "nova-api")
    try:
        Late(site, site.server(m), give_up=2, token=token)
        site.call("DELETE", "identity", path)
    finally:
        heal(site.k)
    rows = settled(site, m, 8)
    return f"after the thaw {seen(rows)}", not rows


@trial("server.create", "none", long=True)
def group_quota(site):
    "server groups that one project may have"
    made, reply = 0, None
    while made < 50:
        reply = site.user.send("POST", "compute", "/os-server-groups", {
            "server_group": {"name": "ticket", "policies": ["affinity"]}})
        if reply.status >= 400:
            break
        made += 1
        site.remove("compute",
                    f"/os-server-groups/{reply.body['server_group']['id']}")
    return f"{made}, then {reply.status}{reason(reply)}", made >= 1


class inserts_held:
    """Nobody can add a build request at the site (reading goes on): where a
    POST waits that has passed every check. The database itself ends such a
    wait after 50 s."""

    def __init__(self, k):
        home = os.environ.get("OPENSTACK_SITES_HOME", "/tmp/openstack-sites")
        self.command = ["mariadb", "--no-defaults", "-uroot", "-n", "-N", "-B",
                        "-S", f"{home}/db/mysqld.sock", f"nova_api_{k}"]

    def __enter__(self):
        self.client = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.client.stdin.write(
            b"BEGIN; SELECT count(*) FROM build_requests WHERE id >= "
            b"(SELECT coalesce(max(id), 0) FROM build_requests) FOR UPDATE;\n")
        self.client.stdin.flush()
        self.client.stdout.readline()

    def __exit__(self, *_):
        self.client.stdin.write(b"ROLLBACK;\n")
        self.client.stdin.close()
        self.client.wait()


# ------------------------------------------------------------ Glance, image

def image(chosen):
    return "POST", "image", "/images", {
        "id": chosen, "name": "ticket-image", "disk_format": "raw",
        "container_format": "bare"}


def burn(site, chosen):
    """Uses the id up: made here or by the late request, then deleted."""
    made = site.user.send(*image(chosen)).status
    gone = site.call("DELETE", "image", f"/images/{chosen}").status
    return made, gone


@trial("image.create", "chosen id, made and deleted")
def id_burnt(site):
    "made, deleted, then POST"
    chosen = str(uuid.uuid4())
    burn(site, chosen)
    end = Late(site, image(chosen)).end()
    return end, end.startswith("409")


@trial("image.create", "chosen id, made and deleted")
def id_arriving(site):
    "POST whose last bytes arrive only after the id was used up"
    chosen, rest = str(uuid.uuid4()), threading.Event()
    method, service, path, body = image(chosen)
    text = json.dumps(body).encode()

    def slowly():
        yield text[:20]
        rest.wait(30)
        yield text[20:]
    late = Late(site, (method, service, path), raw=slowly(), headers={
        "Content-Type": "application/json", "Content-Length": str(len(text))})
    made, gone = burn(site, chosen)
    rest.set()
    end = late.end()
    found = site.user.send("GET", "image", f"/images/{chosen}").status
    return (f"POST {made}, DELETE {gone}; the late POST then {end}; "
            f"probe {found}"), end.startswith("409") and found == 404


@trial("image.create", "chosen id, made and deleted")
def id_frozen(site):
    "POST to a frozen Glance, given up after 2 s; thaw; id used up at once"
    chosen = str(uuid.uuid4())
    freeze(site.k, "glance")
    try:
        Late(site, image(chosen), give_up=2)
    finally:
        heal(site.k)
    made, gone = burn(site, chosen)
    time.sleep(3)
    found = site.user.send("GET", "image", f"/images/{chosen}").status
    return (f"POST {made}, DELETE {gone}; 3 s later {found}",
            gone == 204 and found == 404)


@trial("image.create, data", "chosen id, made and deleted")
def data_under_way(site):
    "image deleted while its data is being sent"
    chosen = str(uuid.uuid4())
    site.call(*image(chosen))
    rest = threading.Event()

    def data():
        yield b"a" * 65536
        rest.wait(30)
        yield b"b" * 65536
    late = Late(site, ("PUT", "image", f"/images/{chosen}/file"), raw=data(),
                headers={"Content-Length": "131072"})
    status = site.call("GET", "image", f"/images/{chosen}").body["status"]
    gone = site.user.send("DELETE", "image", f"/images/{chosen}").status
    rest.set()
    end = late.end()
    found = site.user.send("GET", "image", f"/images/{chosen}").status
    home = os.environ.get("OPENSTACK_SITES_HOME", "/tmp/openstack-sites")
    left = os.path.exists(f"{home}/site{site.k}/glance/images/{chosen}")
    return (f"status {status}; DELETE {gone}; PUT then {end}; image {found}; "
            f"data left behind: {'yes' if left else 'no'}",
            gone == 204 and found == 404 and not left)


@trial("image.create, data", "chosen id, made and deleted")
def data_frozen(site):
    "PUT of data to a frozen Glance, given up; image deleted after the thaw"
    chosen = str(uuid.uuid4())
    site.call(*image(chosen))
    freeze(site.k, "glance")
    try:
        Late(site, ("PUT", "image", f"/images/{chosen}/file"), give_up=2,
             raw=b"a" * 4096)
    finally:
        heal(site.k)
    status = site.call("GET", "image", f"/images/{chosen}").body["status"]
    gone = site.user.send("DELETE", "image", f"/images/{chosen}").status
    time.sleep(3)
    found = site.user.send("GET", "image", f"/images/{chosen}").status
    return (f"first probe {status}; DELETE {gone}; 3 s later {found}",
            gone == 204 and found == 404)


# ------------------------------------------------- Keystone, its credentials

SERVICES = {"identity": "/auth/projects", "image": "/images?limit=1",
            "compute": "/servers?limit=1", "network": "/networks?limit=1"}


@trial("any", "credential, fresh")
def credential_unseen(site):
    "credential deleted, then its token is used for the first time"
    token, path = site.credential()
    site.call("DELETE", "identity", path)
    got = {s: site.user.send("GET", s, p, token=token).status
           for s, p in SERVICES.items()}
    # Keystone itself says 404, for the credential it cannot find any more.
    return ", ".join(f"{s} {c}" for s, c in got.items()), all(
        c == (404 if s == "identity" else 401) for s, c in got.items())


@trial("any", "credential, used before")
def credential_seen(site):
    "credential deleted, its token used again after 10 s"
    return cached(site, 10)


@trial("any", "credential, used before", long=True)
def credential_seen_long(site):
    "the same, until every service refuses it"
    return cached(site, 400)


def cached(site, seconds):
    token, path = site.credential()
    for s, p in SERVICES.items():
        site.user.send("GET", s, p, token=token)
    began = time.monotonic()
    site.call("DELETE", "identity", path)
    refused = {}
    while len(refused) < len(SERVICES) and time.monotonic() - began < seconds:
        for s, p in SERVICES.items():
            if s not in refused:
                status = site.user.send("GET", s, p, token=token).status
                if status >= 400:
                    refused[s] = (f"{status} after "
                                  f"{time.monotonic() - began:.0f} s")
        time.sleep(1)
    return ", ".join(f"{s} {refused.get(s, 'accepts it')}"
                     for s in SERVICES), True


@trial("any", "credential that expires")
def credential_expires(site):
    "an application credential with expires_at in 30 s: its token's own end"
    soon = time.strftime("%Y-%m-%dT%H:%M:%S.000000",
                         time.gmtime(time.time() + 30))
    made = site.call(
        "POST", "identity",
        f"/users/{site.user.user_id}/application_credentials",
        {"application_credential": {"name": f"ticket-{uuid.uuid4()}",
                                    "expires_at": soon}}
    ).body["application_credential"]
    site.remove("identity", f"/users/{site.user.user_id}"
                            f"/application_credentials/{made['id']}")
    reply = Cloud(site.k).send("POST", "identity", "/auth/tokens", {"auth": {
        "identity": {"methods": ["application_credential"],
                     "application_credential": {
                         "id": made["id"], "secret": made["secret"]}}}})
    token = reply.headers["X-Subject-Token"]
    for s, p in SERVICES.items():
        site.user.send("GET", s, p, token=token)
    time.sleep(32)
    got = {s: site.user.send("GET", s, p, token=token).status
           for s, p in SERVICES.items()}
    return (f"expires_at {soon[11:19]}, token's {reply.body['token']['expires_at'][11:19]}; "
            "2 s after: " + ", ".join(f"{s} {c}" for s, c in got.items())), True


# ------------------------------------------------------------------ Neutron

def things(site, plural, marker):
    return site.call("GET", "network",
                     f"/{plural}?description={marker}").body[
                         plural.replace("-", "_")]


@trial("network, subnet, port, security_group", "chosen id")
def neutron_ids(site):
    "POST with an id of ours"
    chosen, got = str(uuid.uuid4()), []
    for kind, plural, more in (
            ("network", "networks", {}),
            ("subnet", "subnets", {"network_id": site.network,
                                   "ip_version": 4, "cidr": "10.99.0.0/24"}),
            ("port", "ports", {"network_id": site.network}),
            ("security_group", "security-groups", {"name": "ticket"})):
        reply = site.user.send("POST", "network", f"/{plural}",
                               {kind: {"id": chosen, **more}})
        got.append(f"{kind} {reply.status}")
    return ", ".join(got), all(g.endswith("400") for g in got)


@trial("network.create", "none")
def network_frozen(site):
    "POST to a frozen Neutron, given up after 2 s; thaw"
    m = name()
    freeze(site.k, "neutron")
    try:
        Late(site, ("POST", "network", "/networks", {"network": {
            "name": "ticket-net", "description": m}}), give_up=2)
    finally:
        heal(site.k)
    first = things(site, "networks", m)
    rows = until(lambda: things(site, "networks", m), 10) or []
    for row in rows:
        site.remove("network", f"/networks/{row['id']}")
    return (f"first probe after the thaw {seen(first)}, then {seen(rows)}",
            len(rows) == 1)


@trial("network.create", "credential, fresh")
def network_credential(site):
    "the same with a token not used before; its credential deleted; thaw"
    m = name()
    token, path = site.credential()
    freeze(site.k, "neutron")
    try:
        Late(site, ("POST", "network", "/networks", {"network": {
            "name": "ticket-net", "description": m}}), give_up=2, token=token)
        site.call("DELETE", "identity", path)
    finally:
        heal(site.k)
    time.sleep(4)
    rows = things(site, "networks", m)
    for row in rows:
        site.remove("network", f"/networks/{row['id']}")
    return f"after the thaw {seen(rows)}", not rows


@trial("subnet.create, port.create", "the network, if this run made it")
def network_gone(site):
    "network deleted, then POST of a subnet and of a port"
    net = site.call("POST", "network", "/networks", {"network": {
        "name": "ticket-net"}}).body["network"]["id"]
    site.call("DELETE", "network", f"/networks/{net}")
    got = [Late(site, ("POST", "network", "/subnets", {"subnet": {
               "network_id": net, "ip_version": 4,
               "cidr": "10.98.0.0/24"}})).end(),
           Late(site, ("POST", "network", "/ports", {"port": {
               "network_id": net}})).end()]
    return "; ".join(got), all(g.startswith("404") for g in got)


@trial("port.create", "an empty security group")
def port_group_gone(site):
    "group deleted, then POST of a port that names it"
    group = site.call("POST", "network", "/security-groups", {
        "security_group": {"name": "ticket"}}).body["security_group"]["id"]
    site.call("DELETE", "network", f"/security-groups/{group}")
    end = Late(site, ("POST", "network", "/ports", {"port": {
        "network_id": site.network, "security_groups": [group]}})).end()
    return end, end.startswith("404")


# --------------------------------------------------------- keypair and flavor

KEY = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5Yl7b8Yp0hG4a0i3m2uJ2rYV1s0Yj0m"
       "1Qm4m3oX1gA")


@trial("keypair.create", "none; its name is unique")
def keypair_frozen(site):
    "POST to a frozen nova-api, given up; thaw; POST again; DELETE; probe"
    m = name()
    request = ("POST", "compute", "/os-keypairs", {"keypair": {
        "name": m, "public_key": KEY}})
    site.remove("compute", f"/os-keypairs/{m}")
    freeze(site.k, "nova-api")
    try:
        Late(site, request, give_up=2, version="2.2")
    finally:
        heal(site.k)
    again = Late(site, request, version="2.2").end()
    gone = site.user.send("DELETE", "compute", f"/os-keypairs/{m}",
                          version="2.2").status
    time.sleep(2)
    found = site.user.send("GET", "compute", f"/os-keypairs/{m}").status
    reuse = Late(site, request, version="2.2").end()
    return (f"again {again}; DELETE {gone}; 2 s later {found}; the name is "
            f"free again: {reuse}"), reuse.startswith("201")


@trial("keypair.create", "credential, fresh")
def keypair_credential(site):
    "the same with a token not used before; its credential deleted; thaw"
    found = keypair_by(site, used=False)
    return f"after the thaw {found}", found == 404


@trial("keypair.create", "credential, used before")
def keypair_credential_used(site):
    "the same with a token that Nova has seen before"
    found = keypair_by(site, used=True)
    # Accepted from Nova's cache: no ticket. (A server needs more services
    # than Nova, each with a cache of its own, so it may fail by luck.)
    return f"after the thaw {found}: carried out", found == 200


def keypair_by(site, used):
    m = name()
    token, path = site.credential()
    if used:
        site.user.send("GET", "compute", "/os-keypairs", token=token)
    site.remove("compute", f"/os-keypairs/{m}")
    freeze(site.k, "nova-api")
    try:
        Late(site, ("POST", "compute", "/os-keypairs", {"keypair": {
            "name": m, "public_key": KEY}}), give_up=2, version="2.2",
            token=token)
        site.call("DELETE", "identity", path)
    finally:
        heal(site.k)
    time.sleep(3)
    return site.user.send("GET", "compute", f"/os-keypairs/{m}").status


@trial("flavor.create", "chosen id, made and deleted")
def flavor_id(site):
    "made, deleted, then POST (as administrator)"
    admin, chosen = Cloud(site.k, admin=True), name()
    body = {"flavor": {"name": f"ticket-{chosen}", "id": chosen, "ram": 64,
                       "disk": 1, "vcpus": 1}}
    admin.call("POST", "compute", "/flavors", body)
    admin.call("DELETE", "compute", f"/flavors/{chosen}")
    end = admin.send("POST", "compute", "/flavors", body).status
    admin.send("DELETE", "compute", f"/flavors/{chosen}")
    return f"{end}: the id is free again, no ticket", end == 200


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("site", nargs="?", type=int, default=1)
    ask.add_argument("--only", default="", help="trials whose name has this")
    ask.add_argument("--long", action="store_true")
    asked = ask.parse_args()
    site, failed, ran = Site(asked.site), 0, 0
    keep = f"/images/{site.image}"
    print("| operation | ticket | trial | seen | as relied on |")
    print("|---|---|---|---|---|")
    try:
        for operation, ticket, function, long in TRIALS:
            if asked.only not in function.__name__ or long and not asked.long:
                continue
            try:
                text, holds = function(site)
            except Exception as error:      # the next trial is still worth it
                text, holds = f"{type(error).__name__}: {error}", False
                heal(site.k)
            ran, failed = ran + 1, failed + (not holds)
            print(f"| {operation} | {ticket} | {function.__doc__} | {text} | "
                  f"{'yes' if holds else 'NO'} |", flush=True)
            site.clear(keep)
    finally:
        site.clear()
    print(f"\n{ran - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
