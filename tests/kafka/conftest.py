"""Brokers for the tests: `broker` runs a test with Apache Kafka and with the stand-in, its name says which.

What needs several workers, or a broker that is killed, uses `apache_kafka` alone: the stand-in keeps a worker
that is gone as the leader of its group, see `NoidaDb`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .brokers import IN_CI, ApacheKafka, Broker, NoidaDb
from .flows import Deployment


def started(kind: type[ApacheKafka | NoidaDb], factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that runs until the tests are over. In CI it is an error where it cannot."""
    hindrance = kind.hindrance()
    if hindrance:
        assert not IN_CI, hindrance
        pytest.skip(hindrance)
    broker = kind(factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    yield from started(ApacheKafka, tmp_path_factory)


@pytest.fixture(scope="session")
def noida_db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    yield from started(NoidaDb, tmp_path_factory)


# The stand-in takes its place where Apache Kafka cannot run, and stands beside it in the soak.
_BESIDE = (pytest.mark.soak,) if ApacheKafka.has_programs() else ()
_BROKERS = ["apache-kafka", pytest.param("noida-db-as-a-stand-in", marks=_BESIDE)]


@pytest.fixture(params=_BROKERS)
def broker(request: pytest.FixtureRequest) -> Broker:
    name = "apache_kafka" if request.param == "apache-kafka" else "noida_db"
    found: Broker = request.getfixturevalue(name)
    return found


@pytest.fixture
def deployment(broker: Broker, tmp_path: Path) -> Deployment:
    return Deployment(broker, tmp_path)


@pytest.fixture
def on_apache_kafka(apache_kafka: Broker, tmp_path: Path) -> Deployment:
    return Deployment(apache_kafka, tmp_path)
