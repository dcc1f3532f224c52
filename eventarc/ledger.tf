# The ledger: one Firestore database, whose collection "jobs" gcp/ledger.py reads and writes.

locals {
  jobs = "jobs"

  # One for each search of gcp/ledger.py that Firestore has no index for by itself. A test derives them from the
  # searches (tests/contract/test_indexes.py).
  indexes = {
    generations = [
      { field = "source.bucket", order = "ASCENDING" },
      { field = "source.name", order = "ASCENDING" },
      { field = "source.generation", order = "DESCENDING" },
    ]
    unfinished = [
      { field = "source.bucket", order = "ASCENDING" },
      { field = "state", order = "ASCENDING" },
      { field = "source.name", order = "ASCENDING" },
    ]
    oldest_in_state = [
      { field = "state", order = "ASCENDING" },
      { field = "updated_at", order = "ASCENDING" },
    ]
    newest_in_state = [
      { field = "state", order = "ASCENDING" },
      { field = "created_at", order = "DESCENDING" },
    ]
    last_in_state = [
      { field = "state", order = "ASCENDING" },
      { field = "updated_at", order = "DESCENDING" },
    ]
    oldest_pending = [
      { field = "pending", contains = true },
      { field = "updated_at", order = "ASCENDING" },
    ]
  }

  # Never searched by: an index of each would cost with every write of a job.
  unsearched = [
    "alignments", "checks", "decided", "device", "errors", "files", "history", "model", "options", "outputs", "scores",
    "source.metadata", "timings", "warnings",
  ]
}

resource "google_firestore_database" "ledger" {
  name                              = var.alone ? "(default)" : "${var.name}-ledger"
  location_id                       = var.region
  type                              = "FIRESTORE_NATIVE"
  concurrency_mode                  = "PESSIMISTIC"
  app_engine_integration_mode       = "DISABLED"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = var.deletion_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = "DELETE"

  depends_on = [google_project_service.api]
}

resource "google_firestore_backup_schedule" "daily" {
  database  = google_firestore_database.ledger.name
  retention = "${local.week}s"

  daily_recurrence {}
}

resource "google_firestore_index" "search" {
  for_each = local.indexes

  database   = google_firestore_database.ledger.name
  collection = local.jobs

  dynamic "fields" {
    for_each = each.value
    content {
      field_path   = fields.value.field
      order        = try(fields.value.order, null)
      array_config = try(fields.value.contains, false) ? "CONTAINS" : null
    }
  }
}

# An ended job is forgotten at its expire_at (jobs/lifecycle.py, KEEP); its receipt stays.
resource "google_firestore_field" "expire_at" {
  database   = google_firestore_database.ledger.name
  collection = local.jobs
  field      = "expire_at"

  ttl_config {}
  # No index: Firestore deletes without one, and times that only grow would heat one end of it.
  index_config {}
}

resource "google_firestore_field" "unsearched" {
  # Alignments are told of where there are any.
  for_each = setsubtract(local.unsearched, var.msa_server == null ? ["alignments"] : [])

  database   = google_firestore_database.ledger.name
  collection = local.jobs
  field      = each.key

  index_config {}
}
