#!/usr/bin/env python3
"""Runs the real `openstack` client against simulated sites on loopback.

What a client that nobody here wrote accepts is right. Each step below is a command as an operator types it and what
must be true of its answer; the first one that is not ends the run. The client (python-openstackclient from PyPI) is
installed into a virtual environment once: in $EDGE_CLIENT_VENV, or beside the build in target/.

usage: tests/real/openstack-client.py

EDGE names the program whose `edge sim` serves the sites (default: target/debug/edge of this repository, built first).
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = pathlib.Path(os.environ.get("EDGE_CLIENT_VENV", ROOT / "target" / "openstack-client"))
SCENARIO = """
defaults: {timings: {build: 300ms, delete: 100ms, action: 200ms}}
sites:
  Zone1: {hosts: [{name: host1}, {name: host2}], networks: [{name: private}, {name: public, external: true}]}
  Zone2: {}
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me"


def program():
    if "EDGE" in os.environ:
        return os.environ["EDGE"]
    subprocess.run(["cargo", "build", "--quiet", "--bin", "edge"], cwd=ROOT, check=True)
    return str(ROOT / "target" / "debug" / "edge")


def install():
    if not (VENV / "bin" / "openstack").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", "python-openstackclient"], check=True)


class Client:
    """The command line tool, at one cloud of a clouds.yaml."""

    def __init__(self, clouds, cloud):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OS_") and not k.lower().endswith("_proxy")}
        self.environment = dict(environment, OS_CLIENT_CONFIG_FILE=str(clouds), OS_CLOUD=cloud)
        self.cloud = cloud

    def __call__(self, *words, shown=True, fails=None):
        """The answer to a command, read as JSON where it shows something; `fails` is a part of the expected error."""
        command = [str(VENV / "bin" / "openstack"), *map(str, words)]
        if shown and fails is None:
            command += ["-f", "json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        line = f"{self.cloud}: openstack {' '.join(map(str, words))}"
        if fails is not None:
            check(done.returncode != 0 and fails in done.stderr, f"{line}: expected `{fails}`, got `{done.stderr.strip()}`")
            return None
        check(done.returncode == 0, f"{line}: {done.stderr.strip()}")
        print("ok", line, flush=True)
        COUNT[0] += 1
        return json.loads(done.stdout) if shown and done.stdout.strip() else None


COUNT = [0]


def check(true, message):
    if not true:
        sys.exit(f"FAILED {message}")


def names(rows):
    return sorted(row.get("Name", row.get("name")) for row in rows)


def identity(run):
    token = run("token", "issue")
    check(token["project_id"], "a token names its project")
    check({"compute", "image", "network"} <= {row["Type"] for row in run("catalog", "list")}, "catalog list")
    check(run("project", "show", "demo")["name"] == "demo", "project show")
    run("project", "create", "--description", "d", "p1")
    run("user", "create", "--project", "p1", "--password", "pw", "u1")
    run("role", "add", "--user", "u1", "--project", "p1", "member", shown=False)
    check(len(run("role", "assignment", "list", "--user", "u1", "--project", "p1")) == 1, "role assignment list")
    check({"p1", "demo", "admin"} <= set(names(run("project", "list"))), "project list")
    check("u1" in names(run("user", "list")), "user list")
    run("user", "set", "--description", "x", "u1", shown=False)
    check(run("user", "show", "u1")["description"] == "x", "user show")
    check({"admin", "member"} <= set(names(run("role", "list"))), "role list")
    check(run("domain", "list")[0]["Name"] == "Default", "domain list")
    check(len(run("region", "list")) == 1 and len(run("service", "list")) == 5, "region and service list")
    check(len(run("endpoint", "list")) == 15, "endpoint list")
    credential = run("application", "credential", "create", "c1")
    check(credential["Secret"], "a secret is told once")
    check(names(run("application", "credential", "list")) == ["c1"], "application credential list")
    run("application", "credential", "delete", "c1", shown=False)
    run("role", "remove", "--user", "u1", "--project", "p1", "member", shown=False)
    run("user", "delete", "u1", shown=False)
    run("project", "delete", "p1", shown=False)
    run("project", "show", "p1", fails="No Project found")


def image(run, folder):
    data = folder / "disk.raw"
    data.write_bytes(bytes(range(256)) * 2000)
    made = run("image", "create", "--file", data, "--disk-format", "raw", "--tag", "t1", "--property", "colour=red",
               "--min-disk", "1", "my-image")
    check(made["status"] == "active" or run("image", "show", "my-image")["status"] == "active", "image create")
    shown = run("image", "show", "my-image")
    check(shown["size"] == 512000 and shown["tags"] == ["t1"] and shown["properties"]["colour"] == "red", "image show")
    check(names(run("image", "list")) == ["cirros", "my-image"], "image list")
    check(names(run("image", "list", "--name", "cirros", "--long")) == ["cirros"], "image list --name")
    check(names(run("image", "list", "--tag", "t1", "--sort", "name:asc", "--limit", "1")) == ["my-image"], "image list --tag")
    check(names(run("image", "list", "--property", "colour=red")) == ["my-image"], "image list --property")
    run("image", "set", "--name", "renamed", "--property", "size_class=small", "--public", "my-image", shown=False)
    check(run("image", "show", "renamed")["visibility"] == "public", "image set")
    run("image", "unset", "--property", "colour", "renamed", shown=False)
    check("colour" not in run("image", "show", "renamed")["properties"], "image unset")
    run("image", "save", "--file", folder / "back.raw", "renamed", shown=False)
    check((folder / "back.raw").read_bytes() == data.read_bytes(), "image save gives back the bytes")
    run("image", "set", "--protected", "renamed", shown=False)
    run("image", "delete", "renamed", shown=False, fails="protected")
    run("image", "set", "--unprotected", "renamed", shown=False)
    run("image", "set", "--deactivate", "renamed", shown=False)
    run("image", "set", "--activate", "renamed", shown=False)
    run("image", "set", "--shared", "renamed", shown=False)
    project = run("project", "show", "demo")["id"]
    run("image", "add", "project", "renamed", project)
    check(len(run("image", "member", "list", "renamed")) == 1, "image member list")
    run("image", "remove", "project", "renamed", project, shown=False)
    run("image", "delete", "renamed", shown=False)
    run("image", "show", "renamed", fails="No Image found")


def flavor(run):
    check({"m1.small", "m1.tiny", "tiny"} == set(names(run("flavor", "list"))), "flavor list")
    run("flavor", "create", "--ram", "128", "--disk", "1", "--vcpus", "2", "--description", "d", "--property", "a:b=c",
        "--id", "77", "big")
    shown = run("flavor", "show", "big")
    check(shown["vcpus"] == 2 and shown["properties"] == {"a:b": "c"}, "flavor show")
    run("flavor", "set", "--property", "x=y", "big", shown=False)
    run("flavor", "unset", "--property", "x", "big", shown=False)
    check(len(run("flavor", "list", "--long", "--limit", "2")) == 2, "flavor list --limit")
    run("flavor", "create", "--ram", "128", "--id", "78", "big", fails="already exists")
    run("flavor", "delete", "big", shown=False)
    run("flavor", "show", "big", fails="No Flavor found")


def network(run):
    check(names(run("network", "list")) == ["private", "public"], "network list")
    check(names(run("network", "list", "--external")) == ["public"], "network list --external")
    run("network", "create", "--description", "d", "--tag", "blue", "n1")
    shown = run("network", "show", "n1")
    check(shown["tags"] == ["blue"] and shown["description"] == "d", "network show")
    run("network", "set", "--name", "n2", "--no-tag", "n1", shown=False)
    check(names(run("network", "list", "--name", "n2")) == ["n2"], "network list --name")
    subnet = run("subnet", "create", "--network", "n2", "--subnet-range", "10.50.0.0/24", "--dns-nameserver", "9.9.9.9",
                 "--allocation-pool", "start=10.50.0.10,end=10.50.0.20", "s1")
    check(subnet["gateway_ip"] == "10.50.0.1", "subnet create")
    check(names(run("subnet", "list", "--network", "n2")) == ["s1"], "subnet list")
    run("subnet", "set", "--name", "s2", "s1", shown=False)
    check(run("subnet", "show", "s2")["cidr"] == "10.50.0.0/24", "subnet show")
    group = run("security", "group", "create", "--description", "web servers", "web")
    check(len(group["rules"]) == 2, "security group create")
    rule = run("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "80:90", "--remote-ip", "0.0.0.0/0", "web")
    check(rule["port_range_max"] == 90, "security group rule create")
    check(len(run("security", "group", "rule", "list", "web")) == 3, "security group rule list")
    run("security", "group", "rule", "show", rule["id"])
    run("security", "group", "rule", "delete", rule["id"], shown=False)
    check({"default", "web"} <= set(names(run("security", "group", "list"))), "security group list")
    run("security", "group", "set", "--name", "www", "web", shown=False)
    run("security", "group", "show", "www")
    port = run("port", "create", "--network", "n2", "--fixed-ip", "subnet=s2,ip-address=10.50.0.15", "--security-group", "www", "p1")
    check(port["fixed_ips"][0]["ip_address"] == "10.50.0.15", "port create")
    check(names(run("port", "list", "--network", "n2")) == ["p1"], "port list")
    check(names(run("port", "list", "--fixed-ip", "ip-address=10.50.0.15")) == ["p1"], "port list --fixed-ip")
    run("port", "set", "--name", "p2", "--description", "x", "p1", shown=False)
    check(run("port", "show", "p2")["description"] == "x", "port show")
    run("network", "delete", "n2", shown=False, fails="n2")
    run("security", "group", "delete", "www", shown=False, fails="in use")
    run("port", "delete", "p2", shown=False)
    run("router", "create", "r1")
    run("router", "set", "--external-gateway", "public", "r1", shown=False)
    run("router", "add", "subnet", "r1", "s2", shown=False)
    check(run("router", "show", "r1")["interfaces_info"][0]["ip_address"] == "10.50.0.1", "router show")
    check(names(run("router", "list")) == ["r1"], "router list")
    run("router", "delete", "r1", shown=False, fails="r1")
    run("router", "remove", "subnet", "r1", "s2", shown=False)
    run("router", "unset", "--external-gateway", "r1", shown=False)
    run("router", "delete", "r1", shown=False)
    run("security", "group", "delete", "www", shown=False)
    run("subnet", "delete", "s2", shown=False)
    run("network", "delete", "n2", shown=False)
    check("router" in {row["Alias"] for row in run("extension", "list", "--network")}, "extension list")


def compute(run, folder):
    public = folder / "key.pub"
    public.write_text(KEY)
    key = run("keypair", "create", "--public-key", public, "k1")
    check(key["fingerprint"].count(":") == 15, "keypair create")
    run("keypair", "create", "--private-key", folder / "key", "k2")
    check(names(run("keypair", "list")) == ["k1", "k2"], "keypair list")
    check(run("keypair", "show", "k1")["user_id"], "keypair show")
    group = run("server", "group", "create", "--policy", "soft-anti-affinity", "--os-compute-api-version", "2.64", "g1")
    check(names(run("server", "group", "list")) == ["g1"], "server group list")
    run("server", "group", "show", "g1")
    server = run("server", "create", "--flavor", "tiny", "--image", "cirros", "--network", "private", "--key-name", "k1",
                 "--property", "role=web", "--hint", f"group={group['id']}", "--security-group", "default", "--wait", "vm1")
    check(server["status"] == "ACTIVE" and "private" in server["addresses"], "server create --wait")
    run("server", "create", "--os-compute-api-version", "2.90", "--flavor", "m1.tiny", "--image", "cirros", "--nic", "none",
        "--tag", "blue", "--description", "d", "--hostname", "h", "--wait", "vm2")
    check(names(run("server", "list")) == ["vm1", "vm2"], "server list")
    check(names(run("server", "list", "--name", "^vm1$", "--long")) == ["vm1"], "server list --name")
    check(names(run("server", "list", "--status", "ACTIVE", "--flavor", "tiny", "--image", "cirros")) == ["vm1"], "filters")
    check(names(run("server", "list", "--os-compute-api-version", "2.26", "--tags", "blue")) == ["vm2"], "server list --tags")
    check(names(run("server", "list", "--all-projects", "-n")) == ["vm1", "vm2"], "all projects")
    for version in ["2.1", "2.30", "2.53", "2.72", "2.93"]:
        shown = run("server", "show", "--os-compute-api-version", version, "vm1")
        check(shown["name"] == "vm1" and shown["properties"] == {"role": "web"}, f"server show at {version}")
    run("server", "set", "--name", "vm3", "--property", "a=b", "--description", "new", "--os-compute-api-version", "2.30", "vm2", shown=False)
    run("server", "unset", "--property", "a", "vm3", shown=False)
    for verb in ["stop", "start", "pause", "unpause", "suspend", "resume"]:
        run("server", verb, "vm1", shown=False)
        wanted = {"stop": "SHUTOFF", "pause": "PAUSED", "suspend": "SUSPENDED"}.get(verb, "ACTIVE")
        wait(lambda: (run("server", "show", "vm1")["status"], wanted), verb)
    run("server", "reboot", "--wait", "vm1", shown=False)
    run("server", "lock", "vm1", shown=False)
    run("server", "unlock", "vm1", shown=False)
    run("server", "resize", "--flavor", "m1.tiny", "--wait", "vm1", shown=False)
    run("server", "resize", "confirm", "vm1", shown=False)
    wait(lambda: (run("server", "show", "vm1")["status"], "ACTIVE"), "resize confirm")
    run("server", "rebuild", "--image", "cirros", "--wait", "vm1", shown=False)
    snapshot = run("server", "image", "create", "--name", "snap", "vm1")
    check(snapshot["name"] == "snap", "server image create")
    run("image", "delete", "snap", shown=False)
    run("console", "log", "show", "vm1", shown=False)
    run("port", "create", "--network", "private", "extra")
    run("server", "add", "port", "vm3", "extra", shown=False)
    run("server", "remove", "port", "vm3", "extra", shown=False)
    run("server", "add", "network", "vm3", "private", shown=False)
    run("server", "remove", "network", "vm3", "private", shown=False)
    run("server", "add", "security", "group", "vm1", "default", shown=False)
    check(len(run("server", "event", "list", "vm1")) > 3, "server event list")
    run("server", "volume", "list", "vm1")
    run("server", "create", "--flavor", "nosuch", "--image", "cirros", "x", fails="No Flavor found")
    run("server", "delete", "--wait", "vm1", shown=False)
    run("server", "delete", "--wait", "vm3", shown=False)
    check(run("server", "list") == [], "server list is empty")
    run("port", "delete", "extra", shown=False)
    check(run("port", "list") == [], "ports went with their servers")
    run("server", "group", "delete", "g1", shown=False)
    run("keypair", "delete", "k1", "k2", shown=False)
    check(run("limits", "show", "--absolute"), "limits show")
    check(run("quota", "show", "--compute"), "quota show")
    check(run("quota", "show", "--network"), "quota show --network")
    project = run("project", "show", "demo")["id"]
    run("quota", "set", "--instances", "3", "--ports", "7", project, shown=False)
    run("availability", "zone", "list", "--compute")
    check([row["Hypervisor Hostname"] for row in run("hypervisor", "list")] == ["host1", "host2"], "hypervisor list")
    run("hypervisor", "show", "host1")
    check(len(run("compute", "service", "list")) == 2, "compute service list")
    run("versions", "show")


def wait(states, verb):
    for _ in range(20):
        is_now, wanted = states()
        if is_now == wanted:
            return
    sys.exit(f"FAILED server {verb}: still {is_now}")


def other_site(run):
    check(names(run("image", "list")) == ["cirros"] and run("server", "list") == [], "the second site is another one")


def main():
    install()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "scenario.yaml").write_text(SCENARIO)
        command = [program(), "sim", str(folder / "scenario.yaml"), "--clouds", str(folder / "clouds.yaml")]
        sites = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            for line in sites.stderr:
                if line.startswith("serving"):
                    break
            zone1 = Client(folder / "clouds.yaml", "Zone1")
            identity(zone1)
            image(zone1, folder)
            flavor(zone1)
            network(zone1)
            compute(zone1, folder)
            other_site(Client(folder / "clouds.yaml", "Zone2"))
        finally:
            sites.send_signal(signal.SIGINT)
            sites.wait(timeout=30)
    print(f"openstack client: {COUNT[0]} passed, 0 failed")


main()
