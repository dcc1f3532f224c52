# What is counted, from the structured logs (metrics) and by the platform, and the page that shows it.
# The actions and fields are those that functions/ and worker/ log; tests/contract/test_metrics.py compares.

locals {
  # Log-based metrics: which lines count, which field is measured (then a distribution), which becomes a label.
  metrics = {
    cold_starts = {
      about  = "Worker processes that loaded the model."
      filter = "jsonPayload.action=\"model.loaded\" AND jsonPayload.checkpoint=\"boltz2_conf.ckpt\""
      value  = null
      label  = null
    }
    ends = {
      about  = "Jobs that succeeded or failed, by state."
      filter = "jsonPayload.action=(\"attempt.ended\" OR \"lease.expired\" OR \"job.undelivered\") AND jsonPayload.state=(\"SUCCEEDED\" OR \"FAILED\")"
      value  = null
      label  = "state"
    }
    processing_seconds = {
      about  = "Seconds from a worker's claim of a job to its success."
      filter = "jsonPayload.action=\"attempt.ended\" AND jsonPayload.state=\"SUCCEEDED\""
      value  = "seconds"
      label  = null
    }
    queued_seconds = {
      about  = "Seconds from a job's record to the claim that led to its success."
      filter = "jsonPayload.action=\"attempt.ended\" AND jsonPayload.state=\"SUCCEEDED\""
      value  = "timings.queued"
      label  = null
    }
    device_busy_share = {
      about  = "Share of a worker's life between first and last prediction in which its GPU computed."
      filter = "jsonPayload.action=\"worker.ended\""
      value  = "device_busy_share"
      label  = null
    }
    aligned = {
      about  = "Jobs that lacked alignments and have them."
      filter = "jsonPayload.action=\"job.aligned\" AND jsonPayload.state=\"QUEUED\""
      value  = null
      label  = null
      when   = "msa_server"
    }
    msa_trouble = {
      about  = "Times that the MSA server could not be used."
      filter = "jsonPayload.action=\"msa.trouble\""
      value  = null
      label  = null
      when   = "msa_server"
    }
  }

  # Type of a log-based metric, up to its key above.
  metric_type = "logging.googleapis.com/user/${var.name}"
}

resource "google_logging_metric" "metric" {
  for_each = { for key, metric in local.metrics : key => metric if contains(local.parts, try(metric.when, "always")) }

  name            = "${var.name}/${each.key}"
  description     = each.value.about
  filter          = "${local.our_logs} AND ${each.value.filter}"
  value_extractor = each.value.value == null ? null : "EXTRACT(jsonPayload.${each.value.value})"

  label_extractors = each.value.label == null ? {} : { (each.value.label) = "EXTRACT(jsonPayload.${each.value.label})" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = each.value.value == null ? "INT64" : "DISTRIBUTION"
    unit        = each.value.value == null || each.key == "device_busy_share" ? "1" : "s"

    dynamic "labels" {
      for_each = each.value.label == null ? [] : [each.value.label]
      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  # From a hundredth to more than an hour in steps of a fifth.
  dynamic "bucket_options" {
    for_each = each.value.value == null ? [] : [true]
    content {
      exponential_buckets {
        num_finite_buckets = 72
        growth_factor      = 1.2
        scale              = 0.01
      }
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_dashboard" "dropfold" {
  dashboard_json = templatefile("${path.module}/dashboard.json.tftpl", {
    name       = var.name
    metric     = local.metric_type
    queue      = local.queue
    predicts   = replace(local.predicts, "\"", "\\\"")
    our_logs   = replace(local.our_logs, "\"", "\\\"")
    log_view   = local.log_view
    sync       = var.gpu_worker_mode == "sync"
    msa_server = var.msa_server != null
  })

  depends_on = [google_logging_metric.metric]
}
