# What differs from one deployment to the next. examples/ has a minimal and a production set.

variable "project" {
  description = "Id of the Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project must be a project id: 6 to 30 lower-case letters, digits and dashes."
  }
}

variable "region" {
  description = "Region of everything; one that has L4 GPUs for Cloud Run."
  type        = string
  default     = "us-central1"

  validation {
    condition     = contains(["asia-south1", "asia-southeast1", "europe-west1", "europe-west4", "us-central1", "us-east4"], var.region)
    error_message = "Cloud Run offers L4 GPUs in asia-south1, asia-southeast1, europe-west1, europe-west4, us-central1 and us-east4. If there are more by now, add them in variables.tf."
  }
}

variable "name" {
  description = "Prefix of what the plan names: functions, job, identities, metrics."
  type        = string
  default     = "dropfold"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.name))
    error_message = "name must be 2 to 16 lower-case letters, digits and dashes: identities have at most 30 characters."
  }
}

variable "alone" {
  description = "Whether the project is this deployment's alone: it then has the default database, and topics with plain names. Where another one is in the project, false: all names begin with `name`. Cannot be changed later."
  type        = bool
  default     = true
}

variable "bucket_prefix" {
  description = "What buckets' names begin with, which are global; null for the project's, and `name` where it is not alone. Cannot be changed later."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_prefix == null ? true : can(regex("^[a-z0-9][a-z0-9-]{1,50}$", var.bucket_prefix))
    error_message = "bucket_prefix must be 2 to 51 lower-case letters, digits and dashes."
  }
}

variable "image" {
  description = "Image of the worker, pinned by digest: REGION-docker.pkg.dev/PROJECT/NAME/worker@sha256:…"
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must end with @sha256: and 64 hex digits, so that every task of a deployment runs the same code; docs/operations.md says how to read the digest."
  }
}

variable "boltz_cache" {
  description = "Folder of the weights in the image."
  type        = string
  default     = "/opt/boltz"
}

variable "accelerator" {
  description = "GPU of workers and service: nvidia-l4 (24 GB), or nvidia-rtx-pro-6000 (96 GB, in preview, in fewer regions)."
  type        = string
  default     = "nvidia-l4"

  validation {
    condition     = contains(["nvidia-l4", "nvidia-rtx-pro-6000"], var.accelerator)
    error_message = "accelerator must be nvidia-l4 or nvidia-rtx-pro-6000; Cloud Run has no others."
  }
}

variable "speed" {
  description = "How workers and service compute: exact, to Boltz-2's own bytes, or fast, with other last digits (docs/performance.md)."
  type        = string
  default     = "exact"

  validation {
    condition     = contains(["exact", "fast"], var.speed)
    error_message = "speed must be exact or fast."
  }
}

variable "max_workers" {
  description = "Most workers alive at a time, one GPU each. Two are what a new project has memory for."
  type        = number
  default     = 2

  validation {
    condition     = var.max_workers >= 1 && var.max_workers <= 100
    error_message = "max_workers must be from 1 to 100."
  }
}

variable "jobs_per_worker" {
  description = "Queued jobs that deserve one more worker."
  type        = number
  default     = 10

  validation {
    condition     = var.jobs_per_worker >= 1
    error_message = "jobs_per_worker must be 1 or more."
  }
}

variable "service" {
  description = "Whether the Cloud Run service, which answers requests directly, is deployed beside the job."
  type        = bool
  default     = false
}

variable "service_instances" {
  description = "Most instances of the service, one GPU each. Cloud Run refuses a service whose instances have more memory than the project is given: 40 GiB at first."
  type        = number
  default     = 2

  validation {
    condition     = var.service_instances >= 1 && var.service_instances <= 100
    error_message = "service_instances must be from 1 to 100."
  }
}

