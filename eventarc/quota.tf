# Preflight: is the project given what the plan may use at a time? It warns and stops nothing, whatever the answer: so the
# quotas are read inside the checks, and one without a value, as 0 is left out of the answer, counts as 0.

locals {
  gpus = (var.gpu_worker_mode == "async" ? var.max_workers : 0) + (var.service ? var.service_instances : 0)

  # How much of each the plan may use at a time, as the quota counts it: GPUs, thousandths of a processor, bytes.
  most = {
    gpus       = local.gpus * local.accelerator.quota_unit
    processors = 1000 * (local.gpus * local.accelerator.cpu + sum([for function in local.deployed : function.instances]))
    memory     = 1048576 * (local.gpus * local.accelerator.memory * 1024 + sum([for function in local.deployed : function.instances * function.memory]))
  }

  more = "docs/operations.md, Quotas, says what happens then, and how to ask for more."
}

check "quota_of_gpus" {
  data "google_cloud_quotas_quota_info" "gpus" {
    parent   = "projects/${var.project}"
    service  = "run.googleapis.com"
    quota_id = local.accelerator.quota
  }

  assert {
    condition = anytrue([
      for info in data.google_cloud_quotas_quota_info.gpus.dimensions_infos :
      try(info.details[0].value == "-1" || tonumber(info.details[0].value) >= local.most.gpus, false) # -1: no limit
      if try(contains(info.applicable_locations, var.region), false)
    ])
    error_message = "${var.region} grants this project fewer GPUs for Cloud Run (${local.accelerator.quota}) than the ${local.gpus} that max_workers and service_instances ask for. With none, the job itself is refused. ${local.more}"
  }
}

check "quota_of_processors" {
  data "google_cloud_quotas_quota_info" "processors" {
    parent   = "projects/${var.project}"
    service  = "run.googleapis.com"
    quota_id = "CpuAllocPerProjectRegion"
  }

  assert {
    condition = anytrue([
      for info in data.google_cloud_quotas_quota_info.processors.dimensions_infos :
      try(info.details[0].value == "-1" || tonumber(info.details[0].value) >= local.most.processors, false)
      if try(contains(info.applicable_locations, var.region), false)
    ])
    error_message = "${var.region} grants this project fewer processors for Cloud Run (CpuAllocPerProjectRegion) than the ${local.most.processors / 1000} that workers, service and functions may use at a time. ${local.more}"
  }
}

check "quota_of_memory" {
  data "google_cloud_quotas_quota_info" "memory" {
    parent   = "projects/${var.project}"
    service  = "run.googleapis.com"
    quota_id = "MemAllocPerProjectRegion"
  }

  assert {
    condition = anytrue([
      for info in data.google_cloud_quotas_quota_info.memory.dimensions_infos :
      try(info.details[0].value == "-1" || tonumber(info.details[0].value) >= local.most.memory, false)
      if try(contains(info.applicable_locations, var.region), false)
    ])
    error_message = "${var.region} grants this project less memory for Cloud Run (MemAllocPerProjectRegion) than the ${local.most.memory} bytes that workers, service and functions may use at a time. ${local.more}"
  }
}
