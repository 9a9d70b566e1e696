#!/usr/bin/env python3
"""A real API server of kubernetes-sites, asked without kubectl and without the
program under test; and two that stand beside it.

    cluster.py kubelet K [K..]           plays the machines of these sites
    cluster.py proxy K 'METHOD PATH' lose|drop|freeze|kill
                                         stands before site K, prints its port

The controllers of a site make pods, but no machine runs them. `kubelet` is
what a scheduler and one machine do to the API: a node `worker`, pods that are
placed on it unless it is cordoned and become ready, or succeed where a job made
them, pods that are gone once they are to go. A pod of the image `never` does not
become ready: it waits for its image. What pods have said the API server asks of
the kubelet itself, by TLS: of each `NAME says 1` to `NAME says 9`.

The proxy speaks plain HTTP and is the administrator at the site. It does harm
to the first request that fits (PATH is a regular expression, and a dry run is
none): `lose` carries it out and drops the answer, `drop` drops it, `freeze` and
`kill` do that to the site as it comes: a frozen site carries it out once it is
healed. It says so in its second line."""

import http.client
import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

SITES = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(
    __file__))), "kubernetes-sites")


def start(n):
    """N sites of our own; what was built for them is kept for the next time."""
    os.environ["KUBE_SITES_DIR"] = tempfile.mkdtemp(prefix="kubernetes-sites-")
    os.environ.setdefault("KUBE_SITES_NET", "127.0.7")
    os.environ.setdefault("KUBE_BIN_DIR", "/tmp/kubernetes-sites/bin")
    os.environ["KUBECONFIG"] = os.environ["KUBE_SITES_DIR"] + "/kubeconfig"
    sites("install")
    sites("up", n)