variable "max_tokens" {
  description = "Most tokens of an input (residues, and atoms of ligands). Time and memory grow with their square."
  type        = number
  default     = 1500

  validation {
    condition     = var.max_tokens >= 1 && var.max_tokens <= 10000
    error_message = "max_tokens must be between 1 and 10000."
  }
}

variable "gpu_worker_mode" {
  description = "How work reaches a GPU: async starts executions of the job, sync pushes each job to the service."
  type        = string
  default     = "async"

  validation {
    condition     = contains(["async", "sync"], var.gpu_worker_mode)
    error_message = "gpu_worker_mode must be async or sync."
  }
}

variable "service_callers" {
  description = "Who may call the service: members such as user:ada@example.com or serviceAccount:…"
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.service_callers : can(regex("^(user|group|serviceAccount|domain):", member))])
    error_message = "service_callers must be user:, group:, serviceAccount: or domain: members; nobody calls it without an identity."
  }
}

variable "uploaders" {
  description = "Who may drop files into the input bucket and read results, besides the project's owners."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.uploaders : can(regex("^(user|group|serviceAccount|domain):", member))])
    error_message = "uploaders must be user:, group:, serviceAccount: or domain: members; the buckets are never public."
  }
}

variable "keep_inputs_days" {
  description = "Days until an uploaded file is deleted; the ledger keeps an ended job for 90."
  type        = number
  default     = 90

  validation {
    condition     = var.keep_inputs_days >= 3
    error_message = "keep_inputs_days must be 3 or more: the hourly comparison takes in what is younger than two days."
  }
}

variable "keep_outputs_days" {
  description = "Days until results are deleted; null keeps them for ever. After 30 days they move to cheaper storage."
  type        = number
  default     = 365

  validation {
    condition     = var.keep_outputs_days == null ? true : var.keep_outputs_days > 30
    error_message = "keep_outputs_days must be more than 30, or null."
  }
}

variable "keep_alignments_days" {
  description = "Days until an alignment is deleted; a job that needs it after that has it made again."
  type        = number
  default     = 180

  validation {
    condition     = var.keep_alignments_days >= 3
    error_message = "keep_alignments_days must be 3 or more: a job may wait for a worker that long, and would find its alignments gone."
  }
}

variable "msa_server" {
  description = "MSA server of ColabFold's API that proteins without MSA are sent to, letters alone. null: nothing is sent, and files with such proteins are rejected."
  type = object({
    url      = string
    database = string                     # a name of what it searches, for receipts; another one starts anew
    pairing  = optional(string, "greedy") # how rows of a complex are paired
    contact  = string                     # whom its people may write to, as each request says

    # Credentials, of one kind at most; secrets by their ids in Secret Manager.
    username        = optional(string, "") # with password_secret: basic authentication
    password_secret = optional(string)
    header          = optional(string, "X-API-Key") # with key_secret: a key
    key_secret      = optional(string)
    audience        = optional(string, "") # a Google identity token of on_align's identity
  })
  default = null

  validation {
    condition     = var.msa_server == null ? true : can(regex("^https://[^\\s?#@/]+(/[^\\s?#]*)?$", var.msa_server.url))
    error_message = "msa_server.url must be https://HOST, with a path if there is one, and without a query or credentials: name those by username and password_secret, key_secret, or audience."
  }

  validation {
    condition     = var.msa_server == null ? true : can(regex("^[ -~]{1,100}$", var.msa_server.database))
    error_message = "msa_server.database must be 1 to 100 plain characters that name what the server searches, such as uniref30_2302+envdb_202108: its API does not say."
  }

  validation {
    condition     = var.msa_server == null ? true : contains(["greedy", "complete"], var.msa_server.pairing)
    error_message = "msa_server.pairing must be greedy (rows pair some of a complex's sequences, as Boltz has it) or complete (all or none)."
  }

  validation {
    condition     = var.msa_server == null ? true : can(regex("^[^@ ]+@[!-~]{1,150}$|^https://[!-~]{1,150}$", var.msa_server.contact))
    error_message = "msa_server.contact must be a mail address, or an https:// address, at which the server's people reach you: it is sent with each request."
  }

  validation {
    condition     = var.msa_server == null ? true : (var.msa_server.username == "") == (var.msa_server.password_secret == null)
    error_message = "msa_server.username and msa_server.password_secret come together: give both, or neither."
  }

  validation {
    condition     = var.msa_server == null ? true : length([for given in [var.msa_server.username != "", var.msa_server.key_secret != null, var.msa_server.audience != ""] : given if given]) <= 1
    error_message = "msa_server takes one kind of credentials: username with password_secret, key_secret, or audience. Leave the others out."
  }

  validation {
    condition     = var.msa_server == null ? true : alltrue([for secret in [var.msa_server.password_secret, var.msa_server.key_secret] : can(regex("^[A-Za-z0-9_-]{1,255}$", secret)) if secret != null])
    error_message = "msa_server.password_secret and key_secret must be ids of secrets in this project's Secret Manager, such as msa-key: neither the secret itself, which would lie in Terraform's state, nor a whole path."
  }

  validation {
    condition     = var.msa_server == null ? true : can(regex("^[A-Za-z0-9-]{1,100}$", var.msa_server.header))
    error_message = "msa_server.header must be the name of an HTTP header, such as X-API-Key: letters, digits and dashes."
  }
}

