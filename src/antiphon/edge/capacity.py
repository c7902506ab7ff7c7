"""How much one process can hold at once, where the settings do not say."""

from antiphon.config.settings import Settings
from antiphon.edge.admission import AdmissionLimits
from antiphon.lib.machine import memory_bytes, raise_file_limit

__all__ = ["capacity"]

#: Files for the database, the local model, logs, and what libraries open.
_FILES_FOR_OTHERS = 128
_FEWEST = 16
_MOST_CONNECTIONS = 8192
_MOST_RUNS = 4096
#: What a run may need: what is kept of it, its request, and what its client and its provider have not taken yet.
_RUN_BYTES = 256 * 1024


def capacity(settings: Settings) -> AdmissionLimits:
    """As configured, else what this process may have of files and memory. Raises its limit of open files."""
    files = max(_FEWEST, (raise_file_limit() - _FILES_FOR_OTHERS) // 2)  # a run has a client, and a provider
    runs = max(_FEWEST, min(_MOST_RUNS, files, memory_bytes() // 2 // _RUN_BYTES // settings.server.workers))
    return AdmissionLimits(
        max_runs=settings.limits.max_runs or runs,
        max_connections=settings.server.max_connections or min(_MOST_CONNECTIONS, files),
        late_s=settings.limits.late_s,
    )
