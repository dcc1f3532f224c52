"""The base of everything that is stored."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of everything that is stored: frozen, closed, explicit."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
