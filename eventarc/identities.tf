# Who may do what: one identity for each component, and the least that its code calls.
# docs/operations.md shows local.rights as a table; tests/contract/test_plan.py compares the two.

locals {
  components = concat(keys(local.callers), ["worker"], var.service ? ["service"] : [])

  # Besides the components: whoever calls a function, and whoever builds them.
  callers_and_builders = concat(["eventarc", "push", "scheduler", "build"], var.webhook == null ? [] : ["webhook"])

  # on_align, and rights on what it makes or is asked by, are for where there is an MSA server.
  rights = {
    write_ledger       = ["on_upload", "on_delete", "on_wake", "on_align", "on_dead", "on_sweep", "on_compare", "worker", "service"]
    read_ledger        = ["on_request"]
    read_inputs        = ["on_upload", "on_delete", "on_wake", "on_align", "on_dead", "on_compare", "worker", "service"]
    write_receipts     = ["on_upload", "on_delete", "on_wake", "on_align", "on_dead", "on_sweep", "on_compare"]
    write_results      = ["worker", "service"]
    read_results       = ["on_sweep"]
    write_pages        = ["on_sweep"]
    publish            = ["on_upload", "on_delete", "on_wake", "on_align", "on_dead", "on_sweep", "on_compare", "worker", "service"]
    tell_of_files      = ["on_upload", "on_wake", "on_dead", "on_compare"]
    read_alignments    = ["on_upload", "on_wake", "on_align", "on_dead", "on_compare", "worker", "service"]
    write_alignments   = ["on_align"]
    ask_for_alignments = ["on_upload", "on_delete", "on_wake", "on_align", "on_dead", "on_sweep", "on_compare", "worker", "service"]
    pull_work          = ["worker"]
    pull_pages         = ["on_sweep"]
    run_workers        = ["on_request"]
  }

  # The same without those that are not deployed.
  granted = { for right, names in local.rights : right => toset([for name in names : name if contains(local.components, name)]) }

  # A binding of one of these is replaced with its identity: one that was made anew has the same address, and none of
  # the rights that were granted before.
  members = { for name, identity in google_service_account.identity : name => "serviceAccount:${identity.email}" }

  this_ledger = "resource.name == \"projects/${var.project}/databases/${google_firestore_database.ledger.name}\""

  eventarc_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-eventarc.iam.gserviceaccount.com"
  pubsub_agent   = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_service_account" "identity" {
  for_each = toset(concat(local.components, local.callers_and_builders))

  account_id   = "${var.name}-${replace(each.key, "_", "-")}"
  display_name = "${var.name}: ${each.key}"

  depends_on = [google_project_service.api]
}

# --- Ledger. The predefined roles also delete, and manage indexes' statistics; no code of ours does.

resource "google_project_iam_custom_role" "ledger_writer" {
  role_id     = replace("${var.name}_ledger_writer", "-", "_")
  title       = "${var.name}: reads and writes jobs"
  permissions = ["datastore.entities.create", "datastore.entities.get", "datastore.entities.list", "datastore.entities.update"]

  depends_on = [google_project_service.api]
}

