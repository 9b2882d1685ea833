"""No secret leaves, by value or by shape, and nothing else is touched."""

import base64
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.redact import MARK, find_secrets, redact, redact_value

PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEow==\n"
    "-----END RSA PRIVATE KEY-----"
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-proj-AbCdEf0123456789xyz.", f"key {MARK}."),
        ("sk-ant-api03-aaaaaaaaaaaaaaaaaaaa", MARK),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345 and more", f"{MARK} and more"),
        ("AWS AKIAIOSFODNN7EXAMPLE", f"AWS {MARK}"),
        ("Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {MARK}"),
        ("authorization: basic dXNlcjpwYXNz", f"authorization: basic {MARK}"),
        (f'{{"token": "{JWT}"}}', f'{{"token": "{MARK}"}}'),
        (f"before {PEM} after", f"before {MARK} after"),
        (json.dumps(PEM), f'"{MARK}"'),
        ("-----BEGIN PRIVATE KEY-----\ncut off", MARK),
        ("postgres://ann:hunter2@db.example/x", f"postgres://ann:{MARK}@db.example/x"),
        ("redis://:hunter2@cache", f"redis://:{MARK}@cache"),
    ],
)
def test_secrets_are_known_by_their_shape(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "a task-list-of-everything-to-do and a risk-based-approach-of-old",
        "see https://example.com:8080/a@b and mailto:ann@example.com",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "the bearer of this; basic sums",
        "12345678 tokens, 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_secrets_that_overlap_leave_nothing_of_either():
    assert redact("<abcdefghijkl>", {"abcdefgh", "efghijkl"}) == f"<{MARK}>"
    assert redact("aaaaaaaaaaaa", {"aaaaaaaa"}) == MARK


def test_a_shape_that_only_shows_once_another_is_gone() -> None:
    assert redact(f"://u:x{PEM}@") == f"://u:{MARK}@"


def test_a_secret_that_is_a_part_of_the_mark_itself_comes_to_an_end() -> None:
    assert redact("it is redacted", {"redacted"}) == f"it is {MARK}"


def test_a_secret_that_is_too_short_to_be_one_is_left():
    assert redact("no way", {"no", ""}) == "no way"


def test_the_environment_s_secrets_are_those_named_so():
    environment = {
        "OPENAI_API_KEY": "a key with spaces",
        "GH_TOKEN": "tok",
        "PGPASSWORD": 'with "quotes"',
        "HOME": "/home/ann/somewhere",
        "app_secret": "lower case",
    }
    found = find_secrets(environment)
    assert found >= {"a key with spaces", 'with "quotes"', r"with \"quotes\"", "lower case"}
    assert not any("/home" in secret or secret == "tok" for secret in found)


def test_the_password_of_a_url_in_the_environment_is_a_secret_in_all_its_spellings():
    secrets = find_secrets({"DATABASE_URL": "postgres://ann:hunter2+more@db/x", "PWD": "/home/ann"})
    token = base64.b64encode(b"ann:hunter2+more").decode()
    for text in ("hunter2+more", "hunter2%2Bmore", token):
        assert redact(f"<{text}>", secrets) != f"<{text}>"
    assert redact("/home/ann", secrets) == "/home/ann"


@pytest.mark.parametrize(
    ("before", "secret", "after"),
    [
        ("aws_secret_access_key = ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""),
        ('{"api_key": "', "abcd-efgh", '"}'),
        ("{'password': '", "swordfish", "'}"),
        (r"{\"client_secret\": \"", "s3cr3tvalue", r"\"}"),
        ("export PGPASSWORD=", "swordfish", " psql"),
        ("MY_SERVICE_KEY=", "abcdef", ""),
        ("X-Auth-Token: ", "0a1b2c3d4e", "\r\nHost: x"),
        ("x-api-key: ", "0a1b2c3d4e", ""),
        ("Authorization: Token ", "0a1b2c3d4e", ""),
        ("Set-Cookie: ", "sid=31d4d96e407aad42; Path=/", "\r\nHost: x"),
        ("Cookie: ", "a=b; session=xyz", ""),
        ("GET /a?token=", "abcdef", "&page=2"),
        ("https://x/y?a=1&access_token=", "abcdef", " was refused"),
        ("https://x/y?key=", "abcdef", ""),
        ("https://x/y?num=3&api_key=", "serp-secret-1", " HTTP"),
        ('{"password": "', "my_secret_password", '"}'),
        ("token=", "my-secret", "\n"),
        ("https://hooks.slack.com/services/", "T00000000/B00000000/XXXXXXXXXXXX", " failed"),
        ("https://discord.com/api/webhooks/", "1234567890/abc-DEF", ""),
        ("", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", ""),
        ("", "npm_abcdefghijklmnopqrstuvwxyz0123456789", ""),
        ("_authToken=", "npm_abcdefghijklmnopqrstuvwxyz0123456789", ""),
        ("amqp://ann:", "p@ss", "@host:5672/x"),
        ("mongodb+srv://ann:", "swordfish", "@cluster.example/x"),
        ("https://", "0123456789abcdef0123", "@host/x"),
        ("host=db user=ann password=", "swordfish", " dbname=x"),
        ("password: ", "hunter2", ""),
        ("Password: ", "hunter2!", ""),
        ("curl --token ", "a1b2c3d4", " x"),
        ("<Password>", "swordfish", "</Password>"),
        ("AccountKey=", "abc123abc123==", ";EndpointSuffix=x"),
        ("passphrase: '", "correct horse battery staple", "'"),
        ("", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----", ""),
    ],
)
def test_assigned_secrets_are_known_by_their_names(before, secret, after):
    assert redact(f"{before}{secret}{after}") == f"{before}{MARK}{after}"


@pytest.mark.parametrize(
    "text",
    [
        "connect(user=user, password=password)",
        "def connect(user: str, password: str = '', token: str | None = None):",
        "self.token = token\nself.api_key = settings.api_key",
        "token = next(tokens)  # the next token",
        "password = getpass('Password: ')",
        "secret = os.environ['MY_SECRET']",
        'api_key = os.environ.get("OPENAI_API_KEY")',
        "max_tokens = 8192, tokens: 1,234; token_count=12345678",
        "primary_key=True, sort_key=lambda x: x.name",
        "password: must have 8 characters",
        "the secret: patience. Token: a unit of text",
        '{"password": "must be at least 8 characters", "type": "password"}',
        '{"token": {"type": "string"}, "next_page_token": "abcdefgh12345678"}',
        "export OPENAI_API_KEY=sk-... and GH_TOKEN=$TOKEN",
        "PWD=/home/ann/project",
        "--password PASSWORD  the password",
        "Cookie: chocolate",
        "Authorization: required",
        "an ATTENTION token: sha256 of the text",
        "the password is too short; access key, secret, token",
        "https://example.com/a?page=2&sort=token",
        "monkey = banana123; keyboard: qwerty12",
    ],
)
def test_prose_and_code_that_speak_of_secrets_stay(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("DB_PASS=hunter2", "hunter2"),
        ("USERPASS=hunter2", "hunter2"),
        ("user=root pass=hunter2", "hunter2"),
        ("pass: hunter2", "hunter2"),
        ("dbPass: 'hunter2'", "hunter2"),
        ("pw=hunter2", "hunter2"),
        ("PGPASSWORD='hunter two' psql", "hunter two"),
        ("secret_key: 'django-insecure-abc$%^'", "django-insecure-abc$%^"),
        ("SECRET_KEY = 'abc$%^&*('", "abc$%^&*("),
        ("auth_token: deadbeefdeadbeef", "deadbeefdeadbeef"),
        ("login failed (auth_token: deadbeefdeadbeef)", "deadbeefdeadbeef"),
        ("user: ann\npassword: summer\nport: 5432", "summer"),
        ("- password: summer", "summer"),
        ("user: ann, password: summer", "summer"),
        ("passwort=geheim99", "geheim99"),
        ("contraseña=sol-luna99", "sol-luna99"),
        ("otp=123456", "123456"),
        ("_auth=dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("TWILIO_AUTH=abc123def456", "abc123def456"),
        ("X-Amz-Security-Token: FwoGZXIvYXdzEBYaD", "FwoGZXIvYXdzEBYaD"),
        ("Ocp-Apim-Subscription-Key: abc123def456", "abc123def456"),
        ("x-csrf-token: abc123def", "abc123def"),
        ('Cookie: sid="abc123"', 'sid="abc123"'),
        ("machine h login u password hunter2", "hunter2"),
        ("machine h\n  login u\n  password letmein", "letmein"),
        ("https://api.telegram.org/bot123456789:AAabcdefghijklmnopqrstuvwxyz", "123456789:AAabc"),
        ("https://outlook.office.com/webhook/abc-def@ghi/IncomingWebhook/xyz123/abc", "xyz123"),
        ("curl -u user:pw https://x", "pw"),
        ("curl --user 'ann:hunter two'", "hunter"),
        ("-u admin:hunter2secret https://x", "hunter2secret"),
        ("mysql -u root -phunter2", "hunter2"),
        ("sshpass -p hunter ssh x", "hunter"),
        ("docker login -u ann -p hunter2pass", "hunter2pass"),
        ('["password", "hunter2"]', "hunter2"),
        ("('x-api-key', 'abc123def456')", "abc123def456"),
        ("api-key 'abc123def456'", "abc123def456"),
        ('ENV APP_TOKEN "FwoGZXIv"', "FwoGZXIv"),
        ("ENV APP_PASSWORD swordfish", "swordfish"),
        ("aws_secret_access_key: !vault wJalrXUtnFEMIK7MDENG", "wJalrXUtnFEMIK7MDENG"),
        ('{"password": 12345678}', "12345678"),
        ('{"name": "X-Api-Key", "value": "abcdefgh"}', "abcdefgh"),
        ("https://a:b@c@d@e@f@host", "b@c@d@e@f"),
    ],
)
def test_secrets_of_every_notation_are_removed(text, secret):
    shown = redact(text)
    assert secret not in shown
    assert MARK in shown
    assert redact(shown) == shown


def test_what_is_no_secret_stays_whatever_it_speaks_of():
    innocent = Path(__file__).with_name("innocent_texts.txt").read_text("utf8").splitlines()
    assert len(innocent) >= 60
    assert [text for text in innocent if redact(text) != text] == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"Cookie": "sid=abc123def"}, {"Cookie": MARK}),
        ({"set-cookie": ["sid=abc123def"]}, {"set-cookie": [MARK]}),
        ({"Authorization": "abc123def456"}, {"Authorization": MARK}),
        ({"Proxy-Authorization": "Basic dXNlcg=="}, {"Proxy-Authorization": f"Basic {MARK}"}),
        ({"password": 12345678}, {"password": MARK}),
        ({"password": ["hunter2", 1234]}, {"password": [MARK, MARK]}),
        ({"name": "X-Api-Key", "value": "abcdef"}, {"name": "X-Api-Key", "value": MARK}),
        ({"Key": "DB_PASS", "Value": "abcdef"}, {"Key": "DB_PASS", "Value": MARK}),
        ({"token": {"value": "abcdef"}}, {"token": {"value": MARK}}),
    ],
)
def test_a_field_s_secret_is_removed_whatever_holds_it(value, shown):
    assert redact_value(value) == shown


