"""Image files by the names that annotations of any system give them: found, the right one, never outside."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_model.datasets.files import read_bytes
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.images.finding import ImageFinder
from ritm_model.images.names import base_name, likeness, loose_key, named_paths

Make = Callable[..., Path]
COMPOSED = unicodedata.normalize("NFC", "café.png")
DECOMPOSED = unicodedata.normalize("NFD", "café.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "given"
    root.mkdir()
    return root


@pytest.fixture
def make(folder: Path) -> Make:
    def files(*names: str) -> Path:
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        return folder

    return files


@pytest.mark.parametrize(
    ("reference", "file"),
    [
        pytest.param("a.png", "a.png", id="as it stands"),
        pytest.param("sub/a.png", "sub/a.png", id="in a folder"),
        pytest.param("./sub//a.png", "sub/a.png", id="dots and doubled slashes"),
        pytest.param("other/../sub/a.png", "sub/a.png", id="upwards inside"),
        pytest.param("../given/a.png", "a.png", id="upwards and back"),
        pytest.param(r"sub\a.png", "sub/a.png", id="backslashes"),
        pytest.param(r"images\1/a.png", "a.png", id="images and a project, mixed slashes"),
        pytest.param("images/a.png", "a.png", id="images before it"),
        pytest.param("a.png", "images/a.png", id="images below"),
        pytest.param(r"C:\Users\me\photos\sub\a.png", "sub/a.png", id="a drive"),
        pytest.param(r"C:\Users\me\photos\a.png", "train/a.png", id="a drive, other folders"),
        pytest.param(r"\\server\share\a.png", "a.png", id="a network drive"),
        pytest.param("/home/me/photos/a.png", "photos/a.png", id="absolute"),
        pytest.param("file:///home/me/a%20b.png", "a b.png", id="a file address"),
        pytest.param(COMPOSED, DECOMPOSED, id="accents of macOS on the disk"),
        pytest.param(DECOMPOSED, COMPOSED, id="accents of macOS in the name"),
        pytest.param("dossier-é/a.png", unicodedata.normalize("NFD", "x/dossier-é/a.png"), id="in folders"),
        pytest.param("a.JPG", "a.jpg", id="upper-case extension"),
        pytest.param("a.tiff", "sub/a.TIFF", id="lower-case extension"),
        pytest.param("A.JPG", "a.jpg", id="upper case"),
        pytest.param("frame_000001", "frame_000001.PNG", id="a video frame"),
        pytest.param("video/frame_000001", "images/video/frame_000001.jpg", id="a video frame in a folder"),
        pytest.param("v1.2/frame.0001", "v1.2/frame.0001.png", id="dots that are no extension"),
        pytest.param(
            "/data/upload/1/d7465737-cat.png", "upload/1/d7465737-cat.png", id="upload, media folder"
        ),
        pytest.param("/data/upload/1/d7465737-cat.png", "d7465737-cat.png", id="upload, flat"),
        pytest.param("/data/upload/1/d7465737-cat.png", "cat.png", id="upload, the file as it was"),
        pytest.param("/labelstudio/data/upload/1/d7465737-cat.png", "cat.png", id="upload under a path"),
        pytest.param("cat.png", "upload/1/d7465737-cat.png", id="the file as it was, an upload on the disk"),
        pytest.param("/data/upload/1/d7465737-my_cat_1.png", "my cat (1).png", id="a changed upload"),
        pytest.param("/data/upload/1/a%20b.png", "a b.png", id="encoded"),
        pytest.param("/data/upload/1/a%20b.png", "a%20b.png", id="encoded on the disk, too"),
        pytest.param("/data/local-files/?d=pictures/b%20c.jpg", "pictures/b c.jpg", id="a local file"),
        pytest.param(
            "/data/local-files/?d=folder%5Cname.jpg", "folder/name.jpg", id="a local file of Windows"
        ),
        pytest.param(
            "/data/local-files/?d=folder/name.jpg", "name.jpg", id="a local file, deeper folder given"
        ),
        pytest.param("http://h:8080/data/local-files/?d=a.png", "a.png", id="a local file with its host"),
        pytest.param("https://h/photos/a%20b.png?sig=1#x", "photos/a b.png", id="an address"),
        pytest.param("https://h/photos/a.png", "train/a.png", id="an address, by the base name"),
        pytest.param("s3://bucket/photos/a.png", "photos/a.png", id="an object"),
        pytest.param("a#1?.png", "a#1?.png", id="what would end an address"),
    ],
)
def test_found(make: Make, reference: str, file: str) -> None:
    root = make(file, "elsewhere/other.png")
    assert ImageFinder(root).find(reference) == root / file


@pytest.mark.parametrize(
    ("reference", "files"),
    [
        pytest.param("task_2/a.png", ["task_1/a.png"], id="of another task"),
        pytest.param("a.png", ["x/a.png", "y/a.png"], id="two of the name"),
        pytest.param("/data/upload/1/aaaaaaaa-a.png", ["bbbbbbbb-a.png"], id="another upload of the name"),
        pytest.param("a.png", ["a.jpg"], id="another kind"),
        pytest.param("frame_1", ["frame_1.txt", "frame_10.png"], id="no picture of that name"),
        pytest.param("", ["a.png"], id="nothing"),
        pytest.param("sub/", ["sub/a.png"], id="a folder"),
        pytest.param("s3://bucket", ["bucket.png"], id="a bucket"),
        pytest.param("a.png\0", ["a.png"], id="a null character"),
        pytest.param("\ud800.png", ["a.png"], id="half a character"),
        pytest.param("x" * 5000 + ".png", ["a.png"], id="too long"),
        pytest.param("data:image/png;base64,a.png", ["a.png"], id="an image in the text"),
        pytest.param("http://[::1/a.png", ["a.png"], id="no address"),
    ],
)
def test_not_found(make: Make, reference: str, files: list[str]) -> None:
    assert ImageFinder(make(*files)).find(reference) is None


def test_the_file_that_shares_most_folders_is_meant(make: Make) -> None:
    root = make("task_1/a.png", "task_2/a.png", "a.jpg", "x/task_1/b.png", "b.png")
    finder = ImageFinder(root)
    assert finder.find("/data/task_2/a.png") == root / "task_2/a.png"
    assert finder.find("images/task_1/a.png") == root / "task_1/a.png"
    assert finder.find("task_1/b.png") == root / "x/task_1/b.png"


def test_an_exact_name_comes_before_a_similar_one(make: Make) -> None:
    root = make("d7465737-cat.png", "cat.png", "sub/e1111111-cat.png")
    finder = ImageFinder(root)
    assert finder.find("/data/upload/1/d7465737-cat.png") == root / "d7465737-cat.png"
    assert finder.find("/data/upload/2/e1111111-cat.png") == root / "sub/e1111111-cat.png"
    assert finder.find("cat.png") == root / "cat.png"


def test_the_first_folder_comes_first(make: Make, tmp_path: Path) -> None:
    root = make("one/a.png", "two/a.png")
    assert ImageFinder(root / "two", root / "one").find("http://h/a.png") == root / "two/a.png"


def test_what_is_missing_and_what_is_ambiguous_is_told(make: Make) -> None:
    finder = ImageFinder(make("x/a.png", "y/a.png"))
    assert finder.missing("b.png") == "The image 'b.png' is not there."
    assert "Several files may be the image 'a.png'" in finder.missing("a.png")
    assert "x/a.png" in finder.missing("a.png")


def test_a_file_that_comes_later_is_found_once_the_list_is_old(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = ImageFinder(make("x/a.png"))
    assert finder.find("b.png") is None
    root = make("x/b.png")
    monkeypatch.setattr("ritm_model.images.finding.REFRESH_SECONDS", -1.0)
    assert finder.find("b.png") == root / "x/b.png"


@pytest.mark.parametrize(
    "reference",
    [
        "../secret.png",
        "x/../../secret.png",
        r"..\secret.png",
        "%2e%2e/secret.png",
        "..%2fsecret.png",
        "/data/local-files/?d=../secret.png",
        "/data/local-files/?d=..%5csecret.png",
        "link.png",
        "linked/secret.png",
    ],
)
def test_nothing_outside_is_found(folder: Path, tmp_path: Path, reference: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "linked").symlink_to(tmp_path)
    assert ImageFinder(folder).find(reference) is None
    absolute = str(tmp_path / "secret.png")
    assert ImageFinder(folder).find(absolute) is None


def test_links_that_stay_inside_count(make: Make) -> None:
    root = make("store/a.png")
    (root / "b.png").symlink_to(root / "store/a.png")
    assert ImageFinder(root).find("b.png") == root / "b.png"


def test_links_may_lead_from_one_folder_of_the_user_to_another(make: Make, tmp_path: Path) -> None:
    root = make("a.png")
    store = tmp_path / "store"
    store.mkdir()
    (store / "x.png").write_bytes(b"x")
    (root / "b.png").symlink_to(store / "x.png")
    assert ImageFinder(root, store).find("b.png") == root / "b.png"
    assert ImageFinder(root, linked=[store]).find("b.png") == root / "b.png"
    alone = ImageFinder(root)
    assert alone.find("b.png") is None
    assert alone.missing("b.png") == (
        f"The image 'b.png' is a link out of {root}: give the folder it leads to, too (--images-from)."
    )


names = st.text(st.sampled_from("aàA.-_ /\\%2e0dé") | st.characters(), max_size=30)


@given(names)
def test_any_text_is_read_without_a_fault_and_leads_nowhere(tmp_path_factory: object, text: str) -> None:
    for path in named_paths(text):
        assert path.parts
        assert all(part not in ("", ".") for part in path.parts)
        assert ".." not in path.parts[list(path.parts).index(next(p for p in path.parts if p != "..")) :]
    assert "/" not in base_name(text)
    found = ImageFinder(Path(os.devnull)).find(text)
    assert found is None


@given(names, names)
def test_names_that_are_alike_share_a_key(wanted: str, found: str) -> None:
    for name in (found, wanted, f"d7465737-{wanted}", wanted.upper(), f"{wanted}.PNG"):
        if wanted and likeness(wanted, name) is not None:
            assert loose_key(wanted) == loose_key(name)


def test_a_link_whose_file_is_not_there_is_named(tmp_path: Path) -> None:
    """As git-annex leaves what it has not fetched."""
    (tmp_path / "a.png").symlink_to(".git/annex/objects/x/SHA256E-s1--a.png")
    (tmp_path / "b.png").symlink_to("gone.png")
    finder = ImageFinder(tmp_path)
    nothing = "is a link to a file that is not there"
    assert finder.missing("x/a.png") == "The image 'x/a.png' is not there."
    assert finder.missing("a.png") == f"The image 'a.png' {nothing}: run `git annex get` in its folder."
    assert finder.missing("b.png") == f"The image 'b.png' {nothing}."
    with pytest.raises(BrokenFileError, match=f"b.png: The file {nothing}"):
        read_bytes(tmp_path / "b.png")
