"""Group 8. What a stranger, a container, a service's user and a curious neighbour can reach or read."""

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence

from rehearsal.box import Box
from rehearsal.scenario import Figures, Group, expect, scenario
from rehearsal.service import Service
from sandbox.network import METADATA, Ranges, inside, region_namespace, slot_of
from sandbox.session import NAMESPACE, directory

PORTS = sorted({*range(1, 1024), 2019, 2375, 2376, 3000, 3389, 5432, 6379, 8000, 8080, 8443, 9090, 10250, 11434})
CONNECT_S = 1.0
AT_ONCE = 500  # a process may have 1024 files open, by default
STRANGER = "192.0.2.77"  # of no network that the stack allows


def open_ports(address: str, ports: Sequence[int], source: str = "", namespace: str = "") -> list[int]:
    """Those that accept a connection within a second; a batch is asked at once, as many as a process may have open."""
    return [port for batch in batched(ports, AT_ONCE) for port in _open(address, batch, source, namespace)]


def _open(address: str, ports: Sequence[int], source: str, namespace: str) -> list[int]:
    connecting: dict[int, socket.socket] = {}
    with inside(namespace) if namespace else contextlib.nullcontext():
        for port in ports:
            asked = socket.socket()
            asked.setblocking(False)
            if source:
                asked.bind((source, 0))
            asked.connect_ex((address, port))
            connecting[port] = asked
    time.sleep(CONNECT_S)  # a dropped packet has no event
    found = []
    for port, asked in connecting.items():
        try:
            asked.getpeername()
            found.append(port)
        except OSError:
            continue
        finally:
            asked.close()
    return found


def batched(ports: Sequence[int], size: int) -> list[Sequence[int]]:
    return [ports[start : start + size] for start in range(0, len(ports), size)]


@contextlib.contextmanager
def strange_address(box: Box) -> Iterator[str]:
    """An address on this host's end of the region's cable that is in none of the allowed networks."""
    link = Ranges(slot_of(box.session.name) or 0).link
    subprocess.run(["ip", "address", "add", f"{STRANGER}/32", "dev", link], check=True)
    try:
        yield STRANGER
    finally:
        subprocess.run(["ip", "address", "del", f"{STRANGER}/32", "dev", link], check=True)


@scenario("from outside, ports 80 and 443 are open and no other", Group.SECURITY, quick=True)
def ports(box: Box) -> Figures:
    """Broken by: a rule in infra/firewall.py for 22 or 11434, or Open WebUI published on 0.0.0.0 behind it."""
    found = open_ports(box.host, PORTS)
    expect(found == [80, 443], f"open: {found}")
    return {"ports asked": len(PORTS), "open": found}


@scenario("a stranger outside the allowed networks reaches port 80 and no other", Group.SECURITY, quick=True)
def stranger(box: Box) -> Figures:
    """Broken by: 0.0.0.0/0 on the rule of 443 in infra/firewall.py."""
    with strange_address(box) as source:
        found = open_ports(box.host, [22, 80, 443, 8080, 11434], source)
    expect(found == [80], f"open to {STRANGER}: {found}")
    return {"open": found}


@scenario("inside the VPC, a neighbour reaches Caddy's two ports and nothing behind it", Group.SECURITY, quick=True)
def neighbour(box: Box) -> None:
    """Broken by: Ollama on 0.0.0.0 with firewall.nft's `policy drop` gone; `publish` without 127.0.0.1.

    The security group is opened to all, so that the box's own firewall is what is asked.
    """
    known = box.store.read_machine(box.instance_id)
    expect(known is not None, "the machine is unknown")
    if known is None:
        return
    everything = known.ingress[0].__class__(protocol="all", ports=(1, 65535), cidr="0.0.0.0/0")
    try:
        box.region.set_ingress(box.instance_id, [everything])
        found = open_ports(known.private_ip, PORTS, namespace=region_namespace(box.session.name))
    finally:
        box.region.set_ingress(box.instance_id, known.ingress)
    expect(found == [80, 443], f"open on the private address: {found}")


@scenario(
    "Open WebUI's container reaches neither the metadata nor a port of the machine but Ollama",
    Group.SECURITY,
    quick=True,
)
def container(box: Box) -> None:
    """Broken by: the forward chain of firewall.nft without 100.100.100.200, or its input without owbox0's drop."""
    probe = (
        "import socket,sys\n"
        "def open_(host, port):\n"
        "    s = socket.socket(); s.settimeout(2)\n"
        "    try: s.connect((host, port)); return True\n"
        "    except OSError: return False\n"
        f"print([p for p in ('{METADATA}:80','198.18.11.1:11434','198.18.11.1:22','198.18.11.1:443')"
        " if open_(*(lambda a: (a[0], int(a[1])))(p.split(':')))])\n"
    )
    found = box.run(f"docker exec -i open-webui python3 - <<'END'\n{probe}END").strip()
    expect(found == "['198.18.11.1:11434']", f"reachable from the container: {found}")


