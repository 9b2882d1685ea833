"""Who may reach `treadle serve`: by itself only this machine and its user; else those whose keys a file has."""

import socket

import pytest

from treadle.cli.serve import ServeOptions, listen, read_keys
from treadle.core.errors import UsageError

KEY = "a-key-that-is-long-enough"


def keys_file(tmp_path, text, mode=0o600):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(mode)
    return ServeOptions(keys=path)


def test_by_itself_it_listens_on_loopback_and_makes_a_new_key_each_time():
    with listen(ServeOptions().host, 0, "--port") as listener:
        address = listener.getsockname()
        assert address[0] == "127.0.0.1"
        socket.create_connection(address).close()  # also before anything is served there
    [first], [second] = read_keys(ServeOptions()), read_keys(ServeOptions())
    assert first != second
    assert len(first) >= 32


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", ""])
def test_another_address_needs_a_file_of_keys(host):
    with pytest.raises(UsageError, match="lets other machines in; say who may come in"):
        read_keys(ServeOptions(host=host))


def test_a_key_says_whose_it_is(tmp_path):
    settings = keys_file(tmp_path, f"# who may come in\nann {KEY}\n\nben {KEY}-too\n")
    assert read_keys(settings) == {KEY: "ann", f"{KEY}-too": "ben"}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_of_keys_that_others_reach_is_refused(tmp_path, mode):
    with pytest.raises(UsageError, match=r"others can read .*chmod 600"):
        read_keys(keys_file(tmp_path, f"ann {KEY}\n", mode))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ann short\n", "line 1: give a NAME and a KEY of at least 16 characters"),
        (f"{KEY}\n", "line 1: give a NAME"),
        (f"ann {KEY}\nben {KEY}\n", "line 2: the key is that of ann, too"),
        ("# nobody\n", "has no line of NAME KEY"),
    ],
)
def test_a_wrong_line_is_named_and_no_key_is_shown(tmp_path, text, told):
    with pytest.raises(UsageError, match=told) as raised:
        read_keys(keys_file(tmp_path, text))
    assert KEY not in str(raised.value)
