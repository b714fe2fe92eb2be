"""The record of a run: its fields, what each must be, and its line of JSON."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)


def config_hash(config: Mapping[str, Any]) -> str:
    """The first 12 digits of the SHA-256 of a configuration."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


def number_or_nan(value: object, check: ValidatorFunctionWrapHandler) -> float:
    """NaN for null or NaN; any other value must be a finite number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return math.nan
    if not isinstance(value, float | int):  # pydantic would take a tensor: it has a __float__
        raise ValueError("Input should be a valid number")
    number: float = check(value)
    return number


def with_zone(text: str) -> str:
    """The text, if it is an ISO 8601 time with its zone; else a ValueError."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("the time has no zone")
    return text


Amount = Annotated[float, Field(ge=0)]
Metric = Annotated[
    float,
    WrapValidator(number_or_nan),
    PlainSerializer(lambda value: None if value != value else value),  # JSON has no NaN
    WithJsonSchema({"type": ["number", "null"]}),
]


class Record(BaseModel):
    """The outcome of one run, one line of JSON.

    ``Record.model_json_schema()`` describes that line to other programs.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    claim: str
    """The row of ``data/reported`` that the run repeats; "" if nobody reported it."""
    experiment: str
    """The experiment's name."""
    config: dict[str, Any]
    """All that decides the outcome but the seed. With dropout, the outcome also depends on
    which seeds are trained together: they share its noise."""
    seed: Annotated[int, Field(ge=0)]
    """The seed; it decides the initial weights and the order of the data."""
    metrics: dict[str, Metric]
    """The results by name; null (NaN in Python) where there is no number, such as the epoch of
    90 % accuracy in a run that never reached it."""
    data: dict[str, str]
    """SHA-256 of the data, by split."""
    duration_s: Amount
    """Wall time of this run's share of the computation, in seconds."""
    device: str
    """The accelerator, or the number of CPU threads."""
    versions: dict[str, str]
    """The versions of Python and torch."""
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{12}\+?)?$")]
    """The commit of the code, with "+" if the library had uncommitted changes; "" if unknown."""
    code: Annotated[str, Field(pattern="^([0-9a-f]{12})?$")]
    """The hash of the code that can change the outcome; "" if unknown."""
    created: Annotated[str, AfterValidator(with_zone)]
    """When the record was made, ISO 8601 with its zone."""
    flops: Amount | None
    """Floating-point operations of the training; null: not counted."""
    energy_kwh: Amount | None
    """This run's share of the machine's electricity; null: unknown."""
    energy: Literal["measured", "estimated", ""]
    """How ``energy_kwh`` is known; "" if it is not."""
    config_hash: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    """The hash of ``config``."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Record:
        if self.config_hash != config_hash(self.config):
            raise ValueError("config does not match its config_hash")
        if (self.energy_kwh is None) != (self.energy == ""):
            raise ValueError("energy_kwh and energy are known together or not at all")
        return self


def checked(fields: object) -> Record:
    """A record with these fields.

    Raises:
        ValueError: they are not a record's; one line names each wrong field, what was
            expected, and what was given.
    """
    try:
        return Record.model_validate(fields)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise ValueError("; ".join(map(fault_text, faults))) from None


def fault_text(fault: Mapping[str, Any]) -> str:
    """One fault that pydantic found, in a few words."""
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return str(message)
    text = f"{'.'.join(map(str, fault['loc']))}: {message}"
    given = json.dumps(fault["input"], default=repr)
    return text if fault["type"] == "missing" else f"{text}, got {given}"


def encode(record: Record) -> bytes:
    """A record as a line of JSON.

    Raises:
        TypeError: the configuration has a value that JSON cannot hold.
        ValueError: the configuration has a number that is not finite.
    """
    return json.dumps(record.model_dump(), allow_nan=False).encode()
