"""The environment becomes settings, or one sentence that names the variable."""

import ipaddress
import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ritm_backend.settings import Settings
from ritm_ops.environment import SettingsError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, _ in Settings.variables():
        monkeypatch.delenv(name, raising=False)
    for alias in ("LABEL_STUDIO_HOST", "LABEL_STUDIO_ACCESS_TOKEN"):
        monkeypatch.delenv(alias, raising=False)


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.from_environment()


def complaint(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, **environment)
    return str(caught.value)


def test_defaults_are_safe() -> None:
    found = Settings.from_environment()
    assert found.host == "127.0.0.1"
    assert found.port == 9090
    assert found.allowed_hosts == ()
    assert found.label_studio_url is None
    assert found.image_max_bytes == 100 * 1024 * 1024
    assert found.image_max_pixels == 120_000_000


def test_every_variable_is_described_once() -> None:
    variables = dict(Settings.variables())
    assert len(variables) == len(Settings.model_fields)
    assert all(text.endswith(".") for text in variables.values())
    assert {"RITM_MODEL", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "BASIC_AUTH_USER"} <= variables.keys()


def test_values_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = read(
        monkeypatch,
        RITM_ALLOWED_HOSTS=" MinIO, 10.1.2.3/8,fd00::/8 ,",
        RITM_LOCAL_FILES_ROOT=str(tmp_path),
        RITM_DEVICE="cuda:1",
        RITM_LOG_LEVEL="debug",
        RITM_PROFILE="paper",
        RITM_MODEL="",
        LABEL_STUDIO_URL="https://annotate.example.org/ls/",
        LABEL_STUDIO_API_KEY=" abc123\n",
        BASIC_AUTH_USER="ann",
        BASIC_AUTH_PASS="pass",
    )
    networks = ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")
    assert found.allowed_hosts == ("minio", *networks)
    assert found.local_files_root == tmp_path
    assert found.log_level == "DEBUG"
    assert found.model == "bundled"
    assert found.label_studio_url == "https://annotate.example.org/ls"
    assert found.label_studio_api_key is not None
    assert found.label_studio_api_key.get_secret_value() == "abc123"


def test_the_sdk_name_of_the_token_works_too_and_the_own_one_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, token in (("LABEL_STUDIO_ACCESS_TOKEN", "one"), ("LABEL_STUDIO_API_KEY", "two")):
        found = read(monkeypatch, **{name: token}).label_studio_api_key
        assert found is not None
        assert found.get_secret_value() == token


def test_label_studios_own_setting_is_not_taken_for_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(
        FutureWarning, match="LABEL_STUDIO_HOST is a setting of Label Studio.* set LABEL_STUDIO_URL"
    ):
        assert read(monkeypatch, LABEL_STUDIO_HOST="http://a").label_studio_url is None
    assert read(monkeypatch, LABEL_STUDIO_URL="http://b").label_studio_url == "http://b"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("RITM_PORT", "70000", "less than or equal to 65535"),
        ("RITM_PORT", "http", "valid integer"),
        ("RITM_THREADS", "0", "greater than or equal to 1"),
        ("RITM_DEVICE", "gpu", "'cuda'"),
        ("RITM_PROFILE", "quick", "'serving' or 'paper'"),
        ("RITM_LOG_LEVEL", "chatty", "'DEBUG'"),
        ("RITM_FETCH_READ_SECONDS", "nan", "finite"),
        ("RITM_FETCH_TOTAL_SECONDS", "0", "greater than 0"),
        ("RITM_ALLOWED_HOSTS", "minio,10.0.0.0/99", "'10.0.0.0/99' is neither"),
        ("RITM_ALLOWED_HOSTS", "http://minio", "is neither"),
        ("RITM_LOCAL_FILES_ROOT", "/no/such/folder", "folder that exists"),
        ("LABEL_STUDIO_URL", "labelstudio:8080", "http://"),
        ("LABEL_STUDIO_URL", "http://user:pass@host", "no user name"),
        ("LABEL_STUDIO_URL", "http://host:99999", "ort"),
        ("LABEL_STUDIO_API_KEY", "two words", "one word"),
        ("BASIC_AUTH_USER", "ann", "BASIC_AUTH_PASS must be set together"),
    ],
)
def test_a_wrong_value_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    sentence = complaint(monkeypatch, **{name: value})
    assert sentence.startswith(name)
    assert reason in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_all_wrong_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = complaint(monkeypatch, RITM_PORT="x", RITM_DEVICE="gpu")
    assert "RITM_PORT" in sentence
    assert "RITM_DEVICE" in sentence


def test_an_alias_is_reported_under_the_preferred_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaint(monkeypatch, LABEL_STUDIO_ACCESS_TOKEN="a b").startswith("LABEL_STUDIO_API_KEY ")


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = " ".join(("top", "secret"))  # not in the source lines of a traceback
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, LABEL_STUDIO_API_KEY=secret, RITM_PORT="x")
    assert secret not in "".join(traceback.format_exception(caught.value))
    found = read(
        monkeypatch,
        RITM_PORT="1",
        LABEL_STUDIO_API_KEY="s3cr3t",
        BASIC_AUTH_USER="a",
        BASIC_AUTH_PASS="s3cr3t",
    )
    assert "s3cr3t" not in repr(found) + str(found) + found.model_dump_json()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings.from_environment().port = 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the clean environment
@given(text=st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_any_text_is_read_or_refused(text: str) -> None:
    for name in ("RITM_ALLOWED_HOSTS", "RITM_PORT", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, text)
            try:
                Settings.from_environment()
            except SettingsError as error:
                assert name in str(error)


def test_secrets_may_stand_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("from-a-file\n")
    found = read(monkeypatch, BASIC_AUTH_USER="anna", BASIC_AUTH_PASS_FILE=str(secret))
    assert found.basic_auth_pass is not None
    assert found.basic_auth_pass.get_secret_value() == "from-a-file"
    assert "from-a-file" not in repr(found)

    both = complaint(monkeypatch, BASIC_AUTH_PASS="word")
    assert both == "BASIC_AUTH_PASS and BASIC_AUTH_PASS_FILE are both set; one of them must go."
    monkeypatch.delenv("BASIC_AUTH_PASS")
    missing = complaint(monkeypatch, BASIC_AUTH_PASS_FILE=str(tmp_path / "nowhere"))
    assert missing == "BASIC_AUTH_PASS_FILE names a file that cannot be read."


@pytest.mark.parametrize("alias", ["LABEL_STUDIO_API_KEY_FILE", "LABEL_STUDIO_ACCESS_TOKEN_FILE"])
def test_every_name_of_a_secret_has_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, alias: str
) -> None:
    (tmp_path / "token").write_text("a" * 40)
    found = read(monkeypatch, **{alias: str(tmp_path / "token")})
    assert found.label_studio_api_key is not None
    assert found.label_studio_api_key.get_secret_value() == "a" * 40
