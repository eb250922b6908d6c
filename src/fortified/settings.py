"""Settings: the environment and ``.env``, once, frozen.

Owns the names of the configuration keys, their defaults and bounds. Only the command line and the composition root read it. Secrets have a
type that never prints them.
"""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fortified.domain.errors import ConfigError

_CREDENTIALS = ("tasty_client_secret", "tasty_refresh_token", "schwab_client_id", "schwab_client_secret")


class Settings(BaseSettings):
    """All that the owner of a server can set. Names are those of the environment variables, in lower case."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, env_ignore_empty=True)

    # Server
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    environment: str = "development"
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["auto", "console", "json"] = "auto"

    # Data
    fortified_data_dir: Path = Path("~/.local/share/fortified")
    fortified_plugins_dir: Path = Path("plugins")
    redis_url: SecretStr | None = None
    redis_host: str | None = None
    redis_port: int = Field(default=6379, ge=1, le=65535)
    redis_db: int = Field(default=0, ge=0, le=15)
    redis_password: SecretStr | None = None
    bars_stream_maxlen: int = Field(default=1000, ge=1000, le=1_000_000)
    ticks_stream_maxlen: int = Field(default=5000, ge=2048, le=1_000_000)
    backtest_data_dir: Path | None = None
    backtest_workers: int = Field(default=1, ge=1, le=256)

    # Log-in
    jwt_secret: SecretStr | None = None
    jwt_expiration_minutes: int = Field(default=43_200, ge=5, le=525_600)
    access_token_minutes: int = Field(default=60, ge=1, le=1440)
    fortified_admin_email: str = "admin@example.com"
    fortified_admin_password: SecretStr | None = None

    # Trading
    allow_live: bool = False
    fortified_demo: bool = True
    fortified_demo_seed: int = 7
    paper_fill: Literal["next", "last"] = "next"
    paper_slippage_ticks: int = Field(default=0, ge=0, le=1000)
    paper_latency_ms: int = Field(default=0, ge=0, le=60_000)
    schwab_fee: str = "0"
    tastytrade_fee: str = "2.00/contract"
    paper_trades_backup: bool = False
    stale_after_seconds: float = Field(default=10.0, gt=0, le=3600)
    chart_timeframes: Annotated[tuple[str, ...], NoDecode] = ("1", "5", "144t", "512t")

    # Brokers
    tasty_client_id: str | None = None
    tasty_client_secret: SecretStr | None = None
    tasty_refresh_token: SecretStr | None = None
    tasty_account_id: str | None = None
    tasty_api_url: str | None = None
    tasty_streamer_url: str | None = None
    schwab_client_id: str | None = None
    schwab_client_secret: SecretStr | None = None
    schwab_redirect_uri: str = "https://localhost:8000/api/brokers/schwab/callback"
    schwab_account_id: str | None = None
    schwab_api_url: str | None = None
    schwab_auth_url: str | None = None
    wire_journal: bool = False
    fortified_brokers: Literal["simulated"] | None = None

    @field_validator("fortified_brokers")
    @classmethod
    def _apart(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Simulated brokers and real credentials are never mixed."""
        real = [name.upper() for name in _CREDENTIALS if info.data.get(name) is not None]
        if value is not None and real:
            raise ValueError(f"simulated brokers are never mixed with real credentials; unset {', '.join(real)} or this")
        return value

    @field_validator("cors_origins", "chart_timeframes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @property
    def log_form(self) -> Literal["auto", "console", "json"]:
        """Form of the logs: in production always JSON, unless the owner chose."""
        return "json" if self.log_format == "auto" and self.environment == "production" else self.log_format

    @property
    def data_dir(self) -> Path:
        """The data directory, absolute."""
        return self.fortified_data_dir.expanduser().absolute()

    @property
    def plugins_dir(self) -> Path:
        """Where files of plugins are looked for, absolute."""
        return self.fortified_plugins_dir.expanduser().absolute()

    @property
    def backtests_dir(self) -> Path:
        """Where backtests of a server are kept."""
        return self.data_dir / "backtests"

    @property
    def backtest_files_dir(self) -> Path:
        """Where the data files of these backtests lie, absolute."""
        own = self.backtest_data_dir
        return self.backtests_dir / "data" if own is None else own.expanduser().absolute()

    @property
    def external_redis_url(self) -> str | None:
        """The URL of the owner's own Redis; None means the embedded one."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        if self.redis_host is None:
            return None
        secret = f":{quote(self.redis_password.get_secret_value(), safe='')}@" if self.redis_password is not None else ""
        return f"redis://{secret}{self.redis_host}:{self.redis_port}/{self.redis_db}"

    @property
    def simulated(self) -> bool:
        """Whether the brokers are those of ``fortified simulate``: no real money is there."""
        return self.fortified_brokers == "simulated"

    @property
    def has_broker(self) -> bool:
        """Whether credentials of a broker are configured, or simulated ones are asked for."""
        return self.simulated or self.tasty_client_secret is not None or self.schwab_client_secret is not None

    @property
    def demo(self) -> bool:
        """Whether the server shows the synthetic demo market."""
        return self.fortified_demo and not self.has_broker

    @property
    def key_prefix(self) -> str:
        """What the keys in Redis begin with: what was traded at simulated brokers is never taken for real."""
        return "simulated:" if self.simulated else ""


def load_settings(**overrides: object) -> Settings:
    """The settings, with ``overrides`` from the command line (None: not given).

    Raises:
        ConfigError: a value is not valid; names the key, not the value of a secret.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic validates what comes from options
    except ValidationError as error:
        lines = [f"{str(detail['loc'][0]).upper()}: {detail['msg']}" for detail in error.errors(include_input=False)]
        raise ConfigError("settings are not valid: " + "; ".join(lines)) from None