variable "webhook" {
  description = "Address that completion events are pushed to, with a filter of Pub/Sub (null for all) and the audience of the token. Another filter is another subscription: what the old one has not delivered is lost."
  type = object({
    url      = string
    filter   = optional(string)
    audience = optional(string)
  })
  default = null

  validation {
    condition     = var.webhook == null ? true : startswith(var.webhook.url, "https://")
    error_message = "webhook.url must begin with https://, else Pub/Sub sends no token."
  }
}

variable "closed_network" {
  description = "Whether workers and service reach Google's APIs alone, by a network of their own, and not the internet."
  type        = bool
  default     = false
}

variable "keep_logs_days" {
  description = "Days for which logs are kept, in the region; null leaves them in _Default, which is global, for 30."
  type        = number
  default     = null

  validation {
    condition     = var.keep_logs_days == null ? true : var.keep_logs_days >= 1 && var.keep_logs_days <= 3650
    error_message = "keep_logs_days must be from 1 to 3650, or null."
  }
}

variable "audit_logs" {
  description = "Whether each read and write of objects, jobs and messages is recorded in the audit logs; they cost."
  type        = bool
  default     = false
}

variable "alert_emails" {
  description = "Addresses that alerts go to; without any, alerts are seen in the console alone. A budget tells five of them at most."
  type        = set(string)
  default     = []
}

variable "runbook" {
  description = "Address at which docs/operations.md is read; alerts link its sections."
  type        = string
  default     = "docs/operations.md"
}

variable "billing_account" {
  description = "Billing account of the budget (0X0X0X-0X0X0X-0X0X0X); null for no budget."
  type        = string
  default     = null
}

variable "budget" {
  description = "Monthly budget in whole units of the billing account's currency."
  type        = number
  default     = 500

  validation {
    condition     = var.budget >= 1 && floor(var.budget) == var.budget
    error_message = "budget must be a whole number, 1 or more."
  }
}

variable "build_worker_pool" {
  description = "Private pool of Cloud Build, in the region, that builds the functions: projects/PROJECT/locations/REGION/workerPools/NAME. null for Google's own."
  type        = string
  default     = null

  validation {
    condition     = var.build_worker_pool == null ? true : can(regex("^projects/[^/]+/locations/[^/]+/workerPools/[^/]+$", var.build_worker_pool))
    error_message = "build_worker_pool must be projects/PROJECT/locations/REGION/workerPools/NAME."
  }
}

variable "deletion_protection" {
  description = "Whether database, job and service refuse to be destroyed, and buckets as long as they hold objects."
  type        = bool
  default     = true
}
