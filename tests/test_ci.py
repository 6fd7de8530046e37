"""The scripts that CI runs, against a forge and an engine on this machine, and the workflows that call them."""

import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import traceback
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from Tea.core import TeaCore  # type: ignore[import-untyped]  # the package ships no types
from Tea.exceptions import RetryError  # type: ignore[import-untyped]  # as above

from ops.program import ROOT
from sandbox import engine, host
from scripts.ci import cli, comment, drift, with_role
from scripts.ci.forge import ForgeError, from_environment
from tests.engine import copy_program

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SECRETS = re.compile(r"secrets\.|github\.token|GITHUB_TOKEN|id-token")


def workflow(name: str) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows" / f"{name}.yml").read_text())
    return content


def steps(content: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in content["jobs"].values() for step in job["steps"]]


# --- the offline preview of a pull request ---------------------------------------------------------------------------


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A clone whose last commit is what a pull request changes."""
    root = tmp_path / "fork"
    root.mkdir()
    copy_program(root)
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for stack in root.glob("Pulumi.?*.yaml"):
        if stack.name != "Pulumi.dev.yaml":
            stack.unlink()
    (root / "policy/stacks.yaml").write_text("stacks: {}\n")  # it may name only stacks that there are
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message=base")
    return root


def change(root: Path, before: str, after: str) -> None:
    stack = root / "Pulumi.dev.yaml"
    text = stack.read_text()
    assert before in text
    stack.write_text(text.replace(before, after))
    git(root, "commit", "--quiet", "--all", "--message=change")


def offline(root: Path, out: Path) -> tuple[int, dict[str, Any]]:
    """What preview.yml runs, with nothing at all in the environment."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.ci.preview", "--base", "HEAD~1", "--out", str(out), "--pull", "7"],
        cwd=root,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads((out / "report.json").read_text())


def test_a_forks_change_is_previewed_with_an_empty_environment(fork, tmp_path):
    change(fork, "models: [qwen3:8b]", "models: [qwen3:4b]")
    status, report = offline(fork, tmp_path / "out")
    assert (status, report["pull"], report["stacks"]["dev"]["status"]) == (0, 7, 0)
    assert "qwen3:8b" in report["stacks"]["dev"]["text"]
    assert "qwen3:4b" in report["stacks"]["dev"]["text"]


def test_a_change_that_breaks_a_policy_fails_and_is_told(fork, tmp_path):
    file = fork / "infra" / "gpu_instance.py"
    file.write_text(file.read_text().replace('http_tokens="required"', 'http_tokens="optional"'))
    git(fork, "commit", "--quiet", "--all", "--message=change")
    status, report = offline(fork, tmp_path / "out")
    assert (status, report["stacks"]["dev"]["status"]) == (1, 1)
    assert "policy metadata-needs-token (docs/policies.md): box-instance" in report["stacks"]["dev"]["text"]


def test_a_refused_stack_file_fails_with_its_reasons(fork, tmp_path):
    change(fork, "ecs.gn7i-c8g1.2xlarge", "ecs.vgn7i-vws-m8.2xlarge")
    status, report = offline(fork, tmp_path / "out")
    assert (status, report["stacks"]["dev"]["status"]) == (1, 2)
    assert "a vGPU family" in report["stacks"]["dev"]["text"]


def test_a_stack_file_that_is_removed_or_renamed_is_told_and_fails_nothing(fork, tmp_path):
    git(fork, "mv", "Pulumi.dev.yaml", "Pulumi.trial.yaml")
    git(fork, "commit", "--quiet", "--all", "--message=change")
    status, report = offline(fork, tmp_path / "out")
    assert (status, report["stacks"]["trial"]["status"], report["stacks"]["dev"]["status"]) == (0, 0, 3)
    assert "has no stack 'trial' to compare with" in report["stacks"]["trial"]["text"]
    assert "the running stack stays and is billed until `pulumi destroy`" in report["stacks"]["dev"]["text"]
    text = comment.body({**report, "stacks": {"dev": tuple(report["stacks"]["dev"].values())}})
    assert "<details open><summary><code>dev</code>: its stack file is removed" in text