@scenario("only root reads the instance's metadata: Ollama's and Caddy's users do not", Group.SECURITY, quick=True)
def metadata(box: Box) -> None:
    """Broken by: `meta skuid != 0 reject` taken from firewall.nft."""
    ask = (
        "import urllib.request as r\n"
        f"q = r.Request('http://{METADATA}/latest/api/token', method='PUT')\n"
        "q.add_header('X-aliyun-ecs-metadata-token-ttl-seconds', '60')\n"
        "print(len(r.urlopen(q, timeout=3).read()))"
    )
    box.run(f"cat >/tmp/rehearsal.py <<'END'\n{ask}\nEND")
    command = "python3 /tmp/rehearsal.py"
    code, told = box.attempt(command)
    expect(code == 0, f"root itself does not: the scenario shows nothing: {told}")
    for user in ("ollama", "owbox-caddy", "nobody"):
        code, told = box.attempt(f"setpriv --reuid={user} --clear-groups {command}")
        expect(code != 0, f"{user} gets a token of the metadata service: {told}")


SEARCH = r"""
set -u
needle() { python3 - "$1" <<'END'
import json, sys
secrets = json.load(open('/run/open-webui-box/secrets.json'))
print({'admin': secrets['admin_password'], 'backend': next(iter(secrets['backend_keys'].values())),
       'session': open('/srv/open-webui/secret-key').read().strip()}[sys.argv[1]], end='')
END
}
found=0
tell() { echo "$1: the $2 secret"; found=1; }
for which in admin backend session; do
    needle $which >/run/rehearsal-needle; chmod 600 /run/rehearsal-needle
    test -s /run/rehearsal-needle || { echo "no $which secret to look for"; exit 2; }
    journalctl --no-pager -o export | grep -qaFf /run/rehearsal-needle && tell journal $which
    for p in /proc/[0-9]*/cmdline; do
        tr '\0' ' ' <$p 2>/dev/null | grep -qaFf /run/rehearsal-needle && tell $p $which
    done
    for u in ollama owbox-caddy nobody; do
        for p in $(pgrep -u $u); do
            grep -qaFf /run/rehearsal-needle /proc/$p/environ 2>/dev/null && tell /proc/$p $which
        done
    done
    docker inspect open-webui 2>/dev/null | grep -qaFf /run/rehearsal-needle && tell "docker inspect" $which
    docker image inspect $(docker image ls -q) | grep -qaFf /run/rehearsal-needle && tell "the image" $which
    grep -raqFf /run/rehearsal-needle /var/lib/cloud /opt/open-webui-box /etc /tmp /var/log /var/lib/open-webui-box \
        2>/dev/null && tell "a file of the system" $which
    find / /run /tmp /srv/open-webui -xdev -path /usr -prune -o \
        -type f -perm /o=r -size -2000k -newer /etc/hostname -print0 2>/dev/null |
        xargs -0 -r grep -laFf /run/rehearsal-needle 2>/dev/null | grep . && tell "a world-readable file" $which
done
rm /run/rehearsal-needle
exit $found
"""


@scenario(
    "no secret is in the journal, a command line, an image, a readable file, the user-data or the state",
    Group.SECURITY,
    quick=True,
)
def secrets(box: Box) -> None:
    """Broken by: services.open_webui that passes --env instead of a mounted file, or cli.secrets without mode 0600."""
    code, told = box.attempt(SEARCH, 180)
    expect(code == 0, f"found in {told}")
    password = box.outputs["adminPassword"].encode()
    user_data = box.store.user_data(box.instance_id).read_bytes()
    expect(password not in user_data, "the admin's password is in the user-data")
    for path in (directory(box.session.name) / "engine").rglob("*"):
        if path.is_file():
            expect(password not in path.read_bytes(), f"the admin's password is in clear in {path}")
    expect(f"{NAMESPACE}:adminPassword" not in user_data.decode(), "the configuration's key is in the user-data")


