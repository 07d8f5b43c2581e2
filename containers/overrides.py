"""What is added to the compose files while they are tested: small loads, another port, a glitch."""

from collections.abc import Sequence

from containers.settings import DEFAULT_PORT, Settings

VAULTS = ("vault1", "vault2", "vault3")
HOME_SERVERS = (*VAULTS, "control")
PLATFORM_SERVERS = (*VAULTS, "control1", "control2")
TIMELINE = "/var/lib/glitchgrid-timeline"
LAUNCHER = "glitchgrid.lab.register.processes.launcher"


def home_override(settings: Settings) -> str:
    """For ``docker-compose.yml``."""
    more: dict[str, list[str]] = {"workload": ["environment: {NUM_STEPS: '20', START_DELAY: '20', FINAL_DELAY: '3'}"]}
    if settings.port != DEFAULT_PORT:
        more["control"] = [f"ports: !override ['127.0.0.1:{settings.port}:{DEFAULT_PORT}']"]
    return _services(HOME_SERVERS, settings, more)


def platform_override(settings: Settings) -> str:
    """For ``antithesis/docker-compose.yaml``. On the platform it is the platform that listens to the SDK; here a file
    does."""
    more = {"workload": [f"environment: {{ANTITHESIS_SDK_LOCAL_OUTPUT: {TIMELINE}/sdk.jsonl}}"]}
    return _services(PLATFORM_SERVERS, settings, more)


def _services(servers: Sequence[str], settings: Settings, more: dict[str, list[str]]) -> str:
    lines = {name: list(each) for name, each in more.items()}
    if settings.glitch is not None:
        entrypoint = f"entrypoint: [python, -m, {LAUNCHER}, '{settings.glitch}', --nodaemon, --pidfile=]"
        for name in servers:
            lines.setdefault(name, []).append(entrypoint)
    text = ["services:"]
    for name in sorted(lines):
        text += [f"  {name}:", *(f"    {line}" for line in lines[name])]
    return "\n".join(text) + "\n"