def sites(*words):
    subprocess.run([SITES, *map(str, words)], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Api:
    def __init__(self, k):
        self.k = k
        self.logs = None
        self.host = f"{os.environ.get('KUBE_SITES_NET', '127.0.2')}.{k}"
        pki = os.path.join(os.environ.get(
            "KUBE_SITES_DIR", "/tmp/kubernetes-sites"), "sites", str(k), "pki")
        self.pki = pki
        self.tls = ssl.create_default_context(cafile=f"{pki}/ca.crt")
        self.tls.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")
        self.line = None

    def open(self, timeout=300):
        return http.client.HTTPSConnection(self.host, 6443, timeout=timeout,
                                           context=self.tls)

    def call(self, method, path, body=None, kind="application/json"):
        """Status and body. The connection is kept; a broken one is made anew."""
        for again in (False, True):
            self.line = self.line or self.open(20)
            try:
                self.line.request(method, path, body and json.dumps(body),
                                  {"Content-Type": kind})
                answer = self.line.getresponse()
                text = answer.read()
                return answer.status, json.loads(text) if text else None
            except (OSError, http.client.HTTPException):
                self.line.close()
                self.line = None
                if again:
                    raise


def kubelet(sites):
    """A round of all sites each 100 ms, until it is ended. A site that is away
    or silent only waits."""
    def serve(api):
        while True:
            try:
                cordoned = node(api).get("unschedulable")
                for pod in api.call("GET", "/api/v1/pods")[1].get("items", []):
                    serve_pod(api, pod, cordoned)
            except (OSError, http.client.HTTPException, ValueError):
                pass
            time.sleep(0.1)
    for k in sites:
        threading.Thread(target=serve, args=(Api(k),), daemon=True).start()
    threading.Event().wait()


def node(api):
    """What is wanted of it."""
    status, found = api.call("GET", "/api/v1/nodes/worker")
    if status == 404:
        api.call("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node",
                                           "metadata": {"name": "worker"}})
        # It begins as one that is not ready.
        api.call("PATCH", "/api/v1/nodes/worker", {"spec": {"taints": None}},
                 "application/merge-patch+json")
        api.logs = api.logs or said(api)
        api.call("PATCH", "/api/v1/nodes/worker/status", {"status": {
            "addresses": [{"type": "InternalIP", "address": api.host}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": api.logs}}}},
                 "application/merge-patch+json")
    return found.get("spec") or {}


def said(api):
    """The port at which the kubelet tells what pods have said."""
    class Kubelet(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            asked = dict(urllib.parse.parse_qsl(query))
            parts = path.strip("/").split("/")
            known = parts[0] == "containerLogs" and len(parts) == 4
            if asked.get("previous") == "true":
                status, text = 400, "previous terminated container not found"
            elif known:
                lines = [f"{parts[2]} says {n}\n" for n in range(1, 10)]
                status, text = 200, "".join(lines[-int(asked.get("tailLines", 9)):])
            else:
                status, text = 404, "not here"
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((api.host, 0), Kubelet)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{api.pki}/server.crt", f"{api.pki}/server.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def serve_pod(api, pod, cordoned):
    meta, spec = pod["metadata"], pod["spec"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
    owners = [o["kind"] for o in meta.get("ownerReferences", [])]
    if meta.get("deletionTimestamp"):
        api.call("DELETE", path, {"gracePeriodSeconds": 0})
    elif not spec.get("nodeName"):
        if not cordoned or "DaemonSet" in owners:
            api.call("POST", f"{path}/binding", {
                "apiVersion": "v1", "kind": "Binding",
                "metadata": {"name": meta["name"]},
                "target": {"apiVersion": "v1", "kind": "Node",
                           "name": "worker"}})
    elif spec["containers"][0]["image"] == "never":
        if not pod["status"].get("containerStatuses"):
            api.call("PATCH", f"{path}/status", {"status": {"containerStatuses": [{
                "name": spec["containers"][0]["name"], "image": "never", "imageID": "", "ready": False, "restartCount": 0,
                "state": {"waiting": {"reason": "ImagePullBackOff",
                                      "message": 'Back-off pulling image "never"'}}}]}},
                     "application/merge-patch+json")
    elif pod["status"].get("phase") == "Pending":
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        api.call("PATCH", f"{path}/status", {"status": {
            "phase": "Succeeded" if "Job" in owners else "Running", "podIP": "10.0.0.1", "startTime": now,
            "conditions": [{"type": "Ready", "status": "True",
                            "lastTransitionTime": now}]}},
                 "application/merge-patch+json")


AWAY = {"freeze": ["hang"], "kill": []}     # harm to the site, and its words


def proxy(k, request, harm):
    method, path = request.split()
    api, lock, struck = Api(k), threading.Lock(), []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            self.close_connection = True
            with lock:
                hit = (not struck and self.command == method
                       and "dryRun=" not in self.path
                       and re.fullmatch(path, self.path.split("?")[0]))
                if hit:
                    struck.append(self.path)
            if hit and harm in AWAY:
                sites("kill-site", k, *AWAY[harm])
                print(harm, self.command, self.path, flush=True)
            site = api.open()
            try:
                if hit and harm == "drop":
                    return
                site.request(self.command, self.path, body, {
                    name: value for name, value in self.headers.items()
                    if name.lower() not in ("connection", "host")})
                answer = site.getresponse()
                text = answer.read()
                if hit:
                    return
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "content-length",
                                            "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(text)
            except (OSError, http.client.HTTPException):
                return              # no answer: the client sees that too
            finally:
                site.close()
                if hit and harm not in AWAY:
                    print(harm, self.command, self.path, flush=True)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((api.host, 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    word, words = sys.argv[1:2], sys.argv[2:]
    if word == ["kubelet"] and words:
        kubelet([int(k) for k in words])
    elif (word == ["proxy"] and len(words) == 3
          and words[2] in ("lose", "drop", *AWAY)):
        proxy(int(words[0]), words[1], words[2])
    else:
        sys.exit(__doc__)
