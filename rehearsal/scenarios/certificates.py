"""Group 8. Certificates that people's browsers would refuse: the gate must refuse them, too."""

import datetime as dt
import ssl
from ipaddress import IPv4Address

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rehearsal.box import Box
from rehearsal.changes import Edit, changed_meanwhile
from rehearsal.scenario import Figures, Group, expect, scenario
from sandbox.services.authority import Authority

# Instead of a minute and a half that the authority is given, and half a minute for the fallback.
AT_ONCE = (
    Edit("provisioning/box/owbox/ready.py", "PUBLIC_S = 90", "PUBLIC_S = 6"),
    Edit("provisioning/box/owbox/ready.py", '"the fallback certificate", 30', '"the fallback certificate", 3'),
)
# Caddy serves these two files and asks nobody for others.
SERVE = """
set -eu
umask 027
cat >/srv/open-webui/caddy/rehearsal.crt <<'END'
{certificate}END
cat >/srv/open-webui/caddy/rehearsal.key <<'END'
{key}END
chown owbox-caddy /srv/open-webui/caddy/rehearsal.*
python3 - <<'END'
import json, pathlib
path = pathlib.Path("/run/open-webui-box/caddy.json")
config = json.loads(path.read_text())
files = [{{"certificate": "/srv/open-webui/caddy/rehearsal.crt", "key": "/srv/open-webui/caddy/rehearsal.key"}}]
config["apps"]["tls"]["certificates"] = {{"load_files": files}}
config["apps"]["http"]["servers"]["public"]["automatic_https"] = {{"disable_certificates": True}}
path.write_text(json.dumps(config))
END
systemctl restart owbox-caddy
"""


def certificate(host: str, authority: Authority | None, until: dt.datetime) -> dict[str, str]:
    """A certificate for an address with its key, PEM; `authority` None: one's own word."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Somebody else")])
    signer = authority.key if authority else key
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.certificate.subject if authority else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - dt.timedelta(days=6))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(host))]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(pem, form, serialization.NoEncryption())
    return {"certificate": built.public_bytes(pem).decode(), "key": secret.decode()}


def refused(box: Box, served: dict[str, str], told: str) -> Figures:
    """A browser and the gate must refuse what Caddy serves, and the gate must say why."""
    box.run(SERVE.format(**served))
    trust = ssl.create_default_context(cafile=str(box.store.authority / "ca.pem"))
    try:
        httpx.get(box.address, verify=trust)
    except httpx.ConnectError as error:
        expect(told in str(error), f"a browser says: {error}")
    else:
        expect(False, "a browser takes the certificate: the scenario shows nothing")
    with changed_meanwhile(box, *AT_ONCE):
        code, journal = box.step("ready", timeout_s=200)
    expect(code != 0, f"the gate is content: {journal}")
    expect(told in journal, f"expected {told!r} in the gate's journal: {journal}")
    said = box.said()
    expect("certificate" in said["reason"], f"{said}")
    return {"reason": said["reason"], "journal": next(line for line in journal.splitlines() if told in line)[:300]}


@scenario("a certificate of somebody else's is noticed by the gate", Group.SECURITY, spoils=True)
def foreign(box: Box) -> Figures:
    """Broken by: ready.trusted with a context that does not verify."""
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=5)
    return refused(box, certificate(box.host, None, until), "self-signed certificate")


@scenario("an expired certificate is noticed by the gate", Group.SECURITY, spoils=True)
def expired(box: Box) -> Figures:
    """Broken by: ready.trusted with a context that does not verify."""
    authority = Authority(box.store.authority)  # the machine trusts it
    until = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    return refused(box, certificate(box.host, authority, until), "certificate has expired")