def test_the_offline_preview_needs_requirements_txt_alone():
    """preview.yml installs nothing else: neither the policy SDK nor the cloud's."""
    absent = ("pulumi_policy", "requests", "alibabacloud_credentials", "alibabacloud_ecs20140526", "Tea", "aiohttp")
    program = f"""
import sys
sys.modules.update(dict.fromkeys({absent!r}))
from scripts.ci import preview, comment, drift
from ops.preview import run
sys.exit(run("dev", None, as_json=True))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- the forge -------------------------------------------------------------------------------------------------------


BOT = "github-actions[bot]"


class FakeForge:
    """Comments and issues of one repository, as GitHub's API shows them."""

    def __init__(self) -> None:
        self.comments: dict[int, str] = {}
        self.strangers: set[int] = set()
        self.issues: list[dict[str, Any]] = []
        self.head = "a" * 40
        self.tokens: set[str | None] = set()

    def comment(self, key: int) -> dict[str, Any]:
        return {"id": key, "body": self.comments[key], "user": {"login": "eve" if key in self.strangers else BOT}}

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        path = path.removeprefix("/repos/o/r/")
        first = path.endswith("&page=1")
        match method, path.split("?")[0].split("/"):
            case "GET", ["issues", _, "comments"]:
                return [self.comment(key) for key in self.comments] if first else []
            case "POST", ["issues", number, "comments"]:
                self.comments[len(self.comments) + 100 * int(number)] = body["body"]
            case "PATCH", ["issues", "comments", key]:
                self.comments[int(key)] = body["body"]
            case "GET", ["issues"]:
                return self.issues if first else []
            case "POST", ["issues"]:
                self.issues.append({"number": len(self.issues) + 1, "user": {"login": BOT}, **body})
            case "GET", ["pulls", _]:
                return {"head": {"sha": self.head}}
            case _:
                return None
        return {}


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeForge]:
    fake = FakeForge()

    class Handler(BaseHTTPRequestHandler):
        def serve(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            fake.tokens.add(self.headers.get("Authorization"))
            found = fake.answer(self.command, self.path, json.loads(self.rfile.read(size) or b"{}"))
            content = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = serve  # noqa: N815 (names of the base class)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    monkeypatch.setenv("GITHUB_TOKEN", "token")
    yield fake
    server.shutdown()
    server.server_close()


def report(tmp_path: Path, text: str = "nothing", status: int = 0, **changes: Any) -> str:
    path = tmp_path / "report.json"
    content = {"base": "b" * 40, "pull": 7, "stacks": {"dev": {"status": status, "text": text}}}
    path.write_text(json.dumps({**content, **changes}))
    return str(path)


def test_a_preview_is_one_comment_that_later_pushes_replace(forge, tmp_path):
    assert comment.main([report(tmp_path, "first"), "--head", "a" * 40]) == 0
    assert comment.main([report(tmp_path, "second"), "--head", "a" * 40]) == 0
    (text,) = forge.comments.values()
    assert "second" in text
    assert "first" not in text
    assert forge.tokens == {"Bearer token"}


def test_other_peoples_comments_are_left_alone(forge, tmp_path):
    forge.comments[1] = f"quoting {comment.MARKER}"
    assert comment.main([report(tmp_path)]) == 0
    assert forge.comments[1] == f"quoting {comment.MARKER}"
    assert len(forge.comments) == 2


def test_a_strangers_comment_that_begins_like_the_preview_is_not_taken_over(forge, tmp_path):
    forge.comments[1] = f"{comment.MARKER} all is well"
    forge.strangers.add(1)
    assert comment.main([report(tmp_path, "first")]) == 0
    assert comment.main([report(tmp_path, "second")]) == 0
    assert forge.comments.pop(1) == f"{comment.MARKER} all is well"
    (own,) = forge.comments.values()
    assert "second" in own


def test_a_report_about_another_commit_than_the_requests_head_is_refused(forge, tmp_path, capsys):
    assert comment.main([report(tmp_path), "--head", "c" * 40]) == 1
    assert forge.comments == {}
    assert "outdated, or not its own" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["```\n@everyone", "````` x ``````\n# title", "</details><script>"])
