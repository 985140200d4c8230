"""What was read of an export, on disk: annotations by task, pictures, and records of finished photographs.

A million tasks do not fit into memory, and what has not changed need not be read again: everything stands in
one SQLite file, with the tag (ETag, or size and time) of the file or object it was read from. Kept between
runs, it makes the next one quick; it can be deleted at any time.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from ritm_model.datasets.problems import Problem
from training.exports.errors import ExportError
from training.exports.tasks.rows import Annotation
from training.whose import Entry

FORMAT = "3"
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS listing (key TEXT PRIMARY KEY, size INTEGER, tag TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (key TEXT PRIMARY KEY, tag TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS copies (name TEXT PRIMARY KEY, tag TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS annotations (
    id INTEGER PRIMARY KEY, file TEXT, task_key TEXT, name TEXT, task TEXT, time TEXT, number INTEGER,
    authors TEXT, ground_truth INTEGER, reviewed INTEGER, prediction INTEGER);
CREATE INDEX IF NOT EXISTS annotations_of_file ON annotations (file);
CREATE INDEX IF NOT EXISTS annotations_of_task ON annotations (task_key);
CREATE TABLE IF NOT EXISTS parts (annotation INTEGER, reference TEXT, digest TEXT, packed BLOB);
CREATE INDEX IF NOT EXISTS parts_of_annotation ON parts (annotation, reference, digest);
CREATE TABLE IF NOT EXISTS problems (file TEXT, annotation INTEGER, reason TEXT, by_rule INTEGER);
CREATE INDEX IF NOT EXISTS problems_of_annotation ON problems (annotation);
CREATE INDEX IF NOT EXISTS problems_of_file ON problems (file);
CREATE TABLE IF NOT EXISTS unused (file TEXT, reason TEXT);
CREATE INDEX IF NOT EXISTS unused_of_file ON unused (file);
CREATE TABLE IF NOT EXISTS pictures (reference TEXT PRIMARY KEY, tag TEXT, sha256 TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pictures_of_bytes ON pictures (sha256);
CREATE TABLE IF NOT EXISTS tags (reference TEXT PRIMARY KEY, tag TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last (name TEXT PRIMARY KEY, sha256 TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (place TEXT PRIMARY KEY, key TEXT, record BLOB) WITHOUT ROWID;
"""
_DELETE_FILE = (
    "DELETE FROM parts WHERE annotation IN (SELECT id FROM annotations WHERE file = ?)",
    "DELETE FROM annotations WHERE file = ?",
    "DELETE FROM problems WHERE file = ?",
    "DELETE FROM unused WHERE file = ?",
    "DELETE FROM files WHERE key = ?",
)
_DELETE_ALL = """
DELETE FROM files; DELETE FROM annotations; DELETE FROM parts; DELETE FROM problems; DELETE FROM records;
DELETE FROM last; DELETE FROM unused;
"""
_UNNAMED = "FROM pictures WHERE reference NOT IN (SELECT reference FROM parts)"
_ENTRIES = (
    "SELECT task_key, id, name, task, time, number, authors, ground_truth, reviewed, prediction "
    "FROM annotations ORDER BY task_key, id"
)


class LibraryInUseError(ExportError):
    """Another process reads the same source."""


