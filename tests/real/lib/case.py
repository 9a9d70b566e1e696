"""One case: a folder with `case.yaml`, whose steps prepare the three sites,
run `edge` as a user would, and then look at the sites directly. README.md has
the words. Whatever a case did to the sites is undone at its end."""

import copy
import glob
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import time

import yaml

import cluster
from cloud import HERE, Cloud, Silent, freeze, heal, refuse, until
from proxy import Proxy
from quota import quota

ROOT = os.path.dirname(os.path.dirname(HERE))
HOME = os.environ.get("OPENSTACK_SITES_HOME", "/tmp/openstack-sites")
SITES = {"Zone1": 1, "Zone2": 2, "Zone3": 3}
CLUSTERS = {"K1": 1, "K2": 2}
LOGS = ("keystone", "glance", "nova-api", "neutron")
SETTLE = 0.5       # a service logs a request a little after its answer
REQUEST = re.compile(r"\b(GET|HEAD|POST|PUT|PATCH|DELETE) (/[^\s?]*)")
# What a site asks itself, at any moment: whether it is alive, and (its services
# of its identity service) whether a token is good. Edge asks neither.
OWN = [("GET", "/"), ("GET", "/v3/auth/tokens"), ("HEAD", "/v3/auth/tokens")]


class Wrong(Exception):
    """The case does not hold; the text says what was seen instead."""