resource "google_project_iam_custom_role" "ledger_reader" {
  role_id     = replace("${var.name}_ledger_reader", "-", "_")
  title       = "${var.name}: counts jobs"
  permissions = ["datastore.entities.get", "datastore.entities.list"]

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "writes_ledger" {
  for_each = local.granted.write_ledger

  project = var.project
  role    = google_project_iam_custom_role.ledger_writer.id
  member  = local.members[each.key]

  dynamic "condition" {
    for_each = var.alone ? [] : [local.this_ledger]
    content {
      title      = "this ledger alone"
      expression = condition.value
    }
  }

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

resource "google_project_iam_member" "reads_ledger" {
  for_each = local.granted.read_ledger

  project = var.project
  role    = google_project_iam_custom_role.ledger_reader.id
  member  = local.members[each.key]

  dynamic "condition" {
    for_each = var.alone ? [] : [local.this_ledger]
    content {
      title      = "this ledger alone"
      expression = condition.value
    }
  }

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# --- Buckets.

resource "google_storage_bucket_iam_member" "reads_inputs" {
  for_each = local.granted.read_inputs

  bucket = google_storage_bucket.input.name
  role   = "roles/storage.objectViewer" # lists too: without that, a missing object is a 403, not a 404
  member = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# Cloud Storage asks for the right to delete wherever an object of the same name exists, also where the write is only
# to find that out (if_generation_match=0). So writers have it, of functions for receipts and pages alone.
resource "google_project_iam_custom_role" "receipt_writer" {
  role_id     = replace("${var.name}_receipt_writer", "-", "_")
  title       = "${var.name}: writes receipts and pages"
  permissions = ["storage.objects.create", "storage.objects.delete"]

  depends_on = [google_project_service.api]
}

resource "google_project_iam_custom_role" "result_writer" {
  role_id     = replace("${var.name}_result_writer", "-", "_")
  title       = "${var.name}: writes and copies results"
  permissions = ["storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"]

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "writes_receipts" {
  for_each = local.granted.write_receipts

  bucket = google_storage_bucket.output.name
  role   = google_project_iam_custom_role.receipt_writer.id
  member = local.members[each.key]

  condition {
    title      = "receipts alone"
    expression = "resource.name.endsWith(\"/receipt.json\")"
  }

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

resource "google_storage_bucket_iam_member" "writes_pages" {
  for_each = local.granted.write_pages

  bucket = google_storage_bucket.output.name
  role   = google_project_iam_custom_role.receipt_writer.id
  member = local.members[each.key]

  condition {
    title      = "pages alone"
    expression = "resource.name.endsWith(\"/index.html\") || resource.name.endsWith(\"/summary.csv\")"
  }

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# Pages are made from receipts, which are listed where a folder has no page yet.
resource "google_storage_bucket_iam_member" "reads_receipts" {
  for_each = local.granted.read_results

  bucket = google_storage_bucket.output.name
  role   = "roles/storage.objectViewer"
  member = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

resource "google_storage_bucket_iam_member" "writes_results" {
  for_each = local.granted.write_results

  bucket = google_storage_bucket.output.name
  role   = google_project_iam_custom_role.result_writer.id
  member = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# People: drop files, overwrite and delete them; read what comes back.
resource "google_storage_bucket_iam_member" "drops" {
  for_each = var.uploaders

  bucket = google_storage_bucket.input.name
  role   = "roles/storage.objectUser"
  member = each.key
}

resource "google_storage_bucket_iam_member" "reads_results" {
  for_each = var.uploaders

  bucket = google_storage_bucket.output.name
  role   = "roles/storage.objectViewer"
  member = each.key
}

# --- Alignments. Who decides whether one is lacking, or predicts from it, reads them; on_align alone makes them.

resource "google_storage_bucket_iam_member" "reads_alignments" {
  for_each = var.msa_server == null ? toset([]) : local.granted.read_alignments

  bucket = google_storage_bucket.alignments[0].name
  role   = "roles/storage.objectViewer" # lists too: without that, one that is lacking is a 403, not a 404
  member = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# Creates alone, but two that make the same one meet in its name: see receipt_writer.
resource "google_project_iam_custom_role" "alignment_writer" {
  count = var.msa_server == null ? 0 : 1

  role_id     = replace("${var.name}_alignment_writer", "-", "_")
  title       = "${var.name}: writes alignments"
  permissions = ["storage.objects.create", "storage.objects.delete"]

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "writes_alignments" {
  for_each = var.msa_server == null ? toset([]) : local.granted.write_alignments

  bucket = google_storage_bucket.alignments[0].name
  role   = google_project_iam_custom_role.alignment_writer[0].id
  member = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# People see what their predictions were made from.
resource "google_storage_bucket_iam_member" "looks_at_alignments" {
  for_each = var.msa_server == null ? toset([]) : var.uploaders

  bucket = google_storage_bucket.alignments[0].name
  role   = "roles/storage.objectViewer"
  member = each.key
}

resource "google_pubsub_topic_iam_member" "asks_for_alignments" {
  for_each = var.msa_server == null ? toset([]) : local.granted.ask_for_alignments

  topic  = google_pubsub_topic.topic["alignments-requested"].id
  role   = "roles/pubsub.publisher"
  member = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# Credentials for the MSA server. The secrets are the operator's: their values are never in Terraform's state.
resource "google_secret_manager_secret_iam_member" "reads_secret" {
  for_each = local.secrets

  project   = var.project
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = local.members["on_align"]

  lifecycle {
    replace_triggered_by = [google_service_account.identity["on_align"].unique_id]
  }

  depends_on = [google_project_service.api]
}

# --- Topics and subscriptions.

resource "google_pubsub_topic_iam_member" "publishes_requests" {
  for_each = local.granted.publish

  topic  = google_pubsub_topic.topic["predictions-requested"].id
  role   = "roles/pubsub.publisher"
  member = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

resource "google_pubsub_topic_iam_member" "publishes_ends" {
  for_each = local.granted.publish

  topic  = google_pubsub_topic.topic["predictions-completed"].id
  role   = "roles/pubsub.publisher"
  member = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

resource "google_pubsub_topic_iam_member" "tells_of_files" {
  for_each = local.granted.tell_of_files

  topic  = google_pubsub_topic.topic["references-arrived"].id
  role   = "roles/pubsub.publisher"
  member = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

resource "google_pubsub_subscription_iam_member" "pulls_work" {
  for_each = local.granted.pull_work

  subscription = google_pubsub_subscription.subscription["work"].id
  role         = "roles/pubsub.subscriber"
  member       = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

resource "google_pubsub_subscription_iam_member" "pulls_pages" {
  for_each = local.granted.pull_pages

  subscription = google_pubsub_subscription.subscription["pages"].id
  role         = "roles/pubsub.subscriber"
  member       = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# --- Workers. What gcp/cloud_run.py calls, of this job alone.

resource "google_project_iam_custom_role" "launcher" {
  role_id     = replace("${var.name}_launcher", "-", "_")
  title       = "${var.name}: starts and lists executions"
  permissions = ["run.executions.list", "run.jobs.run"]

  depends_on = [google_project_service.api]
}

resource "google_cloud_run_v2_job_iam_member" "runs_workers" {
  for_each = local.granted.run_workers

  name     = google_cloud_run_v2_job.worker.name
  location = var.region
  role     = google_project_iam_custom_role.launcher.id
  member   = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# --- Calls of functions and service.

resource "google_cloud_run_v2_service_iam_member" "call" {
  for_each = local.callers

  name     = google_cloudfunctions2_function.function[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.members[each.value]

  lifecycle {
    replace_triggered_by = [
      google_service_account.identity["eventarc"].unique_id,
      google_service_account.identity["push"].unique_id,
      google_service_account.identity["scheduler"].unique_id,
    ]
  }
}

resource "google_cloud_run_v2_service_iam_member" "calls_service" {
  for_each = var.service ? var.service_callers : toset([])

  name     = google_cloud_run_v2_service.worker[0].name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.key
}

# In the sync mode on_request pushes each job to the service.
resource "google_cloud_run_v2_service_iam_member" "pushes_to_service" {
  count = var.service ? 1 : 0

  name     = google_cloud_run_v2_service.worker[0].name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.members["on_request"]

  lifecycle {
    replace_triggered_by = [google_service_account.identity["on_request"].unique_id]
  }
}

resource "google_project_iam_member" "receives_events" {
  project = var.project
  role    = "roles/eventarc.eventReceiver"
  member  = local.members["eventarc"]

  lifecycle {
    replace_triggered_by = [google_service_account.identity["eventarc"].unique_id]
  }
}

# --- Google's own agents.

# Asking makes it, where it is not there yet.
data "google_storage_project_service_account" "agent" {}

# Cloud Storage publishes to the topics that Eventarc makes, whose names nobody knows before.
resource "google_project_iam_member" "storage_publishes" {
  project = var.project
  role    = "roles/pubsub.publisher"
  member  = data.google_storage_project_service_account.agent.member
}

# Eventarc makes and validates its triggers' topics. An agent that was created by hand, as docs/operations.md does, has
# no role until one is granted.
resource "google_project_iam_member" "eventarc_serves" {
  project = var.project
  role    = "roles/eventarc.serviceAgent"
  member  = local.eventarc_agent
}

# Pub/Sub signs its pushes as the identity "push" (and "webhook").
resource "google_service_account_iam_member" "pubsub_signs" {
  for_each = toset(concat(["push", "eventarc"], var.webhook == null ? [] : ["webhook"]))

  service_account_id = google_service_account.identity[each.key].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent

  lifecycle {
    replace_triggered_by = [google_service_account.identity[each.key].unique_id]
  }
}

# Pub/Sub takes a dead letter from its subscription and puts it into the topic of dead letters.
resource "google_pubsub_topic_iam_member" "pubsub_buries" {
  for_each = toset(concat(
    [for subscription in local.topology.subscriptions : subscription.dead_letter_topic if can(subscription.dead_letter_topic)],
    [for trigger in local.topology.triggers : trigger.dead_letter_topic],
  ))

  topic  = google_pubsub_topic.topic[each.key].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "pubsub_gives_up" {
  for_each = { for name, subscription in local.topology.subscriptions : name => subscription if can(subscription.dead_letter_topic) }

  subscription = google_pubsub_subscription.subscription[each.key].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "pubsub_gives_up_events" {
  for_each = local.transports

  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# --- Cloud Build makes the functions' images, as "build".

resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = local.members["build"]

  lifecycle {
    replace_triggered_by = [google_service_account.identity["build"].unique_id]
  }
}

# Cloud Functions copies the source into a bucket of its own first.
resource "google_project_iam_member" "build_reads_source" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = local.members["build"]

  condition {
    title      = "sources of functions alone"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-\")"
  }

  lifecycle {
    replace_triggered_by = [google_service_account.identity["build"].unique_id]
  }
}

resource "google_storage_bucket_iam_member" "build_reads_bundle" {
  bucket = google_storage_bucket.cache.name
  role   = "roles/storage.objectViewer"
  member = local.members["build"]

  lifecycle {
    replace_triggered_by = [google_service_account.identity["build"].unique_id]
  }
}

resource "google_artifact_registry_repository_iam_member" "build" {
  repository = google_artifact_registry_repository.functions.repository_id
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = local.members["build"]

  lifecycle {
    replace_triggered_by = [google_service_account.identity["build"].unique_id]
  }
}