def test_a_strangers_text_stays_inside_its_code_block(text):
    lines = comment.body({"base": "main", "pull": 1, "stacks": {"dev": (0, text)}}).splitlines()
    quote = comment.fence(text)
    start, end = lines.index(f"{quote}text"), lines.index(quote)
    assert "\n".join(lines[start + 1 : end]) == text
    assert quote not in text


@pytest.mark.parametrize(
    "changes",
    [
        {"stacks": {"<b>": {"status": 0, "text": ""}}},
        {"base": "a b"},
        {"pull": "x"},
        {"stacks": {"dev": {"text": ""}}},
        {"stacks": []},
    ],
)
def test_a_report_that_is_none_is_refused(forge, tmp_path, changes):
    assert comment.main([report(tmp_path, **changes)]) == 1
    assert forge.comments == {}


def test_a_long_preview_is_cut_to_what_the_forge_takes(forge, tmp_path):
    assert comment.main([report(tmp_path, "x" * 200_000)]) == 0
    assert max(map(len, forge.comments.values())) < 65_536


def test_a_stopped_stack_stands_open_with_its_reason():
    text = comment.body({"base": "main", "pull": 1, "stacks": {"dev": (1, "…"), "prod": (0, "…")}})
    assert "<details open><summary><code>dev</code>: stopped by a policy" in text
    assert "<details><summary><code>prod</code></summary>" in text


def test_drift_opens_one_issue_and_adds_to_it_while_it_is_open(forge, tmp_path):
    (tmp_path / "dev.txt").write_text("~ box-instance: status")
    assert drift.main([str(tmp_path)]) == 0
    assert drift.main([str(tmp_path)]) == 0
    assert [issue["title"] for issue in forge.issues] == ["Stack dev differs from its code"]
    assert "~ box-instance: status" in forge.issues[0]["body"]
    assert len(forge.comments) == 1


def test_a_strangers_issue_of_the_same_title_hides_no_drift(forge, tmp_path):
    forge.issues.append({"number": 1, "title": "Stack dev differs from its code", "user": None})
    (tmp_path / "dev.txt").write_text("~ box-instance: status")
    assert drift.main([str(tmp_path)]) == 0
    assert len(forge.issues) == 2


def test_the_remedy_for_drift_is_one_that_looks_at_the_cloud(forge, tmp_path):
    (tmp_path / "dev.txt").write_text("~ box-instance: status")
    assert drift.main([str(tmp_path)]) == 0
    assert "`pulumi up --refresh --stack dev`" in forge.issues[0]["body"]


def test_no_drift_is_no_issue(forge, tmp_path):
    assert drift.main([str(tmp_path)]) == 0
    assert forge.issues == []


def test_a_refusal_of_the_forge_is_told(forge):
    with pytest.raises(ForgeError, match="GET nothing: 404"):
        from_environment().call("GET", "nothing")


def test_gitlab_is_spoken_to_where_the_job_runs_there(monkeypatch):
    for name in [name for name in os.environ if name.startswith("GITHUB")]:
        monkeypatch.delenv(name)
    with pytest.raises(ForgeError, match="neither GITHUB_REPOSITORY nor CI_PROJECT_ID"):
        from_environment()
    for name, value in {"CI_API_V4_URL": "https://x/api/v4", "CI_PROJECT_ID": "5", "GITLAB_TOKEN": "glpat"}.items():
        monkeypatch.setenv(name, value)
    found = from_environment()
    assert "glpat" not in repr(found)


