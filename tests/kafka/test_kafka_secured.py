"""Apache Kafka over TLS with a password: the service gets in with the right ones, and tells nobody."""

from __future__ import annotations

import datetime
import ipaddress
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from aidatalabs_services.runtime.errors import ServiceUnavailable

from .brokers import IN_CI, ApacheKafka, free_port
from .flows import Deployment

pytestmark = pytest.mark.soak  # a broker of its own

PASSWORD = "swordfish-7261"
_SECURED = """\
listeners=BETWEEN://127.0.0.1:{between},SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=BETWEEN://127.0.0.1:{between},SASL_SSL://127.0.0.1:{port}
listener.security.protocol.map=BETWEEN:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BETWEEN
ssl.keystore.type=PEM
ssl.keystore.location={keys}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required user_data="{password}";
"""


class SecuredKafka(ApacheKafka):
    """One node that takes clients over TLS with a password."""

    session_seconds = 6.0

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.authority = directory / "authority.pem"

    def prepare(self) -> None:
        keys = self.directory / "broker.pem"
        if not keys.exists():
            key, certificate = minted()
            self.authority.write_bytes(certificate)
            keys.write_bytes(key + certificate)
        super().prepare()
        config = self.directory / "server.properties"
        own = _SECURED.format(
            between=free_port(), port=self.port, controller=self.controller, keys=keys, password=PASSWORD
        )
        config.write_text(config.read_text() + own)  # the last word on a name counts


def minted() -> tuple[bytes, bytes]:
    """A key and a certificate of it for 127.0.0.1, signed by itself, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    hindrance = ApacheKafka.hindrance()
    if hindrance:
        assert not IN_CI, hindrance
        pytest.skip(hindrance)
    broker = SecuredKafka(tmp_path_factory.mktemp("secured"))
    broker.start()
    yield broker
    broker.stop()


def deployment(secured: SecuredKafka, tmp_path: Path, **changes: object) -> Deployment:
    settings = {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "PLAIN",
        "kafka_sasl_username": "data",
        "kafka_sasl_password": PASSWORD,
        "kafka_tls_authority": secured.authority,
    }
    return Deployment(secured, tmp_path, changes=settings | changes, ack_seconds=5.0)


async def test_rows_come_in_over_tls_with_a_password(secured: SecuredKafka, tmp_path: Path) -> None:
    made = deployment(secured, tmp_path)
    made.ack_seconds = 30.0
    async with made.running() as flow:
        await flow.take("a", 1, 2)
        await flow.stored("a")
    assert made.ids == [1, 2]


@pytest.mark.parametrize("wrong", ["password", "authority"])
async def test_what_is_wrong_is_a_refusal_and_no_secret_is_logged(
    secured: SecuredKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    caplog.set_level(logging.DEBUG)
    other = tmp_path / "other.pem"
    other.write_bytes(minted()[1])
    word: dict[str, object] = {"kafka_sasl_password": PASSWORD + "x"}
    changes = word if wrong == "password" else {"kafka_tls_authority": other}
    async with deployment(secured, tmp_path, **changes).running() as flow:
        with pytest.raises(ServiceUnavailable) as caught:
            await flow.take("a", 1)
    assert PASSWORD not in caplog.text + str(caught.value)
    assert "Kafka is not ready" in caplog.text


def test_a_file_that_is_not_there_is_told_at_the_start(secured: SecuredKafka, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="kafka_tls_authority"):
        deployment(secured, tmp_path, kafka_tls_authority=tmp_path / "none.pem").settings()
