"""`python -m tests.questions PACK_DIR PREDICTIONS.jsonl`: what a pack's predictions are worth.

With `--check` instead of predictions it tries the pack itself: its right answers against each other.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.questions.checkup import faults
from tests.questions.packs import AnswerKey, read_predictions
from tests.questions.report import as_data, record, told
from tests.questions.scoring import score


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.questions", description=__doc__)
    parser.add_argument("pack", type=Path, help="folder with pack.json, cases.json and databases/")
    parser.add_argument("predictions", type=Path, nargs="?", help="what `aidatalabs eval` wrote")
    parser.add_argument("--out", type=Path, help="write the whole report as JSON here")
    parser.add_argument("--failures", type=Path, help="write one line here for each case that went wrong")
    parser.add_argument("--constructs", action="store_true", help="tell the accuracy by construct, too")
    parser.add_argument("--check", action="store_true", help="try the pack's own right answers")
    return parser.parse_args()


def _main() -> int:
    asked = _read_arguments()
    key = AnswerKey.read(asked.pack)
    if asked.check:
        found = faults(key)
        sys.stdout.write("".join(f"{fault}\n" for fault in found) or f"{key.name}: nothing is wrong\n")
        return 1 if found else 0
    if asked.predictions is None:
        sys.stderr.write("Name the predictions' file, or say --check.\n")
        return 2
    scored = score(key, read_predictions(asked.predictions))
    if asked.out:
        asked.out.write_text(json.dumps(as_data(key, scored), indent=1) + "\n")
    if asked.failures:
        bad = [json.dumps(record(one), ensure_ascii=False) for one in scored if not one.is_good]
        asked.failures.write_text("".join(line + "\n" for line in bad))
    sys.stdout.write(told(key, scored, with_constructs=asked.constructs))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