@pytest.mark.parametrize(
    "value",
    [
        {"token": 17, "max_tokens": 4096, "password": None, "secret": True},
        {"password": {"type": "string", "minLength": 8}},
        {"password": ["This field is required."]},
        {"Authorization": "required", "Cookie": "chocolate"},
        {"name": "city", "value": "Berlin2024"},
        {"name": "password", "value": "required"},
    ],
)
def test_a_field_that_describes_a_secret_stays(value):
    assert redact_value(value) == value


def test_the_field_of_an_object_is_redacted_by_its_name():
    value = {"password": "swordfish", "note": "swordfish", "token": None, "page_token": "abcdef"}
    assert redact_value(value) == value | {"password": MARK}


def test_a_value_is_redacted_through_and_through():
    secrets = frozenset({"password1"})
    value = {"a": ["password1", 1, None, {"is password1": True}], "n": 0.5}
    assert redact_value(value, secrets) == {"a": [MARK, 1, None, {f"is {MARK}": True}], "n": 0.5}


words = st.text("abcdef-_./:@ \n", max_size=60)
secrets = st.frozensets(st.text("abcdef", min_size=8, max_size=12), min_size=1, max_size=4)


@given(st.lists(words, max_size=6), secrets, st.data())
def test_no_given_secret_is_left(pieces, known, data):
    chosen = sorted(known)
    text = "".join(piece + data.draw(st.sampled_from(chosen)) for piece in pieces)
    shown = redact(text, known)
    assert not any(secret in part for secret in known for part in shown.split(MARK))
    assert all(part in text for part in shown.split(MARK))


