"""Direct calls to the real sites, standard library only: what the tests look
at must not come through the program that they test."""

import http.client
import json
import os
import subprocess
import time
import urllib.parse

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
SITES = os.path.join(HERE, "openstack-sites")
PORTS = {"identity": (5000, "/v3"), "image": (9292, "/v2"),
         "compute": (8774, "/v2.1"), "network": (9696, "/v2.0"),
         "placement": (8778, "")}


class Silent(Exception):
    """No answer: the connection was refused, or broke, or time ran out."""


class Reply:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        try:
            self.body = json.loads(text) if text else None
        except ValueError:
            self.body = None

    def __repr__(self):
        return f"{self.status} {self.text[:300]!r}"


class Trouble(Exception):
    """A site cannot be cut off or brought back as it was asked to be."""


class Cloud:
    """One account at one site: its plain user, or with `admin` the operator."""

    def __init__(self, k, admin=False):
        self.k, self.host, self.name = k, f"127.0.1.{k}", f"Zone{k}"
        self.user, self.project = ("admin", "admin") if admin else (
            f"user{k}", "demo")
        self.token = None
        self.project_id = self.user_id = None

    def send(self, method, service, path, body=None, raw=None, headers=None,
             version=None, timeout=60, token=None):
        """The answer, whatever its status; Silent when there is none."""
        port, base = PORTS[service]
        head = dict(headers or {})
        if token or self.token:
            head.setdefault("X-Auth-Token", token or self.token)
        if version:
            head["OpenStack-API-Version"] = f"compute {version}"
        if raw is not None:
            head.setdefault("Content-Type", "application/octet-stream")
        elif body is not None:
            head.setdefault("Content-Type", "application/json")
            raw = json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, port,
                                                timeout=timeout)
        try:
            connection.request(method, base + path, raw, head)
            reply = connection.getresponse()
            return Reply(reply.status, dict(reply.getheaders()), reply.read())
        except (OSError, http.client.HTTPException) as error:
            raise Silent(f"{method} {self.name} {service}{path}: "
                         f"{error!r}") from None
        finally:
            connection.close()

    def call(self, method, service, path, *args, **kwargs):
        """The same, logged in, and a status of 400 or more is an error."""
        if not self.token:
            self.login()
        reply = self.send(method, service, path, *args, **kwargs)
        if reply.status >= 400:
            raise RuntimeError(f"{method} {self.name} {service}{path}: "
                               f"{reply}")
        return reply

    def login(self, methods=None, scope="project"):
        """A fresh token, kept and returned: of the project, of the whole
        system, or (`None`) as the method brings it."""
        domain = {"name": "Default"}
        identity = methods or {"methods": ["password"], "password": {"user": {
            "name": self.user, "domain": domain,
            "password": f"zone{self.k}-secret"}}}
        auth = {"identity": identity}
        if scope == "system":
            auth["scope"] = {"system": {"all": True}}
        elif scope:
            auth["scope"] = {"project": {"name": self.project,
                                         "domain": domain}}
        self.token = None
        reply = self.send("POST", "identity", "/auth/tokens", {"auth": auth})
        if reply.status != 201:
            raise RuntimeError(f"login at {self.name}: {reply}")
        self.token = reply.headers["X-Subject-Token"]
        self.project_id = reply.body["token"].get("project", {}).get("id")
        self.user_id = reply.body["token"]["user"]["id"]
        return self.token

    def named(self, service, path, plural, name):
        """Everything that carries exactly this name."""
        rows = self.call("GET", service, path).body[plural]
        return [row for row in rows if row["name"] == name]

    def one(self, service, path, plural, name):
        rows = self.named(service, path, plural, name)
        if len(rows) != 1:
            raise RuntimeError(f"{len(rows)} {plural} named {name} "
                               f"at {self.name}")
        return rows[0]


def sites(*words):
    """Runs `openstack-sites`, quietly unless it fails."""
    words = [SITES, *map(str, words)]
    ended = subprocess.run(words, capture_output=True, text=True,
                           errors="replace")
    if ended.returncode:
        raise Trouble(f"`openstack-sites {' '.join(words[1:])}` failed:\n"
                      f"{ended.stderr}")


def freeze(k, *services):
    sites("kill-site", k, "hang", *services)


def refuse(k, *services):
    sites("kill-site", k, "refuse", *services)


def heal(k):
    sites("heal-site", k)


def unwell(k):
    """What keeps this site from serving its own users, asked of each service;
    None where all is well."""
    user = Cloud(k)
    try:
        for service, path in (("identity", "/auth/catalog"),
                              ("image", "/images"),
                              ("network", "/networks"),
                              ("compute", "/servers/detail"),
                              ("compute", "/os-keypairs")):
            user.call("GET", service, path, timeout=15)
        if stuck := under_way(user):
            time.sleep(20)
            stuck &= under_way(user)
        if stuck:
            return f"server {min(stuck)[1]} at {user.name} is stuck"
    except (Silent, RuntimeError) as error:
        return str(error)
    status = subprocess.run([SITES, "status"], check=True,
                            capture_output=True, text=True).stdout
    rows = [row.split() for row in status.splitlines()]
    ill = [row[1] for row in rows if row[:1] == [user.name] and row[4] != "ok"]
    return f"{', '.join(ill)} at {user.name} is not well" if ill else None


def under_way(user):
    """The servers that something is being done to, and since when."""
    rows = user.call("GET", "compute", "/servers/detail", timeout=15
                     ).body["servers"]
    return {(row["id"], row["name"], row["OS-EXT-STS:task_state"],
             row["updated"]) for row in rows if row["OS-EXT-STS:task_state"]}


def healed(ks):
    """What was wrong with these sites, each of which is then started anew: a
    service that stops serving by itself says nothing of the program."""
    wrong = {k: what for k in ks if (what := unwell(k))}
    for k in wrong:
        refuse(k)
        heal(k)
    return list(wrong.values())


def until(what, seconds=60, every=0.2):
    """Waits for a condition; its last value, or None when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value or None
        time.sleep(every)


def quote(text):
    return urllib.parse.quote(text, safe="")
