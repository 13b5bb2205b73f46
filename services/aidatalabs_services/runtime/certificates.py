"""Certificates for the processes of one machine: an authority made for one start, and one identity each.

    mint_certificates(folder, ["platform", "data", "edge", "mesh"])

writes `ca.pem` and, for every name, `<name>.pem` and `<name>.key`. A certificate says who its holder is
twice: as `spiffe://aidatalabs.local/<name>`, which a server reads to know the calling peer, and as
`<name>.aidatalabs.internal`, which a client asks of the server it meant to reach. The authority's own key
exists only while this function runs, so nobody can add an identity later. In a cluster a service mesh does
all this instead, with the same names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aidatalabs_services.runtime.tls import AUTHORITY_FILE, server_name, spiffe_id

_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_LIFE = timedelta(days=398)
_CLOCK_SLACK = timedelta(minutes=5)
_PRIVATE, _PUBLIC = 0o600, 0o644


def mint_certificates(directory: Path, names: Sequence[str]) -> None:
    """Writes an authority's certificate and a certificate with its key (ES256, P-256) for each of `names`.

    `directory` must exist; files of an earlier start are replaced whole. Keys are readable by their owner
    only. Certificates hold for 398 days. Raises ValueError for a name that is no plain lower-case word.
    """
    if wrong := [name for name in names if not _NAME.fullmatch(name)]:
        raise ValueError(f"no names for a certificate: {wrong}")
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(key)
    for name in names:
        own = ec.generate_private_key(ec.SECP256R1())
        certificate = _identity(name, own.public_key(), authority, key)
        _write(directory / f"{name}.key", _private_pem(own), _PRIVATE)
        _write(directory / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM), _PUBLIC)
    _write(directory / AUTHORITY_FILE, authority.public_bytes(serialization.Encoding.PEM), _PUBLIC)


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _common_name("AI Data Labs local mesh")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _identity(
    name: str,
    public: ec.EllipticCurvePublicKey,
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    names = [x509.DNSName(server_name(name)), x509.UniformResourceIdentifier(spiffe_id(name))]
    both_ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return (
        _builder(_common_name(name), authority.subject, public)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + _LIFE)
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Writes beside and renames, so that a reader sees the old file or the new one and never a wide mode."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)
