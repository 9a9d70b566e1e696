#!/usr/bin/python3
"""Fills a new site. `catalog K`: its services, endpoints and users, before the
services start. `resources K [cirros]`: flavors, a network and, when asked for,
the image, once they answer. Safe to run again: what is there is left alone.

Names are the same at every site and ids never are, as between operators who
do not know each other: an id that is carried to another site means nothing."""

import hashlib
import json
import sys
import urllib.error
import urllib.request

WHAT, K, *MORE = sys.argv[1:]
HOST = f"127.0.1.{K}"
REGION = f"Zone{K}"
KEYSTONE = f"http://{HOST}:5000/v3"
NOVA = f"http://{HOST}:8774/v2.1"
NEUTRON = f"http://{HOST}:9696/v2.0"
GLANCE = f"http://{HOST}:9292/v2"
SERVICES = [  # user, type, endpoint
    ("glance", "image", f"http://{HOST}:9292"),
    ("placement", "placement", f"http://{HOST}:8778"),
    ("nova", "compute", f"http://{HOST}:8774/v2.1"),
    ("neutron", "network", f"http://{HOST}:9696"),
]
FLAVORS = [  # name, MiB, GiB, vcpus (a disk of 0 is for administrators only)
    ("tiny", 64, 1, 1),
    ("m1.tiny", 512, 1, 1),
    ("m1.small", 2048, 20, 1),
]
# Glance's unified limits: it refuses everything that has no default here.
LIMITS = {"image_size_total": 100000, "image_stage_total": 100000,
          "image_count_total": 10000, "image_count_uploading": 100}

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
token = None


def call(method, url, body=None, ok=(), raw=None):
    data = raw if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json" if raw is None
               else "application/octet-stream"}
    if token:
        headers["X-Auth-Token"] = token
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with opener.open(request, timeout=60) as reply:
            text = reply.read()
            return reply.headers, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        if error.code in ok:
            return error.headers, None
        sys.exit(f"{method} {url}: {error.code} {error.read().decode()}")


def ensure(kind, plural, body, **query):
    """The id of the identity service's thing, made if there is none."""
    query = "&".join(f"{k}={v}" for k, v in query.items())
    found = call("GET", f"{KEYSTONE}/{plural}?{query}")[1][plural]
    if found:
        return found[0]["id"]
    return call("POST", f"{KEYSTONE}/{plural}", {kind: body})[1][kind]["id"]


def login():
    global token
    password = {"user": {"name": "admin", "password": f"zone{K}-secret",
                         "domain": {"name": "Default"}}}
    headers, _ = call("POST", f"{KEYSTONE}/auth/tokens", {"auth": {
        "identity": {"methods": ["password"], "password": password},
        "scope": {"project": {"name": "admin",
                              "domain": {"name": "Default"}}}}})
    token = headers["X-Subject-Token"]


def project(name):
    return ensure("project", "projects",
                  {"name": name, "domain_id": "default"}, name=name)


def catalog():
    roles = {r["name"]: r["id"]
             for r in call("GET", f"{KEYSTONE}/roles")[1]["roles"]}
    if "service" not in roles:
        roles["service"] = call("POST", f"{KEYSTONE}/roles", {
            "role": {"name": "service"}})[1]["role"]["id"]

    def user(name, secret, project_id, *names):
        uid = ensure("user", "users", {"name": name, "password": secret,
                                       "domain_id": "default"}, name=name)
        for role in names:
            call("PUT", f"{KEYSTONE}/projects/{project_id}/users/{uid}"
                        f"/roles/{roles[role]}")
        return uid

    service_project, demo = project("service"), project("demo")
    for name, kind, url in SERVICES:
        uid = user(name, f"zone{K}-service", service_project,
                   "admin", "service")
        sid = ensure("service", "services", {"name": name, "type": kind},
                     name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            ensure("endpoint", "endpoints",
                   {"service_id": sid, "interface": interface, "url": url,
                    "region_id": REGION},
                   service_id=sid, interface=interface)
        if name == "glance":
            # It reads the limits of every project as a reader of the system.
            call("PUT", f"{KEYSTONE}/system/users/{uid}"
                        f"/roles/{roles['reader']}")
            for limit, default in LIMITS.items():
                query = (f"?service_id={sid}&region_id={REGION}"
                         f"&resource_name={limit}")
                if not call("GET", f"{KEYSTONE}/registered_limits{query}"
                            )[1]["registered_limits"]:
                    call("POST", f"{KEYSTONE}/registered_limits", {
                        "registered_limits": [{
                            "service_id": sid, "region_id": REGION,
                            "resource_name": limit,
                            "default_limit": default}]})
    user(f"user{K}", f"zone{K}-secret", demo, "member", "reader")


def resources():
    for name, ram, disk, vcpus in FLAVORS:
        call("POST", f"{NOVA}/flavors", {"flavor": {
            "name": name, "id": f"zone{K}-{name}", "ram": ram, "disk": disk,
            "vcpus": vcpus}}, ok=(409,))
    # The plain user's own, and shared, so that the administrator's servers
    # have exactly one network to choose from as well.
    if not call("GET", f"{NEUTRON}/networks?name=private")[1]["networks"]:
        demo = project("demo")
        net = call("POST", f"{NEUTRON}/networks", {"network": {
            "name": "private", "shared": True, "project_id": demo}})[1]
        call("POST", f"{NEUTRON}/subnets", {"subnet": {
            "name": "private", "network_id": net["network"]["id"],
            "project_id": demo, "ip_version": 4, "cidr": f"10.{K}.0.0/16",
            "enable_dhcp": False}})
    if "cirros" in MORE and not call(
            "GET", f"{GLANCE}/images?name=cirros")[1]["images"]:
        image = call("POST", f"{GLANCE}/images", {
            "name": "cirros", "disk_format": "raw",
            "container_format": "bare", "visibility": "public"})[1]["id"]
        call("PUT", f"{GLANCE}/images/{image}/file", raw=content())


def content():
    """1 MiB that differs from site to site and is the same in every run."""
    return b"".join(hashlib.sha512(f"{REGION} {n}".encode()).digest()
                    for n in range(1 << 14))


login()
catalog() if WHAT == "catalog" else resources()
