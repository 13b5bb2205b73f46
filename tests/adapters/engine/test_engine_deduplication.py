from __future__ import annotations

from pathlib import Path

from aidatalabs_services.data.engine.deduplication import forget_unfinished


def test_a_token_whose_part_never_came_is_forgotten_and_all_others_stay(tmp_path: Path) -> None:
    table = tmp_path / "a1c" / "a1c2d12f"
    logs = table / "deduplication_logs"
    logs.mkdir(parents=True)
    for part in ("1_1_3_1", "0_2_2_0", "tmp_insert_0_4_4_0", "detached"):
        (table / part).mkdir()
    log = logs / "deduplication_log_1.txt"
    lines = ["1\t1_1_1_0\tmerged\n", "1\t0_2_2_0\twhole\n", "1\t0_4_4_0\tcut off\n", "2\t1_9_9_0\tdropped\n"]
    log.write_text("".join(lines))
    assert forget_unfinished(tmp_path) == 1
    assert log.read_text() == "".join(line for line in lines if "cut off" not in line)
    assert forget_unfinished(tmp_path) == 0
