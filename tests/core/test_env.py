"""Settings from the environment fail at start, in one clear line."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from ace_project.core import env


def test_an_unset_variable_gives_the_default(monkeypatch) -> None:
    monkeypatch.delenv("ACE_X", raising=False)
    assert env.text("ACE_X", "d") == "d"
    assert env.integer("ACE_X", 3) == 3
    assert env.number("ACE_X", 0.5) == 0.5
    assert env.boolean("ACE_X", True) is True
    assert env.names("ACE_X", ("a",)) == ["a"]
    assert env.database("ACE_X") is None


@pytest.mark.parametrize("raw", ["ten", "1.5", "-1", "99999999999"])
def test_a_wrong_whole_number_is_named(monkeypatch, raw) -> None:
    monkeypatch.setenv("ACE_X", raw)
    with pytest.raises(ImproperlyConfigured, match="ACE_X="):
        env.integer("ACE_X", 3)


@pytest.mark.parametrize("raw", ["many", "nan", "inf", "1.01"])
def test_a_wrong_number_is_named(monkeypatch, raw) -> None:
    monkeypatch.setenv("ACE_X", raw)
    with pytest.raises(ImproperlyConfigured, match="ACE_X="):
        env.number("ACE_X", 0.7, 0.0, 1.0)


@pytest.mark.parametrize(("raw", "value"), [("on", True), ("0", False), ("TRUE", True)])
def test_truth_values_have_several_spellings(monkeypatch, raw, value) -> None:
    monkeypatch.setenv("ACE_X", raw)
    assert env.boolean("ACE_X", not value) is value


def test_any_other_truth_value_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("ACE_X", "maybe")
    with pytest.raises(ImproperlyConfigured, match="true or false"):
        env.boolean("ACE_X", True)


def test_a_secret_may_stand_in_a_file(monkeypatch, tmp_path) -> None:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    monkeypatch.setenv("ACE_X_FILE", str(path))
    assert env.text("ACE_X") == "s3cret"


def test_a_secret_file_that_is_missing_stops_the_start(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("ACE_X_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match="ACE_X_FILE"):
        env.text("ACE_X")


def test_a_value_and_a_file_at_once_are_refused(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("ACE_X", "a")
    monkeypatch.setenv("ACE_X_FILE", str(tmp_path))
    with pytest.raises(ImproperlyConfigured, match="both set"):
        env.text("ACE_X")


def test_a_database_url_is_read_whole(monkeypatch) -> None:
    monkeypatch.setenv("ACE_X", "postgres://ann:p%40ss@db:6543/ace?sslmode=require")
    found = env.database("ACE_X")
    assert found is not None
    assert (found["USER"], found["PASSWORD"], found["HOST"]) == ("ann", "p@ss", "db")
    assert (found["PORT"], found["NAME"]) == ("6543", "ace")
    assert found["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize("raw", ["mysql://a@b/c", "postgres://a@b", "postgres://a@b:x/c"])
def test_any_other_database_url_is_refused(monkeypatch, raw) -> None:
    monkeypatch.setenv("ACE_X", raw)
    with pytest.raises(ImproperlyConfigured, match="ACE_X"):
        env.database("ACE_X")


def test_networks_are_read_or_refused(monkeypatch) -> None:
    monkeypatch.setenv("ACE_X", "10.1.0.0/16, ::1")
    assert [str(network) for network in env.networks("ACE_X")] == ["10.1.0.0/16", "::1/128"]
    monkeypatch.setenv("ACE_X", "10.1.2.3/16")
    with pytest.raises(ImproperlyConfigured, match="ACE_X: 10.1.2.3/16"):
        env.networks("ACE_X")


STORE = {
    "ACE_X_URL": "https://s3.example:9000/policies/ace/one",
    "ACE_X_KEY_ID": "key",
    "ACE_X_SECRET": "s3cret",
}


def test_a_store_is_read_from_its_parts_and_shows_no_secret(monkeypatch) -> None:
    assert env.object_store("ACE_X") is None
    for name, value in STORE.items():
        monkeypatch.setenv(name, value)
    store = env.object_store("ACE_X")
    assert (store.host, store.secure, store.bucket) == ("s3.example:9000", True, "policies")
    assert (store.prefix, store.region, store.secret) == ("ace/one/", "us-east-1", "s3cret")
    assert "s3cret" not in repr(store)


@pytest.mark.parametrize("missing", STORE)
def test_half_a_store_stops_the_start(monkeypatch, missing) -> None:
    for name, value in STORE.items():
        monkeypatch.setenv(name, "" if name == missing else value)
    with pytest.raises(ImproperlyConfigured, match="together or not at all"):
        env.object_store("ACE_X")


@pytest.mark.parametrize(
    "url",
    ["s3://b/x", "https://h", "https://u:p@h/bucket", "https://h/b?x=1", "https://h:x/bucket",
     "https://[h/bucket", "https://h/bucket/a b", "https://:9/bucket"],
)  # fmt: skip
def test_an_address_that_is_no_store_stops_the_start(monkeypatch, url) -> None:
    for name, value in {**STORE, "ACE_X_URL": url}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match="ACE_X_URL"):
        env.object_store("ACE_X")


def test_a_store_without_its_client_stops_the_start(monkeypatch) -> None:
    for name, value in STORE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(env, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match="pip install 'minio"):
        env.object_store("ACE_X")


PROVIDER = {"ISSUER": "https://id.example.org/", "CLIENT_ID": "ace", "CLIENT_SECRET": "s"}


def provider(monkeypatch, **changed):
    for name, value in (PROVIDER | changed).items():
        monkeypatch.setenv(f"ACE_X_{name}", value)
    return env.oidc("ACE_X")


def test_an_identity_provider_is_read_and_its_secret_not_printed(monkeypatch) -> None:
    found = provider(monkeypatch, CLIENT_SECRET="hush", NAME="Example")
    assert (found.issuer, found.name) == ("https://id.example.org", "Example")
    assert "hush" not in repr(found)


def test_no_identity_provider_is_none(monkeypatch) -> None:
    assert provider(monkeypatch, ISSUER="", CLIENT_ID="", CLIENT_SECRET="") is None


@pytest.mark.parametrize("missing", ["ISSUER", "CLIENT_ID", "CLIENT_SECRET"])
def test_half_an_identity_provider_is_refused(monkeypatch, missing) -> None:
    with pytest.raises(ImproperlyConfigured, match="set together"):
        provider(monkeypatch, **{missing: ""})


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example.org",
        "https://",
        "id.example.org",
        "https://me:pw@id.example.org",
        "https://id.example.org/?a=1",
        "https://id.example.org:port",
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_refused(monkeypatch, issuer) -> None:
    with pytest.raises(ImproperlyConfigured, match="ACE_X_ISSUER"):
        provider(monkeypatch, ISSUER=issuer)


def test_an_issuer_on_this_machine_needs_no_tls(monkeypatch) -> None:
    assert provider(monkeypatch, ISSUER="http://localhost:8080/realms/a").issuer
