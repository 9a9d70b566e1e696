#!/usr/bin/python3
"""quota.py K images|uploads|servers N|default: how much the site lets its
plain user's project have. At 0 it refuses, as a full site would: an image with
413 (`uploads`: only its data), a server with 403."""

import sys

from cloud import Cloud

LIMITS = {"images": "image_count_total", "uploads": "image_count_uploading"}


def quota(k, what, number):
    """Sets it; None puts the default back."""
    admin, plain = Cloud(k, admin=True), Cloud(k)
    plain.login()
    project = plain.project_id
    if what == "servers":
        path = f"/os-quota-sets/{project}"
        if number is None:
            admin.call("DELETE", "compute", path)
        else:
            admin.call("PUT", "compute", path,
                       {"quota_set": {"instances": number}})
        return
    admin.login(scope="system")    # a project's token lists its own only
    service = admin.call("GET", "identity", "/services?type=image"
                         ).body["services"][0]["id"]
    query = (f"/limits?service_id={service}&resource_name={LIMITS[what]}"
             f"&project_id={project}")
    for limit in admin.call("GET", "identity", query).body["limits"]:
        admin.call("DELETE", "identity", f"/limits/{limit['id']}")
    if number is not None:
        admin.call("POST", "identity", "/limits", {"limits": [{
            "service_id": service, "region_id": f"Zone{k}",
            "resource_name": LIMITS[what], "resource_limit": number,
            "project_id": project}]})


if __name__ == "__main__":
    site, resource, count = sys.argv[1:]
    if resource not in ("servers", *LIMITS):
        sys.exit(__doc__)
    quota(int(site), resource, None if count == "default" else int(count))
