"""Cost of a run in a month, by part."""

from collections.abc import Mapping

from benchmarks.capacity.figures import Footprint, Limits, Price
from benchmarks.capacity.record import End, Outcome

MONTH_HOURS = 730
BYTES_PER_REQUEST = 1000
TIB = 2**40
HALF_A_GIB = 0.5


def gpu_second(prices: Mapping[str, Price], limits: Limits) -> float:
    """Return USD for a second of a worker: its L4, processors and memory, which are billed together."""
    return (
        prices["gpu_second"].usd
        + limits.vcpus * prices["vcpu_second"].usd
        + limits.memory_gib * prices["gib_second"].usd
    )


def monthly(
    outcome: Outcome, prices: Mapping[str, Price], limits: Limits, footprint: Footprint
) -> dict[str, float]:
    """Return USD per month, by part: workers, and the services that every architecture needs."""
    files = outcome.files / _months(outcome)
    return {
        "workers": outcome.billed_seconds / _months(outcome) * gpu_second(prices, limits),
        "functions": _functions(files, prices, footprint),
        "messages": files * footprint.pubsub_requests * BYTES_PER_REQUEST / TIB * prices["pubsub_tib"].usd,
        "ledger": _ledger(files, prices, footprint),
        "storage": _storage(files, prices, footprint),
    }


def per_thousand(outcome: Outcome, parts: Mapping[str, float]) -> float:
    """Return USD per thousand results, of parts that are USD per month."""
    return 1000 * sum(parts.values()) * _months(outcome) / outcome.ends[End.SUCCEEDED]


def _months(outcome: Outcome) -> float:
    return outcome.horizon_seconds / (MONTH_HOURS * 3600)


def _functions(files: float, prices: Mapping[str, Price], footprint: Footprint) -> float:
    calls = files * footprint.function_calls + footprint.sweeps_per_month
    second = prices["function_vcpu_second"].usd + HALF_A_GIB * prices["function_gib_second"].usd
    return calls * (prices["function_call"].usd + footprint.function_seconds * second)


def _ledger(files: float, prices: Mapping[str, Price], footprint: Footprint) -> float:
    reads = files * footprint.firestore_reads + footprint.sweeps_per_month * footprint.reads_per_sweep
    writes = files * footprint.firestore_writes
    return reads * prices["firestore_read"].usd + writes * prices["firestore_write"].usd


def _storage(files: float, prices: Mapping[str, Price], footprint: Footprint) -> float:
    kept = files * footprint.output_gigabytes * footprint.kept_months
    return (
        kept * prices["storage_gigabyte_month"].usd
        + footprint.image_gigabytes * prices["registry_gigabyte_month"].usd
        + files * footprint.class_a_operations * prices["class_a_operation"].usd
        + files * footprint.class_b_operations * prices["class_b_operation"].usd
    )