@scenario(
    "the page carries its security headers, and the session's cookie is out of scripts' reach",
    Group.SECURITY,
    quick=True,
)
def headers(box: Box) -> None:
    """Broken by: the headers handler, or WEBUI_AUTH_COOKIE_* and WEBUI_SESSION_COOKIE_*, taken from services.py."""
    service = box.service()
    with service.client() as client:
        page = client.get("/")
        who = {"email": box.outputs["adminEmail"], "password": box.outputs["adminPassword"]}
        signed_in = client.post("/api/v1/auths/signin", json=who)
    for name, value in {
        "strict-transport-security": "max-age=31536000",
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
        "referrer-policy": "strict-origin-when-cross-origin",
    }.items():
        expect(page.headers.get(name) == value, f"{name}: {page.headers.get(name)}")
    expect("server" not in page.headers or "caddy" not in page.headers["server"].lower(), "Caddy says who it is")
    cookies = [value.lower() for value in signed_in.headers.get_list("set-cookie") if value.startswith("token=")]
    expect(cookies, "no cookie is set")
    for part in ("httponly", "secure", "samesite=strict"):
        expect(all(part in cookie for cookie in cookies), f"{part} is missing in {len(cookies)} cookies")


@scenario(
    "guessing a password is slowed down: the sixteenth attempt is refused unread",
    Group.SECURITY,
    quick=True,
)
def rate_limit(box: Box) -> Figures:
    """Broken by: sign-in by a header (WEBUI_AUTH_TRUSTED_EMAIL_HEADER), for which Open WebUI has no limit."""
    with Service(box.address, box.region.ca_file).client() as client:
        who = {"email": "guess@example.com", "password": "wrong"}
        answers = [client.post("/api/v1/auths/signin", json=who).status_code for _ in range(17)]
    expect(set(answers[:15]) == {400}, f"{answers}")
    expect(answers[-1] == 429, f"no limit: {answers}")
    return {"answers": str(answers)}


TRICKS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("GET", "/", {"Host": "127.0.0.1"}),
    ("GET", "/", {"Host": "localhost:8080"}),
    ("GET", "/", {"Host": "evil.example"}),
    ("GET", "/", {"Host": METADATA}),
    ("GET", "/config/", {"Host": "unix"}),
    ("GET", "http://198.18.11.1:11434/api/tags", {}),
    ("CONNECT", "198.18.11.1:11434", {}),
)
PATHS = (
    "/../../../../etc/passwd",
    "/static/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/static/%252e%252e%252f%252e%252e%252fetc%252fpasswd",
    "/cache/..%5c..%5cwebui.db",
    "//etc/passwd",
)
CLOSED = ("/ollama/api/tags", "/ollama/api/ps", "/api/models", "/api/v1/users/all", "/openai/models", "/api/v1/files/")


def ask(box: Box, method: str, target: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """A request as it is, with no client to tidy it."""
    trust = ssl.create_default_context(cafile=str(box.region.ca_file))
    connection = http.client.HTTPSConnection(box.host, context=trust, timeout=30)
    try:
        connection.putrequest(method, target, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(4000)
    finally:
        connection.close()


@scenario(
    "tricks with hosts and paths reach nothing behind Caddy that is not Open WebUI's own page",
    Group.SECURITY,
    quick=True,
)
def tricks(box: Box) -> Figures:
    """Broken by: the host matcher taken from services.caddy_configuration, or a file server beside the proxy."""
    for method, target, head in TRICKS:
        status, body = ask(box, method, target, head)
        expect(status >= 400, f"{method} {target} {head}: {status}")
        expect(b"models" not in body, f"{method} {target} {head}: {body[:200]!r}")
    for path in PATHS:
        status, body = ask(box, "GET", path, {})
        expect(b"root:" not in body and b"SQLite" not in body, f"{path}: {status} {body[:200]!r}")
    for path in CLOSED:
        status, _ = ask(box, "GET", path, {})
        expect(status in (401, 403), f"{path} without a session: {status}")
    return {"tricks": len(TRICKS) + len(PATHS) + len(CLOSED)}


@scenario("the container runs without privileges: no capability, read-only, no new ones", Group.SECURITY, quick=True)
def unprivileged(box: Box) -> None:
    """Broken by: cap-drop, read-only or no-new-privileges taken from services.open_webui."""
    host = json.loads(box.run("docker inspect -f '{{json .HostConfig}}' open-webui"))
    expect(host["CapDrop"] == ["ALL"] and not host["CapAdd"], f"{host['CapDrop']} {host['CapAdd']}")
    expect(host["ReadonlyRootfs"], "its root is writable")
    expect("no-new-privileges" in host["SecurityOpt"], f"{host['SecurityOpt']}")
    expect(not host["Privileged"], "it is privileged")
    effective = box.run("docker exec open-webui grep CapEff /proc/1/status").split()[-1]
    expect(int(effective, 16) == 0, f"capabilities: {effective}")
    expect(box.attempt("docker exec open-webui touch /etc/x")[0] != 0, "its /etc can be written")
