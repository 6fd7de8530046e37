"""The cloud's limits on what is made of the settings, checked before anything is declared."""

import json

from infra import box
from infra.identity import role_policy
from infra.problems import UNSHOWN, Problem, SettingsError
from infra.settings import Settings
from provisioning import release_command, user_data
from provisioning.bundle import TooLargeError
from provisioning.spec import BoxSpec

POLICY_CHARACTERS = 6144  # of a custom policy (help page "Limitations" of RAM, 2025-12)
LARGE = 256  # characters; a shorter value is not worth naming
NAMED = 3


def first_boot(settings: Settings, spec: BoxSpec) -> str:
    """User-data of the instance. Raises SettingsError where it, the release or the role's policy is too large."""
    _check_policy(settings)
    try:
        text = user_data.render(spec)
        release_command.carry(spec)
        release_command.render(spec)
    except TooLargeError as error:
        raise SettingsError(settings.stack, _largest(settings, str(error).split(": ", 1)[0])) from None
    return text


def _check_policy(settings: Settings) -> None:
    names = (box.data_disk_parameter(settings), *(box.secret_parameter(settings, key) for key in settings.secrets))
    policy = role_policy(settings.region, names, reports_readiness=settings.alarms is not None)
    size, keys = len(json.dumps(policy, sort_keys=True)), sorted(settings.secrets)
    if size > POLICY_CHARACTERS:
        raise SettingsError(
            settings.stack,
            [
                Problem(
                    key="open-webui:openWebui.secretEnvironment",
                    value=keys,
                    why=f"the role that may read these {len(keys)} secrets has a policy of {size} characters, "
                    f"the cloud takes {POLICY_CHARACTERS}",
                    fix="name fewer keys here and in openWebui.openaiBackends, or give them shorter names",
                )
            ],
        )


def _largest(settings: Settings, why: str) -> list[Problem]:
    """The stack's own largest values, since the rest of the bundle is the program's."""
    app, ollama = settings.open_webui, settings.ollama
    values = {
        **{f"models[{index}].modelfile": choice.modelfile or "" for index, choice in enumerate(settings.models)},
        **{f"openWebui.environment.{name}": value for name, value in app.environment.items()},
        **{f"ollama.environment.{name}": value for name, value in ollama.environment.items()},
    }
    named = sorted(values, key=lambda path: -len(values[path]))[:NAMED]
    large = [path for path in named if len(values[path]) > LARGE]
    if not large:
        fix = "list fewer models, environment variables and backends"
        return [Problem(key="open-webui:openWebui", value=UNSHOWN, why=why, fix=fix)]
    return [
        Problem(
            key=f"open-webui:{path}", value=values[path], why=why, fix=f"shorten its {len(values[path])} characters"
        )
        for path in large
    ]
