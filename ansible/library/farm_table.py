#!/usr/bin/python3
"""What the directory says of the farm, brought in line with the inventory by the mailfarm command.

Compares `mailfarm … list --json` with what is wanted and runs the commands that make up the difference:
in check mode it tells them only. What the inventory does not name stays as it is.
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
"""

COMMAND = "/opt/mailfarm/current/bin/mailfarm"
STALE_S = 120


class Farm:
    def __init__(self, module):
        self.module = module
        self.done = []
        given = module.params
        user = pwd.getpwnam(given["user"])
        self.ids = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "CACHE_DIRECTORY": "/var/cache/mailfarm",
            "MAILFARM_ADMIN": given["admin"],
            "MAILFARM_ADMIN_PASSWORD": given["password"],
        }

    def run(self, *words):
        try:
            result = subprocess.run(
                [COMMAND, *words],
                env=self.environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=STALE_S,
                **self.ids,
            )
        except subprocess.TimeoutExpired:
            self.module.fail_json(msg=f"mailfarm {' '.join(words)}: no answer in {STALE_S} s")
        if result.returncode != 0:
            said = (result.stderr or result.stdout).strip()
            self.module.fail_json(msg=f"mailfarm {' '.join(words)}: {said}", changed=bool(self.done))
        return result.stdout

    def ask(self, *words):
        return json.loads(self.run(*words, "--json"))

    def change(self, *words):
        self.done.append("mailfarm " + " ".join(words))
        if not self.module.check_mode:
            self.run(*words)


def settings(farm, wanted):
    there = farm.ask("config", "list")
    for name, value in wanted.items():
        value = text(value)
        if value != there.get(name, ""):
            farm.change("config", "set", name, *([value] if value else []))


def text(value):
    """As the directory has it: YAML has true and lists, options have words."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def volumes(farm, wanted):
    there = {one["name"]: one for one in farm.ask("volume", "list")}
    for name, values in wanted.items():
        given = {key: values[key] for key in ("path", "use", "state", "weight") if key in values}
        # An administrator who closed a volume by hand is not overruled by what says nothing of it.
        have = there.get(name)
        if have is None:
            farm.change("volume", "add", name, *flags(given))
        elif {key: str(have.get(key)) for key in given} != {k: str(v) for k, v in given.items()}:
            farm.change("volume", "set", name, *flags(given))


def nodes(farm, wanted):
    there = {one["name"]: one for one in farm.ask("node", "list")}
    for name, values in wanted.items():
        have = there.get(name)
        said = [flag for one in values["listen"] for flag in ("--listen", one)]
        said += ["--server", values["server"]]
        if have is None:
            farm.change("node", "add", name, *said)
        elif set(have["listen"]) != set(values["listen"]) or have["server"] != values["server"]:
            farm.change("node", "set", name, *said)


def senders(farm, wanted):
    """After the start: a node that has given itself no key yet could be anybody."""
    there = {one["name"]: one.get("sends", False) for one in farm.ask("node", "list")} if wanted else {}
    for name, sends in wanted.items():
        if there.get(name, sends) != sends:
            farm.change("node", "set", name, "--sends", "yes" if sends else "no")


def domains(farm, wanted):
    there = {one["name"] for one in farm.ask("domain", "list")}
    for name in wanted:
        if name not in there:
            farm.change("domain", "add", name)


def absent(farm, unwanted):
    for kind, name in unwanted.items():
        if name in {one["name"] for one in farm.ask(kind, "list")}:
            farm.change(kind, "remove", name)


def flags(values):
    return [word for key, value in values.items() for word in (f"--{key}", str(value))]


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
        },
        supports_check_mode=True,
    )
    farm = Farm(module)
    given = module.params
    if given["settings"]:
        settings(farm, given["settings"])
    if given["cookie"] and "farm.cookie" not in farm.ask("config", "list"):
        farm.change("config", "cookie")
    if given["nodes"]:
        nodes(farm, given["nodes"])
    if given["volumes"]:
        volumes(farm, given["volumes"])
    if given["domains"]:
        domains(farm, given["domains"])
    senders(farm, given["senders"])
    absent(farm, given["absent"])
    module.exit_json(changed=bool(farm.done), done=farm.done)


if __name__ == "__main__":
    main()
