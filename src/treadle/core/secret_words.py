"""The words that name secrets, and those that stand in a secret's place and are none. Pure."""

SECRET_NAME = (
    # The first letters of all of these: no others are tried at most places, which is twice as fast.
    r"(?=[PpKk_][AaSsWwRrEeUu]?|[SsWw][EeIiUuHhAa]|[Tt][Oo]|[CcMm][OoRrAa]|[Aa][PpCcUu]|[EeLl][NnIi]|"
    r"[FfDd][UuEe]|[Oo][Tt]|[п密パП])(?:"
    r"(?i:pass(?:word|wd|phrase|code|wort)|passwd|pwd|kennwort|wachtwoord|contrase(?:ñ|n)a|"
    r"mot[_ ]?de[_ ]?passe|senha|пароль|密码|パスワード|"
    r"secret|token|credentials?|sessionid|session_id|"
    r"(?:api|access|account|private|secret|signing|encryption|shared|auth|master|license|"
    r"subscription|functions?|deploy|consumer|session|webhook)"
    r"[ _-]?key|sharedaccesskey|signature)|(?<=[A-Z0-9])_KEY|"
    r"(?<=[?&])(?:key|sig|auth|pass|pw)|"
    r"(?<![A-Za-z0-9])(?i:pass|psw|pw|otp|totp)|"
    r"(?i:(?<=user)|(?<=root)|(?<=admin)|(?<=db))(?i:pass)|"
    r"(?<=[a-z0-9])Pass|(?<=[A-Z0-9])_AUTH|(?<![A-Za-z0-9])_auth)"
)
"""The end of a name of something secret, such as `DB_PASSWORD` or `x-api-key`."""

NO_TOKENS = ("page", "next", "continuation", "sync", "cursor", "prompt", "completion")
"""Before `token`: one that is no secret."""
NO_PASSES = (
    "low",
    "high",
    "band",
    "all",
    "first",
    "second",
    "last",
    "one",
    "two",
    "single",
    "multi",
)
"""Before `pass`: one that is no password, such as a filter's."""

_WORDS = """
none null nil true false undefined str string bytes text int integer number bool boolean
object any optional required mandatory missing invalid valid expired wrong incorrect correct
empty unset set not redacted hidden value changeme example yes no on off ok enabled disabled
default unknown accepted rejected denied failed changed updated reset created deleted revoked
strong weak basic bearer digest prompt input field passed skipped
"""
WORDS = frozenset(_WORDS.split())
"""What is said of a secret, or stands in its place."""
