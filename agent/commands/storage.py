"""Journal, store and history, each opened by its section of the settings.

The functions raise `SettingsError` where a setting cannot be used. None of them connects to a server.
"""

from agent.config import JournalSettings, StoreSettings
from agent.journal import Journal
from agent.stores import History, Store, make_history, make_store


def open_journal(settings: JournalSettings) -> Journal:
    """The journal, made if there is none. Raises `JournalInUse` while another process has it open."""
    return Journal.open(
        settings.path,
        max_bytes=settings.max_bytes,
        when_full=settings.when_full,
        dead_letter_bytes=settings.dead_letter_bytes,
    )


def store_of(settings: StoreSettings, *, timeout_s: float = 30.0) -> Store:
    """The store for writing; it is not opened yet."""
    return make_store(
        settings.url,
        token=_token(settings),
        batch_points=settings.batch_points,
        keep_days=settings.keep_days,
        hot_days=settings.hot_days,
        timeout_s=timeout_s,
    )


def history_of(settings: StoreSettings) -> History:
    """The store for reading."""
    return make_history(settings.url, token=_token(settings))


def _token(settings: StoreSettings) -> str:
    return settings.token.get_secret_value() if settings.token is not None else ""
