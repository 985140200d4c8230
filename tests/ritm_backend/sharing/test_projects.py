"""What a project asks for is kept, and known to every process that shares a place with this one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis as Client
from redis_server import Redis, redis_server

from ritm_backend.label_studio.options import ProjectOptions
from ritm_backend.sharing.projects import FolderShelf, Projects, RedisShelf, SharingError
from ritm_ops.redis_link import SECONDS_TO_REST, RedisLink

MESSAGE = {"project": "3.17", "schema": "<View/>", "extra_params": {"output": "polygon"}}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="redis") as folder, redis_server(Path(folder)) as redis:
        yield redis


@pytest.fixture
def empty_redis(redis: Redis) -> Redis:
    Client.from_url(redis.url).flushall()
    return redis


def in_redis(redis: Redis, clock: Clock | None = None) -> Projects:
    return Projects(RedisShelf(RedisLink(redis.url, "tested.", clock or Clock())))


@pytest.mark.parametrize("is_shared", [False, True])
def test_options_are_kept_by_project(tmp_path, is_shared):
    projects = Projects(FolderShelf(tmp_path) if is_shared else None)

    assert projects.set_up(MESSAGE) == []
    assert projects.options("3.17").output == ("polygon",)
    assert projects.options("4.17") == ProjectOptions()
    projects.set_up(MESSAGE | {"extra_params": None})
    assert projects.options("3.17") == ProjectOptions()


def check_two(one: Projects, other: Projects) -> None:
    one.set_up(MESSAGE)
    assert other.options("3.17").output == ("polygon",)
    other.set_up(MESSAGE | {"extra_params": {"also": "box"}})

    assert one.options("3.17") == ProjectOptions(also="box")
    other.set_up(MESSAGE | {"extra_params": None})
    assert one.options("3.17") == ProjectOptions()


def test_other_workers_know_them_too(tmp_path):
    check_two(Projects(FolderShelf(tmp_path)), Projects(FolderShelf(tmp_path)))


def test_other_servers_know_them_by_redis(empty_redis):
    check_two(in_redis(empty_redis), in_redis(empty_redis))


def test_options_do_not_expire_in_redis(empty_redis):
    in_redis(empty_redis).set_up(MESSAGE)
    client = Client.from_url(empty_redis.url)

    assert [client.ttl(key) for key in client.scan_iter()] == [-1]


def test_what_was_told_while_redis_was_away_is_told_later(empty_redis):
    clock = Clock()
    one, other = in_redis(empty_redis, clock), in_redis(empty_redis, clock)
    one.set_up(MESSAGE)
    assert other.options("3.17").output == ("polygon",)

    empty_redis.kill()
    notes = one.set_up(MESSAGE | {"extra_params": {"output": "box"}})
    assert "Other servers are not told" in notes[0] or "cannot be read" in notes[0]
    assert one.options("3.17").output == ("box",)
    assert other.options("3.17").output == ("polygon",)  # as before

    empty_redis.start()
    clock.now += SECONDS_TO_REST
    assert one.options("3.17").output == ("box",)
    assert other.options("3.17").output == ("box",)


def test_nonsense_in_redis_is_as_if_nothing_was_told(empty_redis):
    in_redis(empty_redis).set_up(MESSAGE)
    client = Client.from_url(empty_redis.url)
    (key,) = client.scan_iter()
    for data in (b"\xff\xfe", b"[1]", b'"x"', b"{", b""):
        client.hset(key, client.hkeys(key)[0], data)
        assert in_redis(empty_redis).options("3.17") == ProjectOptions()


def test_no_more_than_so_many_projects_are_kept(empty_redis, tmp_path, monkeypatch):
    monkeypatch.setattr("ritm_backend.sharing.projects.MOST_PROJECTS", 2)
    for projects in (in_redis(empty_redis), Projects(FolderShelf(tmp_path))):
        told = [projects.set_up(MESSAGE | {"project": f"{number}.1"}) for number in range(3)]
        assert told == [[], [], ["Too many projects have options of their own."]]
        assert projects.set_up(MESSAGE | {"project": "1.1", "extra_params": {"output": "box"}}) == []
    with pytest.raises(SharingError):
        FolderShelf(tmp_path).leave("another", b"{}")


def test_no_names_or_tokens_are_written(tmp_path):
    Projects(FolderShelf(tmp_path)).set_up(MESSAGE | {"access_token": "secret", "hostname": "studio.example"})
    (file,) = tmp_path.iterdir()

    assert "secret" not in file.read_text() + file.name
    assert json.loads(file.read_text())["output"] == ["polygon"]


def test_what_cannot_be_understood_is_told(tmp_path):
    assert Projects().set_up(MESSAGE | {"extra_params": {"output": "circle"}})
    assert Projects().set_up(None) == Projects().set_up({"project": 5}) == []


def test_a_folder_that_is_gone_does_no_harm(tmp_path):
    projects = Projects(FolderShelf(tmp_path / "gone"))

    assert projects.set_up(MESSAGE) != []
    assert projects.options("3.17").output == ("polygon",)
