"""`ops open` and `ops password`: the way in."""

import webbrowser

from infra.box import secret_parameter
from infra.settings import ADMIN_PASSWORD
from ops import instance, stack_settings, terminal
from ops.cloud.client import Cloud, dig
from ops.cloud.errors import NotPossibleError, OpsError


def run_open(stack: str, *, as_json: bool) -> int:
    """Open the service in a browser, and print its address."""

    def command() -> int:
        settings = stack_settings.load(stack)
        found = instance.required(Cloud(settings.region, stack=settings.stack), settings)
        url = instance.address(settings, found)
        if url is None:
            raise NotPossibleError(f"{found.id} has no public address\n    fix: pulumi up --stack {stack}")
        opened = False if as_json else webbrowser.open(url)
        document = {"stack": stack, "address": url, "email": settings.admin.email}
        text = f"{url}{'' if opened else ' (no browser here: open it yourself)'}\nsign in as {settings.admin.email}"
        terminal.emit(document, lambda _: text, as_json=as_json, following=f"python -m ops password --stack {stack}")
        return terminal.OK

    return terminal.guarded(command)


def run_password(stack: str, *, yes: bool, as_json: bool) -> int:
    """Print the administrator's password, after asking."""

    def command() -> int:
        settings = stack_settings.load(stack)
        name = secret_parameter(settings, ADMIN_PASSWORD)
        terminal.confirm(f"the password of {settings.admin.email} will be shown here in clear", yes=yes)
        cloud = Cloud(settings.region, stack=settings.stack)
        with terminal.doing("asking for the password"):
            body = cloud.call(
                "oos", "GetSecretParameter", RegionId=settings.region, Name=name, WithDecryption=True
            ).body
        value = dig(body, "Parameter", "Value")
        if not value:
            raise OpsError(
                f"the parameter {name} came without its value\n    fix: kms:GetSecretValue and kms:Decrypt are needed"
            )
        document, following = {"email": settings.admin.email, "password": value}, f"python -m ops open --stack {stack}"
        following = f"{following}, sign in as {settings.admin.email}"
        terminal.emit(document, lambda _: str(value), as_json=as_json, following=following)
        return terminal.OK

    return terminal.guarded(command)
