#!/usr/bin/python3
"""What the directory says of the farm, brought in line with the inventory by `mailfarm apply`.

One process reads all that is wanted, compares it over one connection and makes up the difference; in
check mode it tells only. What the inventory does not name stays as it is.
"""

import json
import os
import pwd
import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: farm_table
short_description: Settings, volumes, nodes and domains of a mail farm
description: Brings the entries of a farm's directory in line with what is given.
author: Mailfarm
options:
  user: {description: Service user that the command runs as, type: str, required: true}
  admin: {description: DN or login of an administrator, type: str, required: true}
  password: {description: The administrator's password, type: str, required: true}
  settings: {description: Options of the farm; an empty text is the default, type: dict, default: {}}
  volumes: {description: 'NAME: path, use, state, weight', type: dict, default: {}}
  nodes: {description: 'NAME: listen (list), server', type: dict, default: {}}
  senders: {description: 'NAME: whether the node sends; of nodes that were started', type: dict, default: {}}
  absent: {description: 'Kind (node, volume): name of what is to be removed', type: dict, default: {}}
  domains: {description: Local domains, type: list, elements: str, default: []}
  cookie: {description: Whether the farm has a cookie, type: bool, default: false}
  command: {description: The product's command, type: path, default: /opt/mailfarm/current/bin/mailfarm}
"""

# For the start and the directory's answers, and for each thing that is wanted: some of LDAP's round trips.
STALE_S = 120
STALE_ROW_S = 2


def wanted(given):
    """What `mailfarm apply` reads. An administrator's change of what it does not say is not overruled."""
    nodes = {name: dict(values) for name, values in given["nodes"].items()}
    for name, sends in given["senders"].items():
        nodes.setdefault(name, {})["sends"] = sends
    return {
        "settings": given["settings"],
        "cookie": given["cookie"],
        "nodes": nodes,
        "volumes": given["volumes"],
        "domains": given["domains"],
        "absent": given["absent"],
    }


def apply(module, said):
    given = module.params
    words = [given["command"], "apply", "-", "--json", *(["--dry-run"] if module.check_mode else [])]
    rows = sum(len(part) for part in said.values() if isinstance(part, (dict, list)))
    stale = STALE_S + STALE_ROW_S * rows
    user = pwd.getpwnam(given["user"])
    # Who is that user already may not set groups.
    other = user.pw_uid != os.geteuid()
    ids = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if other else {}
    try:
        return subprocess.run(
            words,
            env={
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "CACHE_DIRECTORY": "/var/cache/mailfarm",
                "MAILFARM_ADMIN": given["admin"],
                "MAILFARM_ADMIN_PASSWORD": given["password"],
            },
            cwd="/",
            input=json.dumps(said),
            capture_output=True,
            text=True,
            timeout=stale,
            check=False,
            **ids,
        )
    except subprocess.TimeoutExpired:
        return module.fail_json(msg=f"mailfarm apply: no answer in {stale} s; what it had changed stays")


def main():
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str", "required": True},
            "admin": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "settings": {"type": "dict", "default": {}},
            "volumes": {"type": "dict", "default": {}},
            "nodes": {"type": "dict", "default": {}},
            "senders": {"type": "dict", "default": {}},
            "absent": {"type": "dict", "default": {}},
            "domains": {"type": "list", "elements": "str", "default": []},
            "cookie": {"type": "bool", "default": False},
            "command": {"type": "path", "default": "/opt/mailfarm/current/bin/mailfarm"},
        },
        supports_check_mode=True,
    )
    result = apply(module, wanted(module.params))
    try:
        done = [change["text"] for change in json.loads(result.stdout)["changes"]]
    except (ValueError, KeyError):
        done = []  # It ended before it compared anything.
    told = {"changed": bool(done), "done": done, "diff": {"prepared": "".join(f"{line}\n" for line in done)}}
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        if 'no command "apply' in said:
            said += "\nThe release here is older than these playbooks: upgrade.yml first, or take those of its time."
        module.fail_json(msg=said, **told)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
