import datetime as dt
import json
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from owbox import services

from provisioning.spec import Tls, TlsMode
from tests import boxes
from tests.boxes import spec


def configuration(tmp_path, mode=TlsMode.IP, domain=None):
    tls = Tls(mode=mode, domain=domain, email=None, acme_directory="https://acme.example/directory")
    box = boxes.release(tmp_path, boxes.spec(tls=tls))
    if domain:
        (box.run / "address").write_text(domain)
    return services.caddy_configuration(box)


def issuers(config):
    [policy] = config["apps"]["tls"]["automation"]["policies"]
    return policy["issuers"]


def test_a_bare_address_gets_the_short_lived_profile_and_a_fallback_of_an_hour(tmp_path):
    acme, fallback = issuers(configuration(tmp_path))
    assert (acme["module"], acme["profile"], acme["ca"]) == ("acme", "shortlived", "https://acme.example/directory")
    assert fallback == {"module": "internal", "lifetime": "1h"}


def test_a_domain_gets_an_ordinary_certificate(tmp_path):
    assert "profile" not in issuers(configuration(tmp_path, TlsMode.DOMAIN, "chat.example.com"))[0]


def test_an_internal_certificate_asks_nobody(tmp_path):
    assert issuers(configuration(tmp_path, TlsMode.INTERNAL)) == [{"module": "internal"}]


def test_only_port_80_is_used_for_the_challenge_since_443_is_not_open_to_all(tmp_path):
    assert issuers(configuration(tmp_path))[0]["challenges"] == {"tls-alpn": {"disabled": True}}


def test_other_host_names_are_turned_away(tmp_path):
    server = configuration(tmp_path)["apps"]["http"]["servers"]["public"]
    ours, others = server["routes"]
    assert ours["match"] == [{"host": ["203.0.113.10"]}]
    assert others["handle"] == [{"handler": "error", "status_code": 421}]


def test_uploads_end_at_the_stacks_limit_and_words_are_not_held_back(tmp_path):
    server = configuration(tmp_path)["apps"]["http"]["servers"]["public"]
    handlers = {handler["handler"]: handler for handler in server["routes"][0]["handle"]}
    assert handlers["request_body"]["max_size"] == 100 * 1024 * 1024
    assert handlers["reverse_proxy"]["flush_interval"] == -1
    # uvicorn's own 5 s: the side that sends questions must be the first to give up.
    assert float(handlers["reverse_proxy"]["transport"]["keep_alive"]["idle_timeout"].removesuffix("s")) < 5


def test_another_source_of_certificates_needs_a_restart_and_another_upload_limit_does_not(tmp_path):
    ip, internal = (spec(tls__mode=mode) for mode in (TlsMode.IP, TlsMode.INTERNAL))
    found = [
        services.caddy(boxes.release(tmp_path / str(number), of)).environment["OWBOX_ISSUERS"]
        for number, of in enumerate((ip, internal, spec(limits__upload_mib=1)))
    ]
    assert found[0] != found[1]
    assert found[0] == found[2]


@pytest.mark.parametrize(("mode", "kept"), [(TlsMode.IP, False), (TlsMode.INTERNAL, True)])
def test_a_fallback_that_was_kept_does_not_come_before_the_authoritys_certificate(tmp_path, monkeypatch, mode, kept):
    box = boxes.release(tmp_path, spec(tls__mode=mode))
    ours, theirs = (box.data / "caddy/certificates" / issuer for issuer in ("local", "acme.example-directory"))
    for folder in (ours, theirs):
        folder.mkdir(parents=True)
    monkeypatch.setattr("os.execve", lambda *_: None)
    (box.run / "caddy.json").write_text(json.dumps(services.caddy_configuration(box)))
    services.become(box, "caddy")
    assert (ours.exists(), theirs.exists()) == (kept, True)


def keep(folder, days):
    """A certificate as Caddy keeps it, of so many days from now on."""
    folder.mkdir(parents=True)
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, until - dt.timedelta(days=6), until)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "203.0.113.10.crt").write_bytes(pem)


@pytest.mark.parametrize(
    ("issuer", "days", "fallback"),
    [("acme.example-directory", 3, False), ("acme.example-directory", -1, True), ("local", 3, True)],
)
def test_a_renewal_that_fails_does_not_replace_a_certificate_that_is_valid(tmp_path, issuer, days, fallback):
    box = boxes.release(tmp_path, spec(tls__acme_directory="https://acme.example/directory"))
    (box.run / "caddy.json").write_text(json.dumps(services.caddy_configuration(box)))
    keep(box.data / "caddy/certificates" / issuer / "203.0.113.10", days)
    assert [found["module"] for found in issuers(services.caddy_now(box))] == ["acme", "internal"][: 1 + fallback]


def test_metrics_are_for_this_machine_alone(tmp_path):
    server = configuration(tmp_path)["apps"]["http"]["servers"]["metrics"]
    assert server["listen"] == ["127.0.0.1:9101"]
    assert [route["match"] for route in server["routes"]] == [[{"path": ["/metrics"]}]]


@pytest.mark.parametrize("mode", TlsMode)
def test_caddy_itself_accepts_it(tmp_path, mode, caddy):
    path = tmp_path / "caddy.json"
    path.write_text(json.dumps(configuration(tmp_path, mode, "chat.example.com" if mode is TlsMode.DOMAIN else None)))
    environment = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(
        [caddy, "validate", "--config", path], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def caddy(tmp_path_factory):
    """The sandbox's own build, where it has been made."""
    from sandbox.parts import CACHE  # noqa: PLC0415  (the box's other tests do without the sandbox)

    found = sorted(CACHE.glob("caddy-*/caddy_*_linux_amd64.tar.gz"))
    if not found:
        pytest.skip("the sandbox's Caddy is not built here")
    folder = tmp_path_factory.mktemp("caddy")
    subprocess.run(["tar", "-xf", found[-1], "-C", folder], check=True)
    return folder / "caddy"
