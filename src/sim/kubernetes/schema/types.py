#!/usr/bin/env python3
"""Writes types.txt: the shape of every type that simulated Kubernetes sites know, in one line a field.

usage: types.py SWAGGER FOLDER > types.txt

SWAGGER is what a real API server answers to `kubectl get --raw /openapi/v2` (types.txt was written from that of 1.30).
FOLDER has the generated.proto of each group as GROUP.VERSION.proto, for the numbers of fields in the binary form.
Only what decides over a request is kept: number, type, whether it is required, how a list is merged. No descriptions.
A number in two parts is a field of a message that JSON shows as a part of its surroundings; `-` has none.
"""

import json
import pathlib
import re
import sys

ROOTS = """
apps.v1: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet
authentication.v1: SelfSubjectReview TokenRequest TokenReview
authorization.v1: LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview
autoscaling.v1: HorizontalPodAutoscaler Scale
batch.v1: CronJob Job
coordination.v1: Lease
core.v1: Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod PodTemplate
core.v1: ReplicationController ResourceQuota Secret Service ServiceAccount
discovery.v1: EndpointSlice
networking.v1: Ingress IngressClass NetworkPolicy
policy.v1: Eviction PodDisruptionBudget
rbac.v1: ClusterRole ClusterRoleBinding Role RoleBinding
scheduling.v1: PriorityClass
storage.v1: StorageClass
apiextensions.v1: CustomResourceDefinition
meta.v1: DeleteOptions Status
"""
# Full name to the short one of types.txt; schema/mod.rs reads them the other way.
PREFIXES = [
    ("io.k8s.api.", ""),
    ("io.k8s.apimachinery.pkg.apis.", ""),
    ("io.k8s.apiextensions-apiserver.pkg.apis.", ""),
]
SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "any",
}


def short(name):
    for prefix, instead in PREFIXES:
        if name.startswith(prefix):
            return instead + name[len(prefix):]
    sys.exit(f"no short name for {name}")


def messages(folder):
    """By type, the number and type of each field as the binary form has them."""
    found = {}
    for path in pathlib.Path(folder).glob("*.proto"):
        group, current = path.stem, None
        for line in path.read_text().splitlines():
            if begin := re.match(r"message (\w+) {", line):
                current = found.setdefault(f"{group}.{begin[1]}", {})
            elif field := re.match(r"\s+(?:optional |repeated )?([\w.<>, ]+?) (\w+) = (\d+);", line):
                kind = field[1] if "." in field[1] else f"{group}.{field[1]}"
                current[field[2]] = (int(field[3]), kind)
    return found


def numbers(name, properties, binary):
    """The number of each property; of those that JSON shows in place, the number of the message around them first."""
    own, found = binary.get(name, {}), {}
    for field, (number, kind) in own.items():
        if field in properties:
            found[field] = str(number)
        else:
            inner = binary.get(kind, {}).items()
            found |= {deep: f"{number}.{at}" for deep, (at, _) in inner if deep in properties and deep not in own}
    return found


def main():
    binary = messages(sys.argv[2])
    swagger = json.load(open(sys.argv[1]))
    types = swagger.get("definitions") or swagger["$defs"]
    by_short = {short(name): name for name in types if any(name.startswith(p) for p, _ in PREFIXES)}
    due, done = [], set()
    for line in ROOTS.split("\n"):
        group, _, kinds = line.partition(": ")
        due += [f"{group}.{kind}" for kind in kinds.split()]

    def shape(schema):
        """The type of a field, and whatever is said about merging it."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            if name in SCALARS:
                return SCALARS[name]
            due.append(short(name))
            return short(name) + (" atomic" if schema.get("x-kubernetes-map-type") == "atomic" else "")
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next(k for k in kind if k != "null")
        if kind == "array":
            text = f"[{shape(schema['items'])}]"
            how = schema.get("x-kubernetes-list-type")
            merge = schema.get("x-kubernetes-patch-merge-key")
            strategy = schema.get("x-kubernetes-patch-strategy", "")
            # Without a list type, the server takes it from the patch strategy.
            if how is None and "merge" in strategy.split(","):
                how = "map" if merge else "set"
            if how == "map":
                text += " map=" + ",".join(schema.get("x-kubernetes-list-map-keys") or [merge])
            elif how == "set":
                text += " set"
            if merge and "merge" in strategy.split(","):
                text += f" merge={merge}"
            elif "merge" in strategy.split(","):
                text += " merge"
            return text + (" retain" if "retainKeys" in strategy else "")
        if kind == "object":
            inner = schema.get("additionalProperties")
            text = "{" + (shape(inner) if inner else "any") + "}"
            return text + (" atomic" if schema.get("x-kubernetes-map-type") == "atomic" else "")
        if kind == "string":
            return "bytes" if schema.get("format") == "byte" else "string"
        if kind == "integer":
            return schema.get("format", "int64")
        return {"boolean": "bool", "number": "number"}.get(kind, "any")

    print("# Written by types.py; not edited by hand.")
    while due:
        name = due.pop(0)
        if name in done:
            continue
        done.add(name)
        schema = types[by_short[name]]
        atomic = " atomic" if schema.get("x-kubernetes-map-type") == "atomic" else ""
        print(f"{name}{atomic}")
        own = numbers(name, schema.get("properties", {}), binary)
        for field, inner in schema.get("properties", {}).items():
            needed = "!" if field in schema.get("required", []) else ""
            retain = " retain" if inner.get("x-kubernetes-patch-strategy") == "retainKeys" and "$ref" in inner else ""
            print(f" {own.get(field, '-')} {field}{needed} {shape(inner)}{retain}")


main()
