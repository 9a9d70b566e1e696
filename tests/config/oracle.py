#!/usr/bin/env python3
"""Writes expected.json into every folder beside this file: what openstacksdk makes of the clouds.yaml there.

Run it with a Python that has openstacksdk (pip install openstacksdk). A folder holds clouds.yaml, secure.yaml,
clouds-public.yaml in any mix, and `env`, lines of NAME=VALUE. The home directory is /home/op.
"""
import json, os, pathlib, shutil, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
SERVICES = ["compute", "image", "network", "identity", "block-storage"]


def text(value):
    if isinstance(value, dict):
        return {k: text(v) for k, v in value.items() if v is not None and v != ""}
    return str(value)


def one(config, name, region):
    cloud = config.get_one(name, region_name=region)
    verify, cert = cloud.get_requests_verify_args()
    interface = cloud.get_interface()
    return {
        "name": str(name),
        "region": cloud.region_name or None,
        "auth_type": cloud.config["auth_type"],
        "auth": text(cloud.config["auth"]),
        "interface": interface if isinstance(interface, list) else [interface],
        "verify": verify is not False,
        "cacert": verify if isinstance(verify, str) else None,
        "cert": cert[0] if isinstance(cert, tuple) else cert,
        "key": cert[1] if isinstance(cert, tuple) else None,
        "timeout": cloud.config.get("api_timeout") and float(cloud.config["api_timeout"]),
        "endpoints": {s: e for s in SERVICES if (e := cloud._get_config("endpoint_override", s)
                                                 or cloud._get_config("endpoint", s))},
    }


def look():
    import warnings
    warnings.simplefilter("ignore")
    import logging
    logging.disable(logging.CRITICAL)
    import openstack.config
    config = openstack.config.OpenStackConfig()
    result = {"default": config.default_cloud and str(config.default_cloud), "clouds": [], "broken": []}
    for name in config.get_cloud_names():
        try:
            regions = config._get_regions(name)
            result["clouds"] += [one(config, name, region["name"]) for region in regions]
        except Exception:
            result["broken"].append(str(name))
    print(json.dumps(result, indent=1, sort_keys=True))


def main():
    for case in sorted(p for p in HERE.iterdir() if p.is_dir()):
        with tempfile.TemporaryDirectory() as work:
            for file in case.iterdir():
                if file.name not in ("expected.json", "env"):
                    shutil.copy(file, work)
            environment = {"HOME": "/home/op", "PATH": os.environ["PATH"]}
            if (case / "env").exists():
                lines = (case / "env").read_text().splitlines()
                environment.update(line.split("=", 1) for line in lines if line)
            done = subprocess.run([sys.executable, __file__, "look"], cwd=work, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{case.name}: {done.stderr}")
            (case / "expected.json").write_text(done.stdout)


look() if sys.argv[1:] == ["look"] else main()
