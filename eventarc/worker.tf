# The worker: one image, run as a Cloud Run job that drains the queue, and, if asked for, as a service.

locals {
  # Seconds that Cloud Run gives a task with a GPU at most. The worker is told, and takes no more work when less than
  # a prediction's limit is left.
  task_seconds = 3600

  # List price in us-central1 of an L4 without zonal redundancy, 4 processors and 16 GiB, as of 2026-11 (docs/capacity.md).
  usd_per_hour = 1.05

  # Without a GPU that torch can use, a process is to end before it takes a job: on a processor each would run into
  # its limit of time, and fail for good.
  worker_env = {
    BOLTZ_CACHE       = var.boltz_cache
    CHILD_MEMORY_MIB  = local.child_memory_mib
    DEVICE            = "cuda"
    WORK_DIR          = "/work"
    WORK_SUBSCRIPTION = local.work
    TASK_SECONDS      = local.task_seconds
    USD_PER_HOUR      = local.usd_per_hour
  }

  # Empty where there is no service.
  service_url = var.service ? google_cloud_run_v2_service.worker[0].uri : ""

  service_env = {
    BOLTZ_CACHE      = var.boltz_cache
    CHILD_MEMORY_MIB = local.child_memory_mib
    DEVICE           = "cuda"
    WORK_DIR         = "/work"
    USD_PER_HOUR     = local.usd_per_hour
  }

  # Of the worker's memory: two children that read, what they leave in /work for three jobs, and the rest for the
  # process that predicts. docs/operations.md says how this and max_tokens go together.
  child_memory_mib = 4096
  work_size        = "5Gi"

  # The least that Cloud Run gives an L4.
  worker_limits = {
    cpu              = "4"
    memory           = "16Gi"
    "nvidia.com/gpu" = "1"
  }
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
  launch_stage        = "BETA" # GPUs on jobs; harmless once they are beyond it

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
        accelerator = "nvidia-l4"
      }

      containers {
        image = var.image

        resources {
          limits = local.worker_limits
        }

        dynamic "env" {
          for_each = merge(local.shared_env, local.worker_env)
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
  ingress             = "INGRESS_TRAFFIC_ALL" # and whoever calls needs run.invoker: var.service_callers

  template {
    service_account                  = google_service_account.identity["service"].email
    timeout                          = "300s"
    max_instance_request_concurrency = 10
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    gpu_zonal_redundancy_disabled    = true

    scaling {
      min_instance_count = 0
      max_instance_count = 3
    }

    node_selector {
      accelerator = "nvidia-l4"
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
        for_each = merge(local.shared_env, local.service_env)
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
