"""`python -m docs.record`: the tables and pictures of the documents, from tracked runs.

Without a word: what is quick and not yet in the store mlruns/record is trained into it (minutes),
then the record and the documents are made anew. record=FOLDER: the runs of another store, of its
experiment `record`, are taken into the record, and nothing is trained.
"""

import sys
from pathlib import Path

from docs.record.document import refill
from docs.record.harvest import harvest
from docs.record.pictures import redraw
from docs.record.recipes import EXPERIMENT, train_lacking
from docs.record.record import RECORD, merged, read_record, write_record
from src.config.settings import Tracking
from src.errors import ConfigError, TrainingFailed, UserError
from src.tracking.queries import StoredRuns
from src.tracking.store import open_existing_store, open_store

ROOT = RECORD.parents[2]
DOCUMENTS = (ROOT / "docs" / "results.md", ROOT / "README.md")
OWN_STORE = Path("mlruns/record")


def main(arguments: list[str]) -> None:
    """Make record, pictures and documents; raises UserError or TrainingFailed."""
    folder = _asked(arguments)
    settings = Tracking(folder=folder or OWN_STORE, experiment=EXPERIMENT)
    store = open_existing_store(settings) if folder else open_store(settings)
    new = harvest(StoredRuns(store))
    if folder is None and train_lacking(settings, new):
        new = harvest(StoredRuns(store))
    stored, old = StoredRuns(store), read_record(RECORD)
    if new.empty:
        raise ConfigError(
            f"record={settings.folder}: no finished run of experiment {EXPERIMENT!r} there is one "
            "of conf/experiment/; train some with tracking.experiment=record"
        )
    record = merged(old, new)
    write_record(RECORD, record)
    changed = [
        *redraw(stored, new[~new["run_id"].isin(old["run_id"])]),
        *(path for path in DOCUMENTS if refill(path, read_record(RECORD))),
    ]
    print(f"{len(record)} runs in {RECORD.relative_to(ROOT)}, {len(new)} of them in this store")
    print("\n".join(f"made anew: {path.relative_to(ROOT)}" for path in changed) or "nothing new")


def _asked(arguments: list[str]) -> Path | None:
    match [argument.partition("=") for argument in arguments]:
        case []:
            return None
        case [("record", "=", folder)] if folder:
            return Path(folder)
    raise ConfigError(f"`{' '.join(arguments)}`: takes nothing, or record=FOLDER, a store")


try:
    main(sys.argv[1:])
except UserError as mistake:
    print(f"error: {mistake}", file=sys.stderr)
    sys.exit(2)
except TrainingFailed as failure:
    sys.exit(str(failure))
