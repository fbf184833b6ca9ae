"""Which model an LLMJob runs."""

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from llmjob.api.base import Rule, RuledModel, Word, stated
from llmjob.api.patterns import COUNT, ID, REVISION

Count = Annotated[str, Field(max_length=24, pattern=COUNT)]
Id = Annotated[str, Field(max_length=193, pattern=ID)]
Revision = Annotated[str, Field(max_length=128, pattern=REVISION)]
# A published config.json has at most some hundred keys; its whole size is bounded by the API server's request limit.
Config = Annotated[dict[str, Any], Field(max_length=512)]


def _above_zero(count: str | None) -> bool:
    return count is None or any(digit in count for digit in "123456789")


_KNOWN: Final = Rule(
    cel="has(self.id) || has(self.config) || has(self.parameters)",
    holds=lambda model: model.id is not None or model.config is not None or model.parameters is not None,
    message="at least one of id, config and parameters must say which model it is",
    fields=("id", "config", "parameters"),
)
_NO_PARENT: Final = Rule(
    cel="!has(self.id) || !self.id.contains('..')",
    holds=lambda model: model.id is None or ".." not in model.id,
    message="id must be a name such as Qwen/Qwen2.5-7B-Instruct, no path: it holds no '..'",
    fields=("id",),
)
_PARAMETERS: Final = Rule(
    cel="!has(self.parameters) || self.parameters.matches('[1-9]')",
    holds=lambda model: _above_zero(model.parameters),
    message="parameters must be above zero, as 7B",
    fields=("parameters",),
)
_ACTIVE: Final = Rule(
    cel="!has(self.activeParameters) || self.activeParameters.matches('[1-9]')",
    holds=lambda model: _above_zero(model.active_parameters),
    message="activeParameters must be above zero, as 37B",
    fields=("activeParameters",),
)


class Model(RuledModel):
    """Which model. The architecture comes from config, else from the id where it is known, else from parameters."""

    rules: ClassVar[tuple[Rule, ...]] = (_KNOWN, _NO_PARENT, _PARAMETERS, _ACTIVE)

    id: Id | None = stated("Model id such as Qwen/Qwen2.5-7B-Instruct; never a URL or a path.")
    revision: Revision | None = stated("Revision of the id: a branch, tag or commit.")
    parameters: Count | None = stated("Parameter count with K, M, B or T: 7B, 0.5B, 671B.")
    active_parameters: Count | None = stated("Parameters that a token activates, for mixtures of experts: 37B.")
    config: Config | None = stated("The model's Hugging Face config.json, as published.")
    dtype: Word | None = stated("Data type of the weights: FP32, FP16, BF16; the config's own unless stated.")
    quantization: Word | None = stated("Quantisation of the weights: INT8, FP8, NF4, AWQ, GPTQ, MXFP4, Q4_K_M, ...")
