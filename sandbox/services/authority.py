"""The private certificate authority of one sandbox: it signs for every host name that the front answers as."""

import datetime as dt
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=30)  # no sandbox lives longer
PEM = serialization.Encoding.PEM


class Authority:
    """Made once per sandbox and kept in `directory` (ca.pem, ca.key)."""

    def __init__(self, directory: Path) -> None:
        self.certificate_file = directory / "ca.pem"
        self.key_file = directory / "ca.key"
        if not self.key_file.exists():
            _create(self.certificate_file, self.key_file)
        self.certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        key = serialization.load_pem_private_key(self.key_file.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self.key_file}: not the elliptic-curve key that this sandbox made")
        self.key = key
        self._contexts: dict[str, ssl.SSLContext] = {}

    def issue(self, *names: str) -> tuple[bytes, bytes]:
        """Certificate and key, PEM, for a server with these host names."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        certificate = (
            _builder(names[0], self.certificate.subject, key.public_key())
            .add_extension(alternatives, critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(PEM), _private_pem(key)

    def server_context(self) -> ssl.SSLContext:
        """A TLS context that answers with a certificate for whatever name the client asks for."""

        def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            if name is not None:
                connection.context = self._context(name)

        context = self._context("localhost")
        context.sni_callback = choose
        return context

    def _context(self, name: str) -> ssl.SSLContext:
        if name not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.NamedTemporaryFile() as chain:  # the ssl module loads from files only
                chain.write(b"".join(self.issue(name)))
                chain.flush()
                context.load_cert_chain(chain.name)
            self._contexts[name] = context
        return self._contexts[name]


def _create(certificate_file: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = "Open WebUI sandbox authority"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_file.parent.mkdir(parents=True, exist_ok=True)
    certificate_file.write_bytes(certificate.public_bytes(PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(_private_pem(key))


def _builder(name: str, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
