# Where logs lie (var.keep_logs_days), and whether reads of data are recorded (var.audit_logs). Without either it is as
# Google has it: docs/security.md, Privacy.

locals {
  our_logs = "(resource.labels.job_name=\"${var.name}-worker\" OR resource.labels.service_name=~\"^${var.name}-(on-|service$)\")"

  # Where a page that shows lines finds them; empty for _Default. By names, so that it is known when it is planned.
  log_view = var.keep_logs_days == null ? "" : "projects/${var.project}/locations/${var.region}/buckets/${var.name}/views/_AllLogs"
}

resource "google_logging_project_bucket_config" "logs" {
  count = var.keep_logs_days == null ? 0 : 1

  project        = var.project
  location       = var.region
  bucket_id      = var.name
  description    = "What workers, service and functions log."
  retention_days = var.keep_logs_days

  depends_on = [google_project_service.api]
}

resource "google_logging_project_sink" "logs" {
  count = var.keep_logs_days == null ? 0 : 1

  name                   = "${var.name}-logs"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.logs[0].id}"
  filter                 = local.our_logs
  unique_writer_identity = true
}

# From _Default, which is global. Metrics count what is excluded, too.
resource "google_logging_project_exclusion" "logs" {
  count = var.keep_logs_days == null ? 0 : 1

  name        = "${var.name}-logs"
  description = "They are in the bucket ${var.name} in ${var.region}."
  filter      = local.our_logs

  depends_on = [google_logging_project_sink.logs]
}

resource "google_project_iam_audit_config" "data" {
  for_each = toset(var.audit_logs ? ["datastore.googleapis.com", "pubsub.googleapis.com", "storage.googleapis.com"] : [])

  project = var.project
  service = each.key

  audit_log_config {
    log_type = "DATA_READ"
  }

  audit_log_config {
    log_type = "DATA_WRITE"
  }
}
