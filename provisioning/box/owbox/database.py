"""Open WebUI's database: saved before another version migrates it one way, put back with the version before."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from owbox.base import Box, StepError, say, write


def path(box: Box) -> Path:
    return box.data / "open-webui/webui.db"


def revisions(box: Box) -> list[str]:
    """What Alembic, which migrates it, has written down of its schema; empty where there is no database yet."""
    if not path(box).exists():
        return []
    try:
        with closing(sqlite3.connect(path(box))) as known:
            return sorted(revision for (revision,) in known.execute("SELECT version_num FROM alembic_version"))
    except sqlite3.Error as error:
        say(f"{path(box)}: {error}")  # Open WebUI itself shall tell what it makes of it
        return []


def back_up(box: Box, target: Path) -> None:
    """A consistent copy, by SQLite's own means."""
    if path(box).exists():
        beside = target.with_suffix(".part")
        beside.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(path(box))) as source, closing(sqlite3.connect(beside)) as copy:
                source.backup(copy)
            beside.chmod(0o600)
            beside.replace(target)
        except (sqlite3.Error, OSError) as error:
            beside.unlink(missing_ok=True)
            raise StepError(f"the database cannot be saved as {target}: {error}") from error
        say(f"database saved as {target}")


def put_back(box: Box, backup: Path) -> None:
    """While Open WebUI is stopped."""
    if backup.exists():
        for suffix in ("-wal", "-shm"):
            path(box).with_name(f"webui.db{suffix}").unlink(missing_ok=True)
        beside = path(box).with_suffix(".part")
        shutil.copyfile(backup, beside)
        beside.replace(path(box))
        say(f"database put back from {backup}")


def order(box: Box) -> Path:
    """Names a backup that is to be put back before Open WebUI starts again: a reboot may come in between."""
    return box.state / "put-back"


def order_put_back(box: Box, backup: Path) -> None:
    write(order(box), str(backup))


def obey(box: Box) -> None:
    if order(box).exists():
        put_back(box, Path(order(box).read_text()))
        order(box).unlink()