class Library:
    """The file, and the folders beside it for pictures and for what is copied and unpacked.

    Args:
        folder: made if need be.
        rules: what annotations are read by; what was read by others is forgotten.

    Raises:
        ExportError: the folder cannot be written; LibraryInUseError: another process has it open.
    """

    def __init__(self, folder: Path, rules: str) -> None:
        self.folder = folder
        self.pictures_folder = folder / "pictures"
        try:
            self.pictures_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExportError(
                f"{folder} cannot be used to remember what was read: {error.strerror}."
            ) from None
        path = folder / "read.sqlite"
        try:
            self._base = _opened(path, f"{FORMAT} {rules}")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise LibraryInUseError(f"{folder} is in use by another process.") from None
            raise ExportError(f"{folder} cannot be used to remember what was read: {error}.") from None
        except sqlite3.DatabaseError:  # damaged, for example by a power cut
            path.unlink()
            self._base = _opened(path, f"{FORMAT} {rules}")

    def close(self) -> None:
        self._base.close()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Changes until the block ends; none of them if it does not end well."""
        with self._base:
            self._base.execute("BEGIN")
            yield

    # What there is

    def set_listing(self, rows: Iterable[tuple[str, int, str]]) -> int:
        """Remember what there is now, (key, size, tag) each. Returns how many."""
        with self.changing():
            self._base.execute("DELETE FROM listing")
            self._base.executemany("INSERT OR REPLACE INTO listing VALUES (?, ?, ?)", rows)
        return int(self._base.execute("SELECT COUNT(*) FROM listing").fetchone()[0])

    def listed(self, below: str = "") -> Iterator[tuple[str, int, str]]:
        """What there is below a prefix, in the order of keys."""
        yield from self._base.execute(
            "SELECT key, size, tag FROM listing WHERE substr(key, 1, ?) = ? ORDER BY key", (len(below), below)
        )

    def changed(self) -> list[tuple[str, int, str]]:
        """What there is that has not been read as it is now, in the order of keys; removes what is gone."""
        with self.changing():
            gone = "SELECT key FROM files EXCEPT SELECT key FROM listing"
            for (key,) in self._base.execute(gone).fetchall():
                self.remove(key)
        return self._base.execute(
            "SELECT key, size, tag FROM listing WHERE NOT EXISTS "
            "(SELECT 1 FROM files WHERE files.key = listing.key AND files.tag = listing.tag) ORDER BY key"
        ).fetchall()

    def copied(self, name: str) -> str | None:
        """The tag of what was copied or unpacked under this name."""
        row = self._base.execute("SELECT tag FROM copies WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def has_copied(self, name: str, tag: str) -> None:
        self._base.execute("INSERT OR REPLACE INTO copies VALUES (?, ?)", (name, tag))

    # What was read

    def remove(self, key: str) -> None:
        """Forget what was read of a file."""
        for statement in _DELETE_FILE:
            self._base.execute(statement, (key,))

    def has_read(self, key: str, tag: str) -> None:
        """A file with this tag has been read whole."""
        self._base.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (key, tag))

    def add(self, file: str, found: Annotation) -> None:
        """Keep an annotation of a file."""
        row = self._base.execute(
            "INSERT INTO annotations (file, task_key, name, task, time, number, authors, ground_truth, "
            "reviewed, prediction) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(file, found.key, found.id, found.task, found.when, found.number),
                *(json.dumps(found.authors), found.ground_truth, found.reviewed, found.prediction),
            ),
        ).lastrowid
        self._base.executemany(
            "INSERT INTO parts VALUES (?, ?, ?, ?)",
            [(row, part.reference, part.digest, part.packed) for part in found.parts],
        )
        self._base.executemany(
            "INSERT INTO problems VALUES (?, ?, ?, ?)",
            [(file, row, reason, by_rule) for reason, by_rule in found.problems],
        )

    def add_problem(self, file: str, reason: str, *, by_rule: bool = False) -> None:
        """Keep what is left out of a file."""
        self._base.execute("INSERT INTO problems VALUES (?, NULL, ?, ?)", (file, reason, by_rule))

    def add_unused(self, file: str, reason: str) -> None:
        """Count what is not used of a file."""
        self._base.execute("INSERT INTO unused VALUES (?, ?)", (file, reason))

    def unused(self) -> dict[str, int]:
        """How much is not used of all files, by reason."""
        return dict(self._base.execute("SELECT reason, COUNT(*) FROM unused GROUP BY reason ORDER BY reason"))

    def authors(self, limit: int) -> list[str]:
        """What the authors of annotations are called, each by all its names."""
        rows = self._base.execute(
            "SELECT DISTINCT authors FROM annotations WHERE NOT prediction ORDER BY authors LIMIT ?", (limit,)
        )
        return [" = ".join(names) for (text,) in rows if (names := json.loads(text))]

    def tasks(self) -> Iterator[tuple[str, list[Entry]]]:
        """The annotations of each task, by its key."""
        rows = self._base.execute(_ENTRIES)
        for key, of_task in groupby(rows, itemgetter(0)):
            yield key, [_entry(row[1:]) for row in of_task]

    def parts(self, row: int) -> Iterator[tuple[str, str]]:
        """Reference and digest of the parts of an annotation."""
        yield from self._base.execute(
            "SELECT reference, digest FROM parts WHERE annotation = ? ORDER BY reference", (row,)
        )

    def packed(self, row: int, reference: str) -> bytes:
        """What an annotation has drawn on a picture."""
        found = self._base.execute(
            "SELECT packed FROM parts WHERE annotation = ? AND reference = ?", (row, reference)
        ).fetchone()
        return bytes(found[0])

    def problems_of(self, row: int) -> Iterator[Problem]:
        """What is left out of an annotation."""
        rows = self._base.execute(
            "SELECT p.file, a.name, p.reason, p.by_rule FROM problems p "
            "JOIN annotations a ON a.id = p.annotation WHERE p.annotation = ? ORDER BY p.rowid",
            (row,),
        )
        for file, name, reason, by_rule in rows:
            yield Problem(f"{file}, annotation {name}", reason, bool(by_rule))

    def problems(self) -> Iterator[Problem]:
        """What is left out of files, apart from their annotations."""
        rows = self._base.execute(
            "SELECT file, reason, by_rule FROM problems WHERE annotation IS NULL ORDER BY file, rowid"
        )
        for file, reason, by_rule in rows:
            yield Problem(file, reason, bool(by_rule))

    # Pictures

    def picture(self, reference: str) -> tuple[str, str] | None:
        """Tag and SHA-256 of a picture that is kept."""
        row = self._base.execute(
            "SELECT tag, sha256 FROM pictures WHERE reference = ?", (reference,)
        ).fetchone()
        return (row[0], row[1]) if row else None

    def keep_picture(self, reference: str, tag: str, sha256: str) -> None:
        before = self.picture(reference)
        self._base.execute("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)", (reference, tag, sha256))
        if before is not None:
            self._discard(before[1])

    def set_access(self, digest: str) -> None:
        """Forget pictures that were fetched by other settings, where no tag could tell that they differ."""
        with self.changing():
            if self._base.execute("SELECT value FROM about WHERE name = 'access'").fetchone() == (digest,):
                return
            gone = self._base.execute("SELECT sha256 FROM pictures WHERE tag = ''").fetchall()
            self._base.execute("DELETE FROM pictures WHERE tag = ''")
            self._base.execute("INSERT OR REPLACE INTO about VALUES ('access', ?)", (digest,))
        for (sha256,) in gone:
            self._discard(sha256)

    def picture_path(self, sha256: str) -> Path:
        """Where the bytes of a picture are kept."""
        return self.pictures_folder / sha256[:2] / sha256

    def tell_tags(self, rows: Iterable[tuple[str, str]]) -> None:
        """Tags that pictures have now."""
        self._base.executemany("INSERT OR REPLACE INTO tags VALUES (?, ?)", rows)

    def clear_tags(self) -> None:
        self._base.execute("DELETE FROM tags")

    def tag(self, reference: str) -> str | None:
        row = self._base.execute("SELECT tag FROM tags WHERE reference = ?", (reference,)).fetchone()
        return str(row[0]) if row else None

    def references_in_buckets(self) -> Iterator[str]:
        """The references of kept pictures that lie in S3, in order."""
        rows = self._base.execute(
            "SELECT reference FROM pictures WHERE reference >= 's3://' AND reference < 's3:0' "
            "ORDER BY reference"
        )
        yield from (row[0] for row in rows)

    # Records of finished photographs

    def record(self, place: str, key: str) -> dict[str, Any] | None:
        """The record of a photograph, if it was made of what `key` stands for."""
        row = self._base.execute(
            "SELECT record FROM records WHERE place = ? AND key = ?", (place, key)
        ).fetchone()
        return dict(json.loads(zlib.decompress(row[0]))) if row else None

    def keep_record(self, place: str, key: str, record: object) -> None:
        packed = zlib.compress(json.dumps(record).encode(), 1)
        self._base.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (place, key, packed))

    # The last data set

    def state(self) -> Iterator[tuple[str | None, ...]]:
        """Everything that there is: files and pictures with their tags."""
        yield from self._base.execute("SELECT key, tag FROM listing ORDER BY key")
        yield from self._base.execute("SELECT reference, tag, sha256 FROM pictures ORDER BY reference")

    def pictures_changed(self) -> bool:
        """Whether a picture of a bucket has another tag than when it was fetched, or is gone."""
        row = self._base.execute(
            "SELECT 1 FROM pictures p LEFT JOIN tags t ON t.reference = p.reference "
            "WHERE p.reference >= 's3://' AND p.reference < 's3:0' AND t.tag IS NOT p.tag LIMIT 1"
        ).fetchone()
        return row is not None

    def last(self, state: str) -> tuple[dict[str, Any], Iterator[tuple[str, str]]] | None:
        """What was told of the last data set, and its images with their SHA-256, if it was made of this."""
        row = self._base.execute("SELECT value FROM about WHERE name = 'last'").fetchone()
        kept = json.loads(row[0]) if row else {}
        if kept.get("state") != state:
            return None
        return kept["told"], iter(self._base.execute("SELECT name, sha256 FROM last ORDER BY name"))

    def keep_last(self, state: str, told: Mapping[str, Any], images: Iterable[tuple[str, str]]) -> None:
        value = json.dumps({"state": state, "told": told})
        with self.changing():
            self._base.execute("DELETE FROM last")
            self._base.executemany("INSERT INTO last VALUES (?, ?)", images)
            self._base.execute("INSERT OR REPLACE INTO about VALUES ('last', ?)", (value,))

    def clear_pictures(self) -> None:
        """Forget the pictures that no annotation names any more."""
        gone = [row[0] for row in self._base.execute(f"SELECT sha256 {_UNNAMED}")]
        self._base.execute(f"DELETE {_UNNAMED}")
        for sha256 in gone:
            self._discard(sha256)

    def _discard(self, sha256: str) -> None:
        """Remove the bytes of a picture, unless another reference has the same."""
        if not self._base.execute("SELECT 1 FROM pictures WHERE sha256 = ?", (sha256,)).fetchone():
            self.picture_path(sha256).unlink(missing_ok=True)


def _opened(path: Path, rules: str) -> sqlite3.Connection:
    """The file for this process alone, without what was read by other rules."""
    base = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        base.executescript(
            f"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {_TABLES}"
        )
        known = base.execute("SELECT value FROM about WHERE name = 'rules'").fetchone()
        if known != (rules,):
            base.executescript(_DELETE_ALL)
            base.execute("INSERT OR REPLACE INTO about VALUES ('rules', ?)", (rules,))
    except sqlite3.Error:
        base.close()
        raise
    return base


def _entry(row: tuple[Any, ...]) -> Entry:
    id, name, task, time, number, authors, ground_truth, reviewed, prediction = row
    reviewed = None if reviewed is None else bool(reviewed)
    return Entry(
        id,
        name,
        task,
        time,
        number,
        tuple(json.loads(authors)),
        bool(ground_truth),
        reviewed,
        bool(prediction),
    )
