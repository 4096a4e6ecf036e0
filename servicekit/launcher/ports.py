"""TCP ports of the system's processes, by the variables that set them."""

import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

_PORT_VARIABLE = re.compile(r"HOLDFAST_\w+_PORT")


def free_ports(names: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
    """Choose a free port for every name whose HOLDFAST_<NAME>_PORT is unset or empty, and for every 0.

    A process that took a free port by itself could not be found by the others. All are different. Another
    program may take one before its process does; that process then says so and ends.
    """
    named = [f"HOLDFAST_{name.upper()}_PORT" for name in names]
    unset = [variable for variable in named if not env.get(variable)]
    zeros = [variable for variable, value in port_variables(env).items() if value == "0"]
    with ExitStack() as stack:
        chosen = {}
        for variable in (*unset, *zeros):
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            chosen[variable] = str(listener.getsockname()[1])
        return chosen


def port_variables(env: Mapping[str, str]) -> dict[str, str]:
    """Answer the ports that the environment sets."""
    return {name: value for name, value in env.items() if _PORT_VARIABLE.fullmatch(name) and value}
