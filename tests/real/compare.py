#!/usr/bin/python3
"""compare.py K CLOUDS [CLOUD]: sends the requests of compare.yaml to the real
site K and to a simulated one, and prints where the answers differ: the
simulator is only worth what it has in common with the real thing.

CLOUDS is a clouds.yaml that names the simulated site (by default its first
cloud), as a plain user like that of the real site: what `edge sim --clouds`
writes, with `demo` in the place of `admin`. What must differ (ids, times, addresses) is replaced by its kind before
the comparison; a difference that is known and harmless is listed, with its
reason, in compare.yaml. Ends with 1 when there is another."""

import fnmatch
import http.client
import json
import os
import re
import sys
import time
import urllib.parse

import yaml

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
KINDS = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"\b[0-9a-f]{128}\b", "HASH"),
    (r"\b([0-9a-f]{32}|[0-9a-f]{56})\b", "HEX"),
    (r"\d{4}-\d\d-\d\dT[0-9:.]+Z?", "TIME"),
    (r"fa:16:3e(:[0-9a-f]{2}){3}", "MAC"),
    (r"\b10\.\d+\.\d+\.\d+", "ADDRESS"),
    (r"\bzone\d-", ""),
]
PATHS = {"identity": "", "image": "/v2", "network": "/v2.0", "compute": ""}


class Side:
    """One of the two sites, as a plain user."""

    def __init__(self, cloud):
        auth, domain = cloud["auth"], {"name": "Default"}
        self.values = {}
        login = {"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": auth["username"], "domain": domain,
                "password": auth["password"]}}},
            "scope": {"project": {"name": auth["project_name"],
                                  "domain": domain}}}}
        url = auth["auth_url"].rstrip("/")
        status, headers, body = self.http("POST", f"{url}/auth/tokens", login)
        if status != 201:
            sys.exit(f"login at {url}: {status} {body}")
        self.token, token = headers["x-subject-token"], body["token"]
        self.values.update(user=token["user"]["id"],
                           project=token["project"]["id"])
        self.urls = {service["type"]: endpoint["url"]
                     for service in token["catalog"]
                     for endpoint in service["endpoints"]
                     if endpoint["interface"] == "public"}
        # Some catalogs name the endpoint without its version.
        identity = self.urls["identity"].rstrip("/")
        if not identity.endswith("/v3"):
            self.urls["identity"] = f"{identity}/v3"

    def http(self, method, url, body=None, headers=None):
        url = urllib.parse.urlsplit(url)
        headers = {"Accept": "application/json", **(headers or {})}
        if isinstance(body, str):
            headers.setdefault("Content-Type", "application/octet-stream")
        elif body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = json.dumps(body)
        connection = http.client.HTTPConnection(url.netloc, timeout=60)
        try:
            connection.request(method, url.path + (
                f"?{url.query}" if url.query else ""), body, headers)
            reply = connection.getresponse()
            text = reply.read().decode(errors="replace")
        finally:
            connection.close()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = text
        return reply.status, {name.lower(): value for name, value
                              in reply.getheaders()}, answer

    def ask(self, request):
        """The answer to one request of compare.yaml."""
        method, service, path = request["send"].split(" ", 2)
        headers = dict(request.get("headers", {}))
        if request.get("token", True):
            headers["X-Auth-Token"] = request.get("as", self.token)
        if "version" in request:
            headers["OpenStack-API-Version"] = f"compute {request['version']}"
        url = self.urls[service] + PATHS[service] + self.fill(path)
        answer = self.http(method, url, self.fill(request.get("body")),
                           headers)
        for name, where in request.get("keep", {}).items():
            value = answer[2]
            try:
                for key in where.split("."):
                    value = value[int(key) if key.isdigit() else key]
            except (KeyError, IndexError, TypeError):
                value = "00000000-0000-0000-0000-000000000000"
            self.values[name] = value
        return answer

    def fill(self, value):
        """`<name>` stands for what was kept under the name."""
        if isinstance(value, dict):
            return {key: self.fill(v) for key, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        if not isinstance(value, str):
            return value
        return re.sub(r"<(\w+)>", lambda m: str(self.values[m.group(1)]),
                      value)

    def plain(self, value):
        """A text with what must differ replaced by its kind."""
        text = str(value)
        for kind, url in sorted(self.urls.items(), key=lambda u: -len(u[1])):
            text = text.replace(url, kind.upper())
        text = re.sub(r"http://127\.[0-9.]+:\d+(/compute|/image)?(?=/)",
                      "SITE", text)
        for name, value in self.values.items():
            if len(str(value)) > 30:         # ids; not a flavor's short one
                text = text.replace(str(value), f"<{name}>")
        for pattern, kind in KINDS:
            text = re.sub(pattern, kind, text)
        return text


def leaves(value, path=""):
    """Every leaf of an answer by its path; of a list, its first row."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value[:1]:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path, value


def differences(real, simulated, sides):
    """What an answer has, or says, that the other does not."""
    if real[0] != simulated[0]:
        yield "status", real[0], simulated[0]
        return
    trees = [dict(leaves(answer[2])) if not isinstance(answer[2], str)
             else {"text": answer[2]} for answer in (real, simulated)]
    for path in sorted({*trees[0], *trees[1]}):
        said = [side.plain(tree[path]) if path in tree else "(nothing)"
                for side, tree in zip(sides, trees)]
        if said[0] != said[1]:
            yield path, *said


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    k, path = int(sys.argv[1]), sys.argv[2]
    with open(path) as text:
        clouds = yaml.safe_load(text)["clouds"]
    simulated = clouds[sys.argv[3] if len(sys.argv) > 3 else next(iter(clouds))]
    with open(os.path.join(HERE, "compare.yaml")) as text:
        book = yaml.safe_load(text)
    real = {"auth": {"auth_url": f"http://127.0.1.{k}:5000/v3",
                     "username": f"user{k}", "password": f"zone{k}-secret",
                     "project_name": "demo"}}
    sides = [Side(real), Side(simulated)]
    asked = bad = known = 0
    for request in book["requests"]:
        if "wait" in request:
            time.sleep(request["wait"])
            continue
        answers = [side.ask(request) for side in sides]
        if request.get("quiet"):
            continue
        asked += 1
        rows = []
        for where, one, two in differences(*answers, sides):
            label = f"{request['send']} {where}"
            if any(fnmatch.fnmatchcase(label, pattern)
                   for pattern in book["known"]):
                known += 1
            else:
                rows.append(f"    {where}: real {one[:150]!r}, "
                            f"simulated {two[:150]!r}" if where != "status"
                            else f"    status: real {one}, simulated {two}")
        if rows:
            bad += 1
            print(f"{request['send']}", *rows, sep="\n")
    print(f"{known} known differences\n{asked - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