def test_on_gitlab_the_comment_is_that_of_the_tokens_own_user(monkeypatch):
    comments = [{"id": 1, "body": comment.MARKER, "author": {"username": "eve"}}]
    sent: list[tuple[str, str]] = []

    def answer(request: Any, timeout: int) -> io.BytesIO:
        path = request.full_url.removeprefix("https://x/api/v4")
        assert request.headers["Private-token"] == "glpat"
        if path == "/user":
            return io.BytesIO(b'{"username": "project_5_bot"}')
        if request.method == "GET":
            return io.BytesIO(json.dumps(comments if path.endswith("&page=1") else []).encode())
        sent.append((request.method, path))
        return io.BytesIO(b"{}")

    for name in [name for name in os.environ if name.startswith("GITHUB")]:
        monkeypatch.delenv(name)
    for name, value in {"CI_API_V4_URL": "https://x/api/v4", "CI_PROJECT_ID": "5", "GITLAB_TOKEN": "glpat"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(urllib.request, "urlopen", answer)
    from_environment().upsert(3, comment.MARKER, "first")
    comments.append({"id": 2, "body": comment.MARKER, "author": {"username": "project_5_bot"}})
    from_environment().upsert(3, comment.MARKER, "second")
    assert sent == [
        ("POST", "/projects/5/merge_requests/3/notes"),
        ("PUT", "/projects/5/merge_requests/3/notes/2"),
    ]


# --- the real engine -------------------------------------------------------------------------------------------------


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that write down how they were called; DRIFT makes the engine find a difference."""
    folder = tmp_path / "bin"
    folder.mkdir()
    called = tmp_path / "called"
    scripts = {
        "pulumi": f'echo "$*" >>{called}\ncase "$*" in *expect-no*) echo "~ tags"; exit "${{DRIFT:-0}}" ;; esac',
        "gh": f'echo "$*" >>{called}\ncase $1 in api) printf "preview\\ndrift-dev\\n" ;; esac',
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///tmp/state")
    return called


def run(script: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts/ci" / script, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("preview", "preview --stack dev --non-interactive --policy-pack policy --diff"),
        ("up", "up --stack dev --non-interactive --policy-pack policy --yes"),
    ],
)
def test_the_engine_runs_with_the_policy_pack_after_the_offline_preview(tools, action, call):
    done = run("pulumi.sh", action, "dev")
    assert done.returncode == 0
    assert "user-data" in done.stdout
    assert tools.read_text().splitlines() == ["login --non-interactive file:///tmp/state", call]


@pytest.mark.parametrize("action", ["preview", "up"])
def test_the_engine_is_not_started_where_the_offline_preview_finds_a_mandatory_rule_broken(fork, tools, action):
    (fork / ".venv").symlink_to(sys.prefix)
    file = fork / "infra" / "gpu_instance.py"
    file.write_text(file.read_text().replace('http_tokens="required"', 'http_tokens="optional"'))
    done = run("pulumi.sh", action, "dev", cwd=fork)
    assert done.returncode == 1
    assert "policy metadata-needs-token" in done.stderr
    assert not tools.exists()


def test_drift_is_reported_in_a_file_and_its_absence_in_none(tools, tmp_path, monkeypatch):
    found = tmp_path / "drift" / "dev.txt"
    assert run("pulumi.sh", "drift", "dev", str(found)).returncode == 0
    assert not found.exists()
    monkeypatch.setenv("DRIFT", "255")
    assert run("pulumi.sh", "drift", "dev", str(found)).returncode == 0
    assert found.read_text() == "~ tags\n"
    assert "--refresh --expect-no-changes" in tools.read_text()


def test_the_engine_is_not_started_without_a_backend_or_with_another_word(tools, monkeypatch):
    assert run("pulumi.sh", "destroy", "dev").returncode == 64
    assert run("pulumi.sh", "up").returncode == 64
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    assert "where is the state?" in run("pulumi.sh", "up", "dev").stderr
    assert "up --stack" not in (tools.read_text() if tools.exists() else "")


def test_only_drift_reports_are_fetched(tools, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
    assert run("fetch_reports.sh", "12", "reports", cwd=tmp_path).returncode == 0
    assert [line for line in tools.read_text().splitlines() if "download" in line] == [
        "run download 12 --name drift-dev --dir reports"
    ]


# --- the role --------------------------------------------------------------------------------------------------------


def test_the_command_gets_the_roles_credentials_and_loses_the_means_to_others(monkeypatch):
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer")
    monkeypatch.setenv("OIDC_TOKEN", "jwt")
    started: list[Any] = []
    monkeypatch.setattr(with_role, "credentials", lambda _: {"ALIBABA_CLOUD_SECURITY_TOKEN": "sts"})
    monkeypatch.setattr(os, "execvpe", lambda *call: started.append(call))
    with_role.main(["pulumi", "up"])
    ((program, command, environment),) = started
    assert (program, command) == ("pulumi", ["pulumi", "up"])
    assert environment["ALIBABA_CLOUD_SECURITY_TOKEN"] == "sts"
    assert not {"OIDC_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"} & environment.keys()


def test_githubs_identity_is_asked_for_with_the_clouds_audience():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = json.dumps({"value": f"{self.path} {self.headers['Authorization']}"})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(asked.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.handle_request, daemon=True).start()
    token = with_role.identity_token(
        {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/token?v=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer",
        }
    )
    server.server_close()
    assert token == "/token?v=1&audience=sts.aliyuncs.com Bearer bearer"


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The cloud's token service: what it was asked; the role allows two hours."""
    asked: list[dict[str, str]] = []

    def answer(request: Any, _options: Any) -> SimpleNamespace:
        asked.append({**request.query, "host": request.headers["host"]})
        if int(request.query["DurationSeconds"]) > 7200:
            return SimpleNamespace(status_code=400, body=b'{"Code": "InvalidParameter.DurationSeconds"}')
        given = {"AccessKeyId": "STS.id", "AccessKeySecret": "key", "SecurityToken": "sts"}
        given["Expiration"] = "2099-01-01T00:00:00Z"
        return SimpleNamespace(status_code=200, body=json.dumps({"Credentials": given}).encode())

    monkeypatch.setattr(TeaCore, "do_action", answer)
    return asked


IDENTITY = {
    "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/deployer",
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/github",
    "OIDC_TOKEN": "jwt",
}


@pytest.mark.parametrize(("given", "seconds"), [({}, "3600"), ({"ROLE_SESSION_SECONDS": "7200"}, "7200")])
def test_the_role_is_taken_with_the_identity_for_as_long_as_is_asked(sts, given, seconds):
    assert with_role.credentials({**IDENTITY, **given}) == {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "STS.id",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "key",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "sts",
    }
    (asked,) = sts
    assert (asked["Action"], asked["host"]) == ("AssumeRoleWithOIDC", "sts.aliyuncs.com")
    assert (asked["RoleArn"], asked["OIDCToken"]) == ("acs:ram::1:role/deployer", "jwt")
    assert asked["DurationSeconds"] == seconds


def test_a_session_longer_than_the_role_allows_is_told_with_its_fix(sts):
    with pytest.raises(with_role.IdentityError, match=r"(?s)role/deployer for 9000 s.*Maximum Session Duration"):
        with_role.credentials({**IDENTITY, "ROLE_SESSION_SECONDS": "9000"})


def test_a_token_service_that_cannot_be_reached_is_told_without_the_token(monkeypatch):
    def lost(request: Any, _options: Any) -> None:
        raise RetryError(f"Max retries exceeded with url: /?OIDCToken={request.query['OIDCToken']}")

    monkeypatch.setattr(TeaCore, "do_action", lost)
    with pytest.raises(with_role.IdentityError, match="cannot be reached") as told:
        with_role.credentials(IDENTITY)
    assert "jwt" not in "".join(traceback.format_exception(told.value))


@pytest.mark.parametrize("text", ["two hours", "60", "-7200"])
def test_a_session_that_is_no_time_is_refused_before_anybody_is_asked(sts, text):
    with pytest.raises(with_role.IdentityError, match="ROLE_SESSION_SECONDS"):
        with_role.credentials({**IDENTITY, "ROLE_SESSION_SECONDS": text})
    assert sts == []


def test_a_deployment_asks_for_two_hours_everywhere():
    example = yaml.safe_load((ROOT / "ci/gitlab-ci.yml").read_text())
    assert example["deploy dev"]["variables"]["ROLE_SESSION_SECONDS"] == "7200"
    environments = [step["env"] for step in steps(workflow("deploy")) if "with_role" in step.get("run", "")]
    assert [one["ROLE_SESSION_SECONDS"] for one in environments] == ["7200"]


def test_what_is_missing_for_a_role_is_named():
    with pytest.raises(with_role.IdentityError, match="id-token: write"):
        with_role.identity_token({})
    with pytest.raises(with_role.IdentityError, match="ALIBABA_CLOUD_OIDC_PROVIDER_ARN not set"):
        with_role.credentials({"ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/x", "OIDC_TOKEN": "jwt"})


# --- the engine for the tests ----------------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was made on a machine that has neither Go nor a Pulumi CLI."""
    done: list[str] = []
    monkeypatch.setattr(engine, "find_cli", lambda: None)
    monkeypatch.setattr(host, "_go_is_new_enough", lambda: False)
    monkeypatch.setattr(host, "_install_go", lambda _: done.append("go"))

    def build(_: object) -> Path:
        done.append("cli")
        return Path("/cache/pulumi")

    monkeypatch.setattr(engine, "build_cli", build)
    return done


def test_the_engine_is_built_with_a_go_of_its_own_where_there_is_neither(made, capsys):
    assert cli.main() == 0
    assert (made, capsys.readouterr().out) == (["go", "cli"], "/cache/pulumi\n")


def test_an_engine_that_is_there_is_taken(made, monkeypatch, capsys):
    monkeypatch.setattr(engine, "find_cli", lambda: Path("/usr/bin/pulumi"))
    assert cli.main() == 0
    assert (made, capsys.readouterr().out) == ([], "/usr/bin/pulumi\n")


def test_an_engine_that_cannot_be_built_fails_with_the_reason(made, monkeypatch, capsys):
    def fail(_: object) -> None:
        raise engine.EngineError("no `go` on PATH")

    monkeypatch.setattr(engine, "build_cli", fail)
    assert cli.main() == 1
    assert "no `go` on PATH" in capsys.readouterr().err


def test_ci_has_the_engine_before_it_runs_the_tests():
    steps = re.findall(r"^step make (\S+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert steps.index("cli") < steps.index("test")


# --- the workflows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_pins_its_actions_and_starts_without_permissions(path):
    text = path.read_text()
    content = yaml.safe_load(text)
    assert content["permissions"] == {}
    for line in text.splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    for job in content["jobs"].values():
        assert {"permissions", "timeout-minutes"} <= job.keys()
    for step in steps(content):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
            assert "ref" not in step["with"]


def test_what_a_fork_can_start_holds_no_secret():
    for name in ("preview", "checks"):
        assert SECRETS.search((ROOT / ".github/workflows" / f"{name}.yml").read_text()) is None
        assert {str(job["permissions"]) for job in workflow(name)["jobs"].values()} == {"{'contents': 'read'}"}


def test_what_may_write_runs_no_code_of_a_request():
    content = workflow("comment")
    assert content[True].keys() == {"workflow_run"}  # PyYAML reads `on` as true
    assert all("install" not in step.get("run", "") and "make" not in step.get("run", "") for step in steps(content))


def test_real_previews_are_for_branches_of_this_repository_only():
    condition = workflow("stacks")["jobs"]["preview"]["if"]
    assert "head.repo.full_name == github.repository" in condition


def test_a_newer_push_stops_the_real_preview_of_its_own_request_and_no_other():
    concurrency = workflow("stacks")["jobs"]["preview"]["concurrency"]
    assert "${{ matrix.stack }}" in concurrency["group"]
    assert "${{ github.event.pull_request.number }}" in concurrency["group"]
    assert concurrency["cancel-in-progress"] is True


def test_drift_is_told_also_when_another_stack_could_not_be_looked_at():
    """GitHub skips a job whose need has failed, unless its condition has a status function."""
    condition = workflow("drift")["jobs"]["tell"]["if"]
    assert condition == "${{ !cancelled() && needs.look.result != 'skipped' }}"


def test_a_deployment_waits_for_its_environment_and_is_never_cut_short():
    job = workflow("deploy")["jobs"]["up"]
    assert job["environment"] == "${{ matrix.stack }}"
    assert job["concurrency"]["cancel-in-progress"] is False


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "ci/gitlab-ci.yml"], ids=lambda path: path.stem)
def test_every_script_that_is_called_exists(path):
    text = path.read_text()
    modules = re.findall(r"-m (scripts(?:\.\w+)+)", text)
    files = [f"{module.replace('.', '/')}.py" for module in modules] + re.findall(r"scripts/ci/\w+\.\w+", text)
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_page_about_ci_names_every_workflow():
    page = (ROOT / "docs/ci.md").read_text()
    assert [path.stem for path in WORKFLOWS if f"\n| {path.stem} |" not in page] == []


