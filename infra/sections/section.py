"""What every section has in common."""

from typing import Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from infra.problems import refuse


class Section(BaseModel):
    """Part of the config: camelCase in the stack file, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False, validate_by_alias=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        if bool in (field.annotation, *get_args(field.annotation)):
            return value
        for entry in value if isinstance(value, list | tuple) else (value,):
            if isinstance(entry, bool):
                refuse(f"{str(entry).lower()} is neither a number nor a text", f"give {field.description}")
        return value


def _once_each(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(value)) != len(value):
        refuse("an entry stands twice", "keep one of each")
    return value


OnceEach = AfterValidator(_once_each)
