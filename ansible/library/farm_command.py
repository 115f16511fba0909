#!/usr/bin/python3
"""A command that needs secrets.

They travel inside the arguments of this module and are the environment of the command alone: in no
list of processes, in no journal, not in what ansible shows at -vvv. `environment:` of a task stands in the
list of processes of the host, where every local account reads it.
"""

import os
import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: farm_command
short_description: A command that needs secrets
description: Runs a command, or a script of bash, with secrets in its environment that nobody else sees.
author: Mailfarm
options:
  argv: {description: The command; of a script its arguments, type: list, elements: str, default: []}
  script: {description: Text of a script of bash, type: str}
  secrets: {description: 'NAME: value, for the environment', type: dict, required: true}
  creates: {description: Where this is there already nothing is run, type: path}
"""


def main():
    module = AnsibleModule(
        argument_spec={
            "argv": {"type": "list", "elements": "str", "default": []},
            "script": {"type": "str"},
            "secrets": {"type": "dict", "required": True, "no_log": True},
            "creates": {"type": "path"},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["creates"] and os.path.exists(given["creates"]):
        module.exit_json(changed=False, rc=0, stdout="", stderr="")
    if module.check_mode:
        module.exit_json(changed=True, rc=0, stdout="", stderr="", skipped=not given["creates"])
    command = ["/bin/bash", "-c", given["script"], "bash"] if given["script"] else []
    result = subprocess.run(
        command + given["argv"],
        env={**os.environ, **{name: str(value) for name, value in given["secrets"].items()}},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = {"rc": result.returncode, "stdout": result.stdout, "stderr": result.stderr, "changed": True}
    if result.returncode != 0:
        module.fail_json(msg=(result.stderr or result.stdout).strip() or f"ended with {result.returncode}", **said)
    module.exit_json(**said)


if __name__ == "__main__":
    main()
