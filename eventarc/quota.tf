# Preflight: does the project have the GPUs that the plan may use? It warns and stops nothing.

locals {
  gpus = var.max_workers + (var.service ? 3 : 0)
}

data "google_cloud_quotas_quota_info" "l4" {
  parent   = "projects/${var.project}"
  service  = "run.googleapis.com"
  quota_id = "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion"
}

check "gpu_quota" {
  assert {
    condition = anytrue([
      for info in data.google_cloud_quotas_quota_info.l4.dimensions_infos :
      contains(info.applicable_locations, var.region) && (
        tonumber(info.details[0].value) < 0 || tonumber(info.details[0].value) >= local.gpus # -1: no limit
      )
    ])
    error_message = "${var.region} grants this project fewer L4 GPUs for Cloud Run than the ${local.gpus} that max_workers and service ask for. docs/operations.md, Quotas, says how to ask for more."
  }
}