class Case:
    def __init__(self, folder, edge):
        self.folder, self.edge_path = folder, edge
        with open(os.path.join(folder, "case.yaml")) as text:
            self.text = yaml.safe_load(text)
        self.users = {name: Cloud(k) for name, k in SITES.items()}
        self.faulty, self.quotas, self.proxies = set(), set(), []
        self.output = ""

    def run(self):
        self.place = tempfile.mkdtemp(prefix="edge-real-")
        try:
            self.tidy()
            self.write_files()
            for step in self.text["steps"]:
                self.step(step)
        finally:
            self.mend()
            self.tidy()
            shutil.rmtree(self.place)

    def step(self, step):
        for word in ("edge", "hang", "refuse", "heal", "quota", "intercept",
                     "image", "expect", "object"):
            if word in step:
                return getattr(self, word)(step[word], step)
        raise Wrong(f"no such step: {step}")

    # ------------------------------------------------- before and afterwards

    def write_files(self):
        for name in os.listdir(self.folder):
            if name != "case.yaml":
                shutil.copy(os.path.join(self.folder, name), self.place)
        for name in self.text.get("from", []):
            shutil.copytree(os.path.join(ROOT, name), self.place,
                            dirs_exist_ok=True)
        for name, size in self.text.get("files", {}).items():
            with open(os.path.join(self.place, name), "wb") as file:
                file.write(content(name, size))
        self.write_clouds()

    def write_clouds(self):
        clouds = {name: {
            "region_name": name, "auth": {
                "auth_url": f"http://{user.host}:5000/v3",
                "username": user.user, "password": f"zone{user.k}-secret",
                "project_name": user.project,
                "user_domain_name": "Default",
                "project_domain_name": "Default"}}
            for name, user in self.users.items()}
        for name, change in self.text.get("clouds", {}).items():
            if change == "revoked token":
                change = self.revoked(name)
                clouds[name]["auth"] = {k: v for k, v in
                                        clouds[name]["auth"].items()
                                        if "user" not in k and k != "password"}
            merge(clouds[name], change)
        with open(os.path.join(self.place, "clouds.yaml"), "w") as file:
            yaml.safe_dump({"clouds": clouds}, file)
        if self.text.get("kubernetes"):
            known = {name: {"cloud": name} for name in SITES}
            known |= {name: {"context": f"edge-{k}"}
                      for name, k in CLUSTERS.items()}
            known["Viewer"] = {"context": "edge-1-viewer"}
            with open(os.path.join(self.place, "edge.yaml"), "w") as file:
                yaml.safe_dump({"sites": known}, file)

    def revoked(self, name):
        """A token that was good and is not any more."""
        user = Cloud(SITES[name])
        token = user.login()
        user.call("DELETE", "identity", "/auth/tokens",
                  headers={"X-Subject-Token": token})
        return {"auth_type": "token", "auth": {"token": token}}

    def mend(self):
        for proxy in self.proxies:
            proxy.close()
        for name in list(self.faulty):
            self.heal(name, {})
        for name, what in self.quotas:
            quota(SITES[name], what, None)

    def tidy(self):
        """Removes what the plain users own, but for the seeded network."""
        for k in CLUSTERS.values() if self.text.get("kubernetes") else ():
            for plural in ("configmaps", "endpoints"):
                cluster.Api(k).call(
                    "DELETE", f"/api/v1/namespaces/default/{plural}")
        for user in self.users.values():
            user.token = None
            servers = user.call("GET", "compute", "/servers").body["servers"]
            for row in servers:
                user.send("DELETE", "compute", f"/servers/{row['id']}")
            for row in servers:
                until(lambda: user.send("GET", "compute",
                                        f"/servers/{row['id']}").status == 404)
            for row in user.call("GET", "compute", "/os-server-groups"
                                 ).body["server_groups"]:
                user.send("DELETE", "compute", f"/os-server-groups/{row['id']}")
            for row in user.call("GET", "compute", "/os-keypairs"
                                 ).body["keypairs"]:
                user.send("DELETE", "compute",
                          f"/os-keypairs/{row['keypair']['name']}")
            for row in self.own_images(user):
                user.send("DELETE", "image", f"/images/{row['id']}")
            for plural in ("ports", "networks", "security-groups"):
                for row in user.call("GET", "network", f"/{plural}"
                                     ).body[plural.replace("-", "_")]:
                    if row["name"] not in ("private", "default"):
                        user.send("DELETE", "network",
                                  f"/{plural}/{row['id']}")

    def own_images(self, user):
        if not user.token:
            user.login()
        return user.call("GET", "image", f"/images?owner={user.project_id}",
                         timeout=10).body["images"]

    # ----------------------------------------------------------------- faults

    def hang(self, site, step):
        self.faulty.add(site)
        if site in CLUSTERS:
            return cluster.sites("kill-site", CLUSTERS[site], "hang")
        freeze(SITES[site], *step.get("services", []))

    def refuse(self, site, step):
        self.faulty.add(site)
        if site in CLUSTERS:
            return cluster.sites("kill-site", CLUSTERS[site])
        refuse(SITES[site], *step.get("services", []))

    def heal(self, site, _step):
        if site in CLUSTERS:
            cluster.sites("heal-site", CLUSTERS[site])
        else:
            heal(SITES[site])
        self.faulty.discard(site)

    def quota(self, limits, step):
        self.quotas |= {(step["at"], what) for what in limits}
        for what, number in limits.items():
            quota(SITES[step["at"]], what, number)

    def intercept(self, request, step):
        self.faulty.add(step["at"])
        self.proxies.append(Proxy(SITES[step["at"]], step["service"], request,
                                  step["do"]))

    def image(self, name, step):
        """An image that the site has already, with bytes of its own or those
        that another site's `cirros` was seeded with."""
        user = self.users[step["at"]]
        made = user.call("POST", "image", "/images", {
            "name": name, "disk_format": "raw", "container_format": "bare"})
        user.call("PUT", "image", f"/images/{made.body['id']}/file",
                  raw=content(step.get("bytes_of", f"{step['at']} {name}"),
                              1 << 20))

    # ------------------------------------------------------------- the program

    def edge(self, command, step):
        words = shlex.split(command) if isinstance(command, str) else command
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith(("OS_", "XDG_", "EDGE_"))
                       and (k != "KUBECONFIG" or self.text.get("kubernetes"))}
        environment.update(HOME=self.place, NO_COLOR="1",
                           OS_CLIENT_CONFIG_FILE="clouds.yaml")
        time.sleep(SETTLE)
        before = {path: os.path.getsize(path) for path in logs()}
        watch = Watch(step["never_both"]) if "never_both" in step else None
        began = time.monotonic()
        program = subprocess.Popen(
            [self.edge_path, *words], cwd=self.place, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            for event in step.get("meanwhile", []):
                time.sleep(max(0, began + event["after"] - time.monotonic()))
                self.step(event)
            self.output, _ = program.communicate(
                timeout=step.get("within", 120))
        except subprocess.TimeoutExpired:
            raise Wrong(f"`edge {command}` was not done in time") from None
        finally:
            program.kill()
            if watch:
                watch.stop()
        self.judge(command, step, program.returncode)
        for proxy in self.proxies:
            if not proxy.hits:
                raise Wrong(f"no {proxy.method} {proxy.path} was sent")
        if watch and watch.seen:
            raise Wrong(f"at one moment there was {watch.seen}")
        self.requests(step, before)

    def judge(self, command, step, status):
        def wrong(what):
            raise Wrong(f"`edge {command}`: {what}; it said:\n{self.output}")
        wanted = step.get("exit", 0)
        if status not in (wanted if isinstance(wanted, list) else [wanted]):
            wrong(f"exit status {status}, not {wanted}")
        for text in step.get("says", []):
            if text.lower() not in self.output.lower():
                wrong(f"it does not say `{text}`")
        for text in [*step.get("hides", []), "-secret", "panicked"]:
            if text in self.output:
                wrong(f"it says `{text}`")

    def requests(self, step, before):
        """What reached the sites, by their own logs."""
        time.sleep(SETTLE)
        seen = {name: [] for name in SITES}
        for path, start in before.items():
            name = f"Zone{re.search('/site([0-9]+)/', path).group(1)}"
            with open(path, errors="replace") as log:
                log.seek(start)
                seen[name] += [m.groups() for m in map(REQUEST.search, log)
                               if m and m.groups() not in OWN]
        for name in step.get("untouched", []):
            if seen[name]:
                raise Wrong(f"{name} was asked: {seen[name][:5]}")
        if step.get("reads_only"):
            for name, rows in seen.items():
                wrote = [r for r in rows if r[0] not in ("GET", "HEAD")
                         and r[1] != "/v3/auth/tokens"]
                if wrote:
                    raise Wrong(f"{name} was changed: {wrote[:5]}")
        for name, wanted in step.get("requests", {}).items():
            for pattern, count in wanted.items():
                found = [r for r in seen[name]
                         if re.fullmatch(pattern, " ".join(r))]
                if len(found) != count:
                    raise Wrong(f"{len(found)}, not {count}, of {pattern} "
                                f"at {name}")

    # -------------------------------------------------------------- the sites

    def expect(self, wanted, step):
        """Exactly this, now and `for` so many seconds (default 0)."""
        good = until(lambda: self.holds(wanted), 30)
        end = time.monotonic() + step.get("for", 0)
        while good and time.monotonic() < end:
            good = self.holds(wanted)
            time.sleep(0.5)
        if not good:
            raise Wrong(f"there is {self.there()}, not {wanted}; "
                        f"edge said:\n{self.output}")
        for name, source in wanted.get("same_bytes", {}).items():
            self.same(name, source, wanted["images"])

    def holds(self, wanted):
        """What is not mentioned is not to be there."""
        seen = self.there()
        if "one_of" in wanted:
            return seen["servers"] in [
                {name: wanted["servers"]} for name in wanted["one_of"]]
        return all(seen[kind] == wanted[kind]
                   for kind in seen if kind in wanted)

    def object(self, path, step):
        """An object of these clusters, and some of what it has."""
        for name in step["at"]:
            status, found = cluster.Api(CLUSTERS[name]).call(
                "GET", f"/api/v1/namespaces/default/{path}")
            if step.get("gone"):
                if status != 404:
                    raise Wrong(f"{name} has {path}; edge said:\n{self.output}")
                continue
            for place, wanted in step["has"].items():
                if isinstance(wanted, dict):
                    wanted = self.address(wanted["address_of"], wanted["at"])
                seen = found
                for key in place.split("."):
                    seen = seen[int(key) if isinstance(seen, list) else key] \
                        if status == 200 else None
                if seen != wanted:
                    raise Wrong(f"{place} of {path} at {name} is {seen!r}, "
                                f"not {wanted!r}; edge said:\n{self.output}")

    def address(self, server, site):
        rows = self.users[site].call("GET", "compute", "/servers/detail"
                                     ).body["servers"]
        nets = [r["addresses"] for r in rows if r["name"] == server]
        return nets[0]["private"][0]["addr"]

    def there(self):
        seen = {"servers": {}, "images": {}}
        for name, user in self.users.items():
            try:
                servers = user.call("GET", "compute", "/servers/detail",
                                    timeout=10).body["servers"]
                images = self.own_images(user)
            except Silent:
                continue
            for kind, rows in (("servers", servers), ("images", images)):
                if rows:
                    seen[kind][name] = {r["name"]: r["status"] for r in rows}
                    if len(seen[kind][name]) < len(rows):
                        seen[kind][name]["twins"] = len(rows)
        return seen

    def same(self, name, source, sites):
        """The image has the bytes of the source: a site or a file."""
        def digest(site):
            user = self.users[site]
            row = user.one("image", "/images", "images", name)
            data = user.call("GET", "image", f"/images/{row['id']}/file")
            return hashlib.sha256(data.text).hexdigest()
        path = os.path.join(self.place, source)
        if source in SITES:
            wanted = digest(source)
        else:
            with open(path, "rb") as file:
                wanted = hashlib.sha256(file.read()).hexdigest()
        for site in sites:
            if digest(site) != wanted:
                raise Wrong(f"{name} at {site} has other bytes than {source}")


class Watch:
    """Looks all the time, in the databases: also where an API is frozen."""

    def __init__(self, name):
        self.name, self.seen, self.going = name, None, True
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        where = " UNION ALL ".join(
            f"SELECT 'Zone{k}' FROM nova_{k}.instances WHERE deleted = 0 AND "
            f"display_name = '{self.name}' AND vm_state != 'error'"
            for k in SITES.values())
        while self.going:
            rows = subprocess.run(
                ["mariadb", "--no-defaults", "-uroot", "-N", "-B", "-S",
                 f"{HOME}/db/mysqld.sock", "-e", where],
                capture_output=True, text=True, check=True).stdout.split()
            if len(rows) > 1:
                self.seen = f"{self.name} at {' and at '.join(rows)}"
            time.sleep(0.1)

    def stop(self):
        self.going = False
        self.thread.join()


def logs():
    return [path for k in SITES.values() for log in LOGS
            for path in glob.glob(f"{HOME}/site{k}/log/{log}.log")]


def content(name, size):
    """Bytes that differ by name and are the same in every run."""
    blocks = -(-size // 64)
    return b"".join(hashlib.sha512(f"{name} {n}".encode()).digest()
                    for n in range(blocks))[:size]


def merge(into, change):
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
