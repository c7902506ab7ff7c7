"""What `antiphon serve` was told on its command line, which wins over everything, also when settings are read again."""

from pathlib import Path

from msgspec import Struct, structs

from antiphon.cli.options import catalog_of, settings_from
from antiphon.config.settings import Settings

__all__ = ["Overrides", "settings_again"]


class Overrides(Struct, frozen=True, kw_only=True):
    """Options of the command line; `None` where there was none."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None

    def over(self, settings: Settings) -> Settings:
        """The settings with these in place of their own."""
        given = {name: value for name, value in structs.asdict(self).items() if value is not None}
        return structs.replace(settings, server=structs.replace(settings.server, **given))


def settings_again(file: str, overrides: Overrides) -> Settings:
    """The settings as they are now, checked as `check-config` does. Raises `ConfigError`."""
    settings = settings_from(Path(file) if file else None)
    catalog_of(settings)
    return overrides.over(settings)