def test_the_example_for_gitlab_has_the_same_jobs():
    content = yaml.safe_load((ROOT / "ci/gitlab-ci.yml").read_text())
    assert {"test", "offline preview", "comment", "real preview", "deploy dev", "drift dev"} <= content.keys()


def test_on_gitlab_a_schedule_looks_for_drift_and_deploys_nothing():
    content = yaml.safe_load((ROOT / "ci/gitlab-ci.yml").read_text())
    schedule = '$CI_PIPELINE_SOURCE == "schedule"'
    assert content["deploy dev"]["rules"][0] == {"if": schedule, "when": "never"}
    assert [rule["if"].startswith(schedule) for rule in content["drift dev"]["rules"]] == [True]


def test_on_gitlab_no_rule_asks_for_a_variable_of_an_environment():
    """GitLab's own warning: such a variable may be undefined when the pipeline is made, and the job then missing."""
    content = yaml.safe_load((ROOT / "ci/gitlab-ci.yml").read_text())
    rules = [rule["if"] for job in content.values() if isinstance(job, dict) for rule in job.get("rules", ())]
    assert rules
    assert [rule for rule in rules if "ROLE_ARN" in rule] == []


def test_on_gitlab_the_engines_archive_is_checked_before_it_is_opened():
    steps = yaml.safe_load((ROOT / "ci/gitlab-ci.yml").read_text())[".pulumi"]["before_script"]
    (fetch, check, unpack) = [
        next(i for i, s in enumerate(steps) if w in s) for w in ("curl -f", "sha256sum", "tar -x")
    ]
    assert fetch < check < unpack
    command = ["sh", "-c", steps[check]]
    refused = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "PULUMI_SHA256: is not set" in refused.stderr


def test_deployments_take_the_engine_that_was_tested():
    example = (ROOT / "ci/gitlab-ci.yml").read_text()
    named = [step["with"]["pulumi-version"] for path in WORKFLOWS for step in steps(yaml.safe_load(path.read_text()))
             if "pulumi/actions" in step.get("uses", "")]  # fmt: skip
    assert {*named, *re.findall(r"pulumi-v([0-9.]+)-linux", example)} == {engine.PINNED}
    assert len(named) == 3
