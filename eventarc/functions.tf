# The functions: one source, deployed once for each entry point of functions/main.py, each with its own identity.

locals {
  # Variables of every component (gcp/settings.py).
  project_env = {
    GOOGLE_CLOUD_PROJECT = var.project
    FIRESTORE_DATABASE   = google_firestore_database.ledger.name
    INPUT_BUCKET         = google_storage_bucket.input.name
    OUTPUT_BUCKET        = google_storage_bucket.output.name
    REQUESTED_TOPIC      = google_pubsub_topic.topic["predictions-requested"].name
    COMPLETED_TOPIC      = google_pubsub_topic.topic["predictions-completed"].name
    MAX_TOKENS           = var.max_tokens
  }

  # Variables of every component where there is an MSA server (gcp/settings.py).
  msa_server_env = {
    MSA_SERVER_URL      = one(var.msa_server[*].url)
    MSA_SERVER_DATABASE = one(var.msa_server[*].database)
    MSA_SERVER_PAIRING  = one(var.msa_server[*].pairing)
    ALIGNMENTS_BUCKET   = one(google_storage_bucket.alignments[*].name)
    ALIGNMENTS_TOPIC    = try(google_pubsub_topic.topic["alignments-requested"].name, null)
  }

  # What every component of this deployment gets.
  shared_env = merge(local.project_env, { for name, value in local.msa_server_env : name => value if var.msa_server != null })

  # Variables of each function that takes uploads in (functions/settings.py, IntakeSettings).
  intake_env = {
    ARRIVED_TOPIC = google_pubsub_topic.topic["references-arrived"].name
  }

  # Secrets that on_align reads, by its variables of them; then those that are named.
  align_secrets = {
    MSA_SERVER_PASSWORD = one(var.msa_server[*].password_secret)
    MSA_SERVER_KEY      = one(var.msa_server[*].key_secret)
  }
  secrets = { for name, secret in local.align_secrets : name => secret if secret != null }

  # Of each function: what it is for, how many instances may live and how many calls share one, seconds that a call
  # may take, an instance's MiB of memory, whether it takes uploads in, its own variables (functions/settings.py), and
  # secrets. An instance has one processor, of those that Cloud Run gives a project in a region for workers and
  # functions together, 20 at first: with more instances, a burst of uploads would keep workers from starting.
  functions = {
    on_upload = {
      description = "Takes uploads in."
      instances   = 4
      concurrency = 16
      seconds     = 60
      memory      = 512
      takes_in    = true
      env         = {}
    }
    on_delete = {
      description = "Ends jobs whose object was deleted or overwritten."
      instances   = 2
      concurrency = 16
      seconds     = 60
      memory      = 512
      takes_in    = true
      env         = {}
    }
    on_wake = {
      description = "Lets jobs go on whose file came."
      instances   = 1
      concurrency = 2 # each call has 16 threads of its own
      seconds     = 120
      memory      = 512
      takes_in    = true
      env         = {}
    }
    on_request = {
      description = "Keeps enough workers alive, or pushes each job to the service."
      # One, so that two decisions never count the same worker as missing; messages that come meanwhile share it.
      instances   = 1
      concurrency = 80
      seconds     = 360 # more than GPU_WORKER_SECONDS, for which the service may hold a push
      memory      = 512
      takes_in    = false
      env = {
        GPU_WORKER_MODE    = var.gpu_worker_mode
        GPU_WORKER_URL     = local.service_url
        CLOUD_RUN_JOB_NAME = google_cloud_run_v2_job.worker.name
        CLOUD_RUN_REGION   = var.region
        MAX_WORKERS        = var.max_workers
        JOBS_PER_WORKER    = var.jobs_per_worker
      }
    }
    on_align = {
      description = "Has alignments made that jobs lack."
      # One, so that the MSA server sees one client, which leaves it alone when it asks for that. One call of it works, one
      # waits to begin anew, and the others leave at once.
      instances   = 1
      concurrency = 20
      seconds     = 540  # more than ALIGN_SECONDS, less than the subscription's ack_deadline
      memory      = 2048 # an archive, which Cloud Run keeps in memory, and what is unpacked of it
      takes_in    = false
      env = {
        MSA_SERVER_CONTACT  = one(var.msa_server[*].contact)
        MSA_SERVER_USERNAME = one(var.msa_server[*].username)
        MSA_SERVER_HEADER   = one(var.msa_server[*].header)
        MSA_SERVER_AUDIENCE = one(var.msa_server[*].audience)
      }
      secrets = local.secrets
    }
    on_dead = {
      description = "Takes up what could not be delivered."
      instances   = 1
      concurrency = 8
      seconds     = 60
      memory      = 512
      takes_in    = true
      env = {
        GPU_WORKER_MODE     = var.gpu_worker_mode
        LAUNCH_SUBSCRIPTION = local.launch
        WORK_SUBSCRIPTION   = local.work
      }
    }
    on_sweep = {
      description = "Finishes what was left half done, and makes stale pages anew."
      instances   = 1
      concurrency = 1
      seconds     = 300
      memory      = 512
      takes_in    = false
      env         = { PAGES_SUBSCRIPTION = local.pages }
    }
    on_compare = {
      description = "Takes in what no event brought."
      instances   = 1
      concurrency = 1
      seconds     = 1800
      memory      = 512
      takes_in    = true
      env         = {}
    }
  }

  # on_align is called by nothing where there is no MSA server.
  deployed = { for name, function in local.functions : name => function if contains(keys(local.callers), name) }
}

