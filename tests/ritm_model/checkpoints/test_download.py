"""Downloads over a real connection that breaks, lies and refuses."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path
from typing import Any

import pytest

from ritm_ops.download import (
    CHUNK,
    DownloadError,
    RemoteFile,
    WrongSizeError,
    discard_part,
    download,
    part_path,
)

BODY = bytes(range(256)) * 1000
CUT = 6 * CHUNK


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "file.pth"


def fetch(site: Any, target: Path, **options: Any) -> bytes:
    source = RemoteFile(f"{site.url}/file.pth", min_bytes=1, max_bytes=len(BODY))
    return download(source, target, **{"attempts": 3, "pause_seconds": 0.0, **options}).read_bytes()


def interrupt(site: Any, target: Path, after: int) -> None:
    """Leave a part of `after` bytes behind."""
    site.body, site.cuts = BODY, [after]
    with pytest.raises(DownloadError):
        fetch(site, target, attempts=1)
    assert part_path(target).read_bytes() == BODY[:after]


def test_a_whole_file(site: Any, target: Path) -> None:
    site.body = BODY
    seen: list[tuple[int, int | None]] = []
    assert fetch(site, target, on_progress=lambda done, total: seen.append((done, total))) == BODY
    assert site.ranges == [None]
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_broken_connection_is_taken_up_within_one_run(site: Any, target: Path) -> None:
    site.body, site.cuts = BODY, [CUT, 3 * CHUNK]
    assert fetch(site, target) == BODY
    assert site.ranges == [None, f"bytes={CUT}-", f"bytes={CUT + 3 * CHUNK}-"]


def test_a_break_in_the_middle_of_a_packet_loses_little(site: Any, target: Path) -> None:
    site.body, site.cuts = BODY, [CUT + 77]
    with pytest.raises(DownloadError):
        fetch(site, target, attempts=1)
    part = part_path(target).read_bytes()
    assert CUT <= len(part) <= CUT + 77
    assert BODY.startswith(part)
    assert fetch(site, target) == BODY
    assert site.ranges == [None, f"bytes={len(part)}-"]


def test_an_interrupted_download_is_resumed_by_the_next_run(site: Any, target: Path) -> None:
    interrupt(site, target, CUT)
    seen: list[int] = []
    assert fetch(site, target, on_progress=lambda done, total: seen.append(done)) == BODY
    assert site.ranges == [None, f"bytes={CUT}-"]
    assert site.requests[1]["if-range"] == '"v1"'
    assert seen[0] == CUT


def test_a_date_serves_where_there_is_no_strong_tag(site: Any, target: Path) -> None:
    site.etag, site.last_modified = None, "Wed, 21 Oct 2020 07:28:00 GMT"
    interrupt(site, target, CUT)
    assert fetch(site, target) == BODY
    assert site.requests[1]["if-range"] == "Wed, 21 Oct 2020 07:28:00 GMT"


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_without_proof_that_the_file_is_the_same_it_starts_again(
    site: Any, target: Path, etag: str | None
) -> None:
    site.etag = etag
    interrupt(site, target, CUT)
    assert fetch(site, target) == BODY
    assert site.ranges == [None, None]


def test_a_server_without_ranges_sends_it_all_again(site: Any, target: Path) -> None:
    site.knows_ranges = False
    interrupt(site, target, CUT)
    assert fetch(site, target) == BODY
    assert site.ranges == [None, f"bytes={CUT}-"]


def test_a_part_of_an_older_version_is_not_continued(site: Any, target: Path) -> None:
    interrupt(site, target, CUT)
    site.body, site.etag = BODY[::-1], '"v2"'
    assert fetch(site, target) == BODY[::-1]


def test_a_part_from_another_address_is_not_continued(site: Any, target: Path) -> None:
    interrupt(site, target, CUT)
    source = RemoteFile(f"{site.url}/mirror/file.pth", 1, len(BODY))
    assert download(source, target).read_bytes() == BODY
    assert site.ranges == [None, None]


def test_a_part_that_is_whole_already_is_not_sent_again(site: Any, target: Path) -> None:
    site.body = BODY
    fetch(site, target)
    seen: list[int] = []
    assert fetch(site, target, on_progress=lambda done, total: seen.append(done)) == BODY
    assert site.ranges == [None, f"bytes={len(BODY)}-"]
    assert seen == []  # no body came


def test_a_part_longer_than_the_file_is_thrown_away(site: Any, target: Path) -> None:
    site.body = BODY
    fetch(site, target)
    with part_path(target).open("ab") as file:
        file.write(b"more")
    assert fetch(site, target) == BODY


@pytest.mark.parametrize("note", ["", "[]", "{", '{"url": 3}', '{"url": "x", "validator": "y"}'])
def test_a_damaged_note_means_starting_again(site: Any, target: Path, note: str) -> None:
    interrupt(site, target, CUT)
    target.with_name("file.pth.part.json").write_text(note)
    assert fetch(site, target) == BODY
    assert site.ranges == [None, None]


def test_a_server_that_does_not_tell_the_length(site: Any, target: Path) -> None:
    site.body, site.tells_length = BODY, False
    assert fetch(site, target) == BODY


def test_attempts_are_bounded_and_the_part_is_kept(site: Any, target: Path) -> None:
    site.body, site.cuts = BODY, [CHUNK] * 10
    with pytest.raises(DownloadError, match="Run again"):
        fetch(site, target, attempts=3)
    assert len(site.requests) == 3
    assert part_path(target).read_bytes() == BODY[: 3 * CHUNK]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(site: Any, target: Path, status: int) -> None:
    site.body, site.statuses = BODY, [status]
    assert fetch(site, target) == BODY
    assert len(site.requests) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(site: Any, target: Path, status: int) -> None:
    site.statuses = [status] * 5
    with pytest.raises(DownloadError, match=f"answers {status}"):
        fetch(site, target)
    assert len(site.requests) == 1


def test_nobody_listens(target: Path) -> None:
    with socket.socket() as reserved:  # bound, but not listening
        reserved.bind(("127.0.0.1", 0))
        source = RemoteFile(f"http://127.0.0.1:{reserved.getsockname()[1]}/file.pth", 1, 2)
        with pytest.raises(DownloadError, match="no connection to the server"):
            download(source, target, attempts=2, pause_seconds=0)


@pytest.mark.parametrize("size", [len(BODY) - 1, len(BODY) + 1])
def test_another_size_is_refused_before_it_is_sent(site: Any, target: Path, size: int) -> None:
    site.body = bytes(size)
    source = RemoteFile(f"{site.url}/file.pth", len(BODY), len(BODY))
    with pytest.raises(WrongSizeError, match=f"has {size:,} bytes"):
        download(source, target)
    assert part_path(target).read_bytes() == b""


def test_an_endless_file_is_cut_off(site: Any, target: Path) -> None:
    site.body, site.tells_length = bytes(10 * len(BODY)), False
    with pytest.raises(WrongSizeError):
        fetch(site, target)
    assert part_path(target).stat().st_size < 2 * len(BODY)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "http://", "nothing"])
def test_other_addresses_are_refused(target: Path, url: str) -> None:
    with pytest.raises(DownloadError):
        download(RemoteFile(url, 1, 2), target, attempts=1)


def test_passwords_in_addresses_are_not_shown(site: Any, target: Path) -> None:
    site.statuses = [403]
    url = site.url.replace("http://", "http://me:secret@") + "/file.pth?token=secret"
    with pytest.raises(DownloadError) as caught:
        download(RemoteFile(url, 1, 2), target)
    assert "secret" not in str(caught.value)
    assert f"{site.url}/file.pth" in str(caught.value)


def test_two_processes_do_not_write_the_same_part(site: Any, target: Path) -> None:
    site.body = BODY
    with part_path(target).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # locks belong to the open file, so this stands for another process
        with pytest.raises(DownloadError, match="another process"):
            fetch(site, target)
    assert fetch(site, target) == BODY


def test_discarding_a_part_leaves_nothing(site: Any, target: Path) -> None:
    interrupt(site, target, CHUNK)
    discard_part(target)
    assert list(target.parent.iterdir()) == []