PIECES = [
    "sk-",
    "a" * 20,
    "Bearer ",
    "://u:",
    "@",
    JWT,
    PEM,
    PEM[:40],
    "AKIA",
    "ABCDEFGHIJKLMNOP",
    "password=",
    '"token": "',
    "?key=",
    "X-Auth-Token: ",
    "hunter2",
    " ",
    "\n",
    "-",
    ".",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_redacting_twice_changes_nothing_more(text):
    once = redact(text)
    assert redact(once) == once


UNITS = [
    "sk-",
    "eyJ",
    "eyJ-",
    "eyJ-" * 200 + ".",
    "eyJaaaaaaaa.",
    "AKIA",
    "://a:",
    PEM[:31],
    "bearer ",
    "bearer",
    " ",
    "xoxa-",
    "password=",
    "password='",
    "token: a",
    "?key=a",
    "Cookie: a=b;",
    "authorization: ",
    "<token>",
    "--token ",
    "_KEY=",
    "b@",
    "token ",
    "secret ",
    "curl -u a",
    "mysql ",
    '"name": "',
    '("password", ',
    "machine x login ",
    "password:\n",
]


@pytest.mark.parametrize("unit", UNITS)
def test_no_text_takes_more_than_linear_time(unit):
    text = "https://a:" + unit * (200_000 // len(unit))
    started = time.process_time()
    redact(text, {"a secret value"})
    assert time.process_time() - started < 1  # quadratic would be minutes
