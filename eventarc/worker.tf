# The worker: one image, run as a Cloud Run job that drains the queue, and, if asked for, as a service.

# What a GPU comes with, by its name in Cloud Run. Pure data, for quota.tf too.
locals {
  # The least processors and GiB of memory that Cloud Run lets go with it; of the latter, GiB of /work and MiB that a child may
  # take; its quota, and what that counts one as; and the list price in USD of an hour in us-central1, without zonal
  # redundancy, as of 2026-11 (docs/capacity.md), null where it is not known.
  accelerators = {
    nvidia-l4 = {
      cpu          = 4
      memory       = 16
      work         = 5
      child        = 4096
      quota        = "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion"
      quota_unit   = 1
      usd_per_hour = 1.05
    }
    nvidia-rtx-pro-6000 = {
      cpu          = 20
      memory       = 80
      work         = 24
      child        = 20480
      quota        = "NvidiaRtxPro6000GpuAllocNoZonalRedundancyPerProjectRegion"
      quota_unit   = 1000
      usd_per_hour = null
    }
  }
  accelerator = local.accelerators[var.accelerator]
}

locals {
  # Seconds that Cloud Run gives a task with a GPU at most. The worker is told, and takes no more work when less than
  # a prediction's limit is left.
  task_seconds = 3600

  # Without a GPU that torch can use, a process is to end before it takes a job: on a processor each would run into
  # its limit of time, and fail for good.
  worker_env = {
    BOLTZ_CACHE       = var.boltz_cache
    CHILD_MEMORY_MIB  = local.child_memory_mib
    DEVICE            = "cuda"
    SPEED             = var.speed
    PUBSUB_ENDPOINT   = "${var.region}-pubsub.googleapis.com:443" # exactly once holds among those who pull in one region
    WORK_DIR          = "/work"
    WORK_SUBSCRIPTION = local.work
    TASK_SECONDS      = local.task_seconds
    USD_PER_HOUR      = local.accelerator.usd_per_hour
  }

  # Empty where there is no service. Its address that is known before it is made: a function's variable that is not
  # known when it is planned may end an apply as inconsistent.
  service_url = var.service ? "https://${var.name}-service-${data.google_project.this.number}.${var.region}.run.app" : ""

  service_env = {
    BOLTZ_CACHE      = var.boltz_cache
    CHILD_MEMORY_MIB = local.child_memory_mib
    DEVICE           = "cuda"
    SPEED            = var.speed
    WORK_DIR         = "/work"
    USD_PER_HOUR     = local.accelerator.usd_per_hour
  }

  # Of the worker's memory: two children that read, what they leave in /work for three jobs, and the rest for the
  # process that predicts. docs/operations.md says how this and max_tokens go together.
  child_memory_mib = local.accelerator.child
  work_size        = "${local.accelerator.work}Gi"

  worker_limits = {
    cpu              = tostring(local.accelerator.cpu)
    memory           = "${local.accelerator.memory}Gi"
    "nvidia.com/gpu" = "1"
  }

  # What is not known is not said.
  job_env      = { for name, value in merge(local.shared_env, local.worker_env) : name => value if value != null }
  instance_env = { for name, value in merge(local.shared_env, local.service_env) : name => value if value != null }
}

resource "google_artifact_registry_repository" "images" {
  repository_id = var.name
  description   = "Images of the worker."
  location      = var.region
  format        = "DOCKER"

  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }

  # However old it is.
  cleanup_policies {
    id     = "keep-deployed"
    action = "KEEP"
    condition {
      version_name_prefixes = [split("@", var.image)[1]]
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "${180 * 24 * 3600}s"
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_cloud_run_v2_job" "worker" {
  name                = "${var.name}-worker"
  location            = var.region
  deletion_protection = var.deletion_protection

  template {
    task_count  = 1
    parallelism = 1

    template {
      service_account               = google_service_account.identity["worker"].email
      timeout                       = "${local.task_seconds}s"
      max_retries                   = 2
      execution_environment         = "EXECUTION_ENVIRONMENT_GEN2"
      gpu_zonal_redundancy_disabled = true

      node_selector {
        accelerator = var.accelerator
      }

      containers {
        image = var.image

        resources {
          limits = local.worker_limits
        }

        dynamic "env" {
          for_each = local.job_env
          content {
            name  = env.key
            value = env.value
          }
        }

        volume_mounts {
          name       = "work"
          mount_path = "/work"
        }
      }

      dynamic "vpc_access" {
        for_each = google_compute_subnetwork.closed
        content {
          egress = "ALL_TRAFFIC"
          network_interfaces {
            network    = vpc_access.value.network
            subnetwork = vpc_access.value.id
          }
        }
      }

      # In memory. A full one fails a job; without a limit it would take the task's memory and end the task.
      volumes {
        name = "work"
        empty_dir {
          medium     = "MEMORY"
          size_limit = local.work_size
        }
      }
    }
  }

  depends_on = [terraform_data.rights_hold]
}

resource "google_cloud_run_v2_service" "worker" {
  count = var.service ? 1 : 0

  name                = "${var.name}-service"
  location            = var.region
  deletion_protection = var.deletion_protection
  custom_audiences    = [local.service_url]
  ingress             = "INGRESS_TRAFFIC_ALL" # and whoever calls needs run.invoker: var.service_callers

  template {
    service_account                  = google_service_account.identity["service"].email
    timeout                          = "300s"
    max_instance_request_concurrency = 10
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    gpu_zonal_redundancy_disabled    = true

    scaling {
      min_instance_count = 0
      max_instance_count = var.service_instances
    }

    node_selector {
      accelerator = var.accelerator
    }

    containers {
      image = var.image
      args  = ["python", "-m", "worker.service"] # not command: the image's own prepares /tmp

      ports {
        container_port = 8080
      }

      resources {
        limits            = local.worker_limits
        cpu_idle          = false # a GPU needs its CPU always
        startup_cpu_boost = true
      }

      # Four minutes for the image to be read and the model to be loaded.
      startup_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 24
        http_get {
          path = "/healthz/ready"
        }
      }

      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/healthz/live"
        }
      }

      dynamic "env" {
        for_each = local.instance_env
        content {
          name  = env.key
          value = env.value
        }
      }

      volume_mounts {
        name       = "work"
        mount_path = "/work"
      }
    }

    dynamic "vpc_access" {
      for_each = google_compute_subnetwork.closed
      content {
        egress = "ALL_TRAFFIC"
        network_interfaces {
          network    = vpc_access.value.network
          subnetwork = vpc_access.value.id
        }
      }
    }

    volumes {
      name = "work"
      empty_dir {
        medium     = "MEMORY"
        size_limit = local.work_size
      }
    }
  }

  depends_on = [terraform_data.rights_hold]
}
