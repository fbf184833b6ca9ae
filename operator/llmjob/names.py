"""Every name that users and other programs see: group, labels, annotations, reasons, conditions, levels.

Constants only, the ground that every other module may import.
"""

from enum import StrEnum
from typing import Final

GROUP: Final = "llmjob.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "LLMJob"
PLURAL: Final = "llmjobs"
SINGULAR: Final = "llmjob"
SHORT_NAME: Final = "llmj"
CATEGORY: Final = "llm"

DEFAULT_ROLE: Final = "main"

# Inputs: what users and administrators write.
JOB_LABEL: Final = "llmjob.dev/job"
ROLE_LABEL: Final = "llmjob.dev/role"
ENFORCEMENT_LABEL: Final = "llmjob.dev/enforcement"
STEERING_LABEL: Final = "llmjob.dev/steering"
# A label of a namespace, or an annotation of a pod.
TERMINATION_MESSAGE: Final = "llmjob.dev/termination-message"
LOGS: Final = "logs"

# Outputs: overwritten at CREATE, read back by nobody.
NEED_ANNOTATION: Final = "status.llmjob.dev/need"
VERDICT_ANNOTATION: Final = "status.llmjob.dev/verdict"
INPUT_HASH_ANNOTATION: Final = "status.llmjob.dev/input-hash"
DECIDED_LABEL: Final = "status.llmjob.dev/decided"

WEBHOOK_CONFIGURATION: Final = "llmjob-admission"


class Reason(StrEnum):
    """Why a verdict is what it is; the order is the precedence, the first that holds wins."""

    BAD_INPUT = "BadInput"
    MODEL_UNKNOWN = "ModelUnknown"
    PENDING = "Pending"
    NO_ELIGIBLE_GPU = "NoEligibleGPU"
    GPU_COUNT_MISMATCH = "GPUCountMismatch"
    FITS = "Fits"
    TIGHT = "Tight"
    INVENTORY_UNKNOWN = "InventoryUnknown"
    INCOMPLETE_INVENTORY = "IncompleteInventory"
    STALE = "Stale"
    NOT_ENOUGH_GPUS_PER_NODE = "NotEnoughGPUsPerNode"
    INSUFFICIENT_GPU_MEMORY = "InsufficientGPUMemory"


class Level(StrEnum):
    """Enforcement levels, loosest first; a namespace label carries the lower-case word."""

    OFF = "off"
    AUDIT = "audit"
    WARN = "warn"
    ENFORCE = "enforce"
    STRICT = "strict"


class Condition(StrEnum):
    """Condition types of an LLMJob's status."""

    ESTIMATED = "Estimated"
    FITS = "Fits"
    USAGE_OBSERVED = "UsageObserved"
    MEMORY_EXHAUSTED = "MemoryExhausted"
