"""Brokers for the tests: the real Apache Kafka, and `noida-db`, a stand-in that comes as a wheel.

Both are started on loopback ports, can be killed and started again on the same data, and end with the test.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("pom.xml")
JARS = ROOT / ".third_party" / "kafka"
IN_CI = os.environ.get("CI") == "true"

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={directory}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
"""
_JAVA = ("java", "-Xmx320m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp")


# Below the ports that systems give to outgoing connections: one must not take it while a broker is down.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port that a broker can come back to."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Broker:
    """A broker process on data of its own; `start` again after `kill` goes on with them."""

    # The shortest time in which it lets a group notice that a worker is gone.
    session_seconds = 6.0

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def words(self) -> list[str]:
        raise NotImplementedError

    def prepare(self) -> None:
        """What has to be done once, before the first start."""

    def start(self) -> None:
        """Returns when it takes connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prepare()
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(self.words(), stdout=log, stderr=log, cwd=self.directory)
        end = time.monotonic() + 180
        while not self.answers():
            assert self._process.poll() is None, (self.directory / "log").read_text()[-3000:]
            assert time.monotonic() < end, "the broker takes no connection"
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it takes a connection now."""
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


class ApacheKafka(Broker):
    """One node of Apache Kafka 4, broker and controller in one process."""

    session_seconds = 1.5

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.controller = free_port()

    @staticmethod
    def has_programs() -> bool:
        """Whether Java and Maven are here."""
        return bool(shutil.which("java") and shutil.which("mvn"))

    @staticmethod
    def hindrance() -> str:
        """Why it cannot run here; fetches its jars from Maven Central where they are missing."""
        if not ApacheKafka.has_programs():
            return "Apache Kafka needs Java 17 and Maven (apt-get install default-jre-headless maven)"
        if not JARS.is_dir():
            part = JARS.with_name(f"kafka.{os.getpid()}.part")
            goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={part}"]
            made = subprocess.run(
                ["mvn", "-B", "-q", "-f", str(POM), *goal], capture_output=True, timeout=300
            )
            if made.returncode:
                shutil.rmtree(part, ignore_errors=True)
                return f"Maven could not fetch Apache Kafka: {made.stdout.decode()[-300:]}"
            try:
                part.rename(JARS)
            except OSError:  # another process was faster
                shutil.rmtree(part)
        return ""

    def prepare(self) -> None:
        config = self.directory / "server.properties"
        if config.exists():
            return
        config.write_text(
            _PROPERTIES.format(port=self.port, controller=self.controller, directory=self.directory)
        )
        words = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(config)]
        subprocess.run([*_JAVA, f"{JARS}/*", *words], check=True, capture_output=True, timeout=60)

    def words(self) -> list[str]:
        return [*_JAVA, f"{JARS}/*", "kafka.Kafka", str(self.directory / "server.properties")]


class NoidaDb(Broker):
    """The stand-in: speaks Kafka's protocol with groups, idempotence and transactions, and is not Kafka.

    Two things it lacks, both times that a client stated and that it does not watch (version 0.2.3):

    - The session of a member. One that was killed stays in its group; where it led it, the next is given no
      partition, the group stands in `CompletingRebalance` (seen for 5 minutes with a session of 6 s; Apache
      Kafka gives the partitions to the next when the session is over). One that leaves is let go.
    - The time of a transaction. What a killed producer left open stays open, and hides from readers all that
      comes behind it, until a producer of the same transactional id comes, as ours does after a restart.
    """

    @staticmethod
    def hindrance() -> str:
        """Why it cannot run here."""
        there = NoidaDb.binary().exists()
        return "" if there else "noida-db is not installed (its wheel is for Linux on x86-64)"

    @staticmethod
    def binary() -> Path:
        """The program itself: a kill of the wheel's script would leave it running."""
        spec = importlib.util.find_spec("noida_db")
        return Path(spec.origin).with_name("noida-db") if spec and spec.origin else Path("noida-db")

    def words(self) -> list[str]:
        folder = str(self.directory / "data")
        return [
            str(self.binary()),
            "start",
            "--data-dir",
            folder,
            "--only",
            "kafka",
            "--kafka-port",
            str(self.port),
        ]
