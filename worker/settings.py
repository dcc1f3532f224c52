"""Settings of the worker, read from the environment; CLOUD_RUN_* are set by Cloud Run itself."""

from pathlib import Path

from pydantic import Field

from gcp.project import Project


class WorkerSettings(Project):
    """The Job: where its work comes from, where its model lies, how long it stays without work."""

    work_subscription: str = Field("work", description="subscription that work is pulled from")
    boltz_cache: Path = Field(description="folder of the weights")
    device: str = Field("auto", description="auto (CUDA if there is one), cpu or cuda")
    work_dir: Path = Field(
        Path("/tmp/dropfold"),  # noqa: S108  Cloud Run's only writable folder, private to the task
        description="folder for the files of jobs in hand",
    )
    idle_seconds: float = Field(30, gt=0, description="without work, then the worker leaves")
    renew_seconds: float = Field(30, gt=0, le=60, description="between two renewals of a lease")
    read_seconds: float = Field(120, gt=0, description="limit for parsing and featurising one input")
    prediction_seconds: float = Field(600, gt=0, description="limit for one turn on the device")
    result_cache: bool = Field(True, description="copy the outputs of an equal job that succeeded before")
    task_seconds: float = Field(3600, gt=0, description="the task's own timeout, as it is deployed")
    cloud_run_execution: str = Field(description="set by Cloud Run: the execution's name")
    cloud_run_task_index: int = Field(0, description="set by Cloud Run: which of the execution's tasks")
    cloud_run_task_attempt: int = Field(0, description="set by Cloud Run: which attempt at that task, from 0")

    @property
    def holder(self) -> str:
        """Name this process in leases, receipts and logs."""
        return f"{self.cloud_run_execution}/{self.cloud_run_task_index}/{self.cloud_run_task_attempt}"