data "external" "bundle" {
  program     = ["python3", "-m", "tools.functions_bundle", "--json", "eventarc/.bundle"]
  working_dir = "${path.module}/.."
}

data "archive_file" "bundle" {
  type        = "zip"
  source_dir  = "${path.module}/../${data.external.bundle.result.folder}"
  output_path = "${path.module}/.bundle.zip"
  # Whatever the umask of whoever checked it out: else each machine deploys each function anew.
  output_file_mode = "0644"
}

resource "google_storage_bucket_object" "bundle" {
  name   = "functions/${data.archive_file.bundle.output_sha256}.zip"
  bucket = google_storage_bucket.cache.name
  source = data.archive_file.bundle.output_path
}

resource "google_artifact_registry_repository" "functions" {
  repository_id = "${var.name}-functions"
  description   = "Images that Cloud Build makes of the functions."
  location      = var.region
  format        = "DOCKER"

  depends_on = [google_project_service.api]
}

resource "google_cloudfunctions2_function" "function" {
  for_each = local.deployed

  name        = "${var.name}-${replace(each.key, "_", "-")}"
  description = each.value.description
  location    = var.region

  build_config {
    runtime           = "python311"
    entry_point       = each.key
    service_account   = google_service_account.identity["build"].id
    docker_repository = google_artifact_registry_repository.functions.id
    worker_pool       = var.build_worker_pool

    source {
      storage_source {
        bucket = google_storage_bucket.cache.name
        object = google_storage_bucket_object.bundle.name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.identity[each.key].email
    ingress_settings                 = "ALLOW_INTERNAL_ONLY" # Eventarc, Pub/Sub and Cloud Scheduler count as internal
    available_cpu                    = "1"
    available_memory                 = "${each.value.memory}Mi"
    timeout_seconds                  = each.value.seconds
    max_instance_count               = each.value.instances
    max_instance_request_concurrency = each.value.concurrency
    all_traffic_on_latest_revision   = true
    # These are functions-framework's. As many calls at a time as Cloud Run sends; a call ends itself before Cloud Run
    # gives up on it: that would leave its thread at work for nobody, and send it the next call all the same.
    environment_variables = merge(local.shared_env, each.value.takes_in ? local.intake_env : {}, each.value.env, {
      PYTHONWARNINGS            = "ignore::FutureWarning" # as in the worker's image
      THREADS                   = each.value.concurrency
      THREADED_TIMEOUT_ENABLED  = "true"
      CLOUD_RUN_TIMEOUT_SECONDS = each.value.seconds - 5
    })

    # Read as an instance starts: a new version counts from the next one on.
    dynamic "secret_environment_variables" {
      for_each = try(each.value.secrets, {})
      content {
        key        = secret_environment_variables.key
        project_id = var.project
        secret     = secret_environment_variables.value
        version    = "latest"
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.gpu_worker_mode == "async" || var.service
      error_message = "gpu_worker_mode = \"sync\" pushes jobs to the service: set service = true too."
    }
  }

  # Without its indexes a function's searches are refused.
  depends_on = [
    google_firestore_field.expire_at,
    google_firestore_index.search,
    terraform_data.rights_hold,
  ]
}
