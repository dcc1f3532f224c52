# What wakes somebody. Each alert links its section of docs/operations.md: "alert-" and its key here.

locals {
  # Who predicts: executions of the job, or instances of the service. And the subscription that is worked off.
  predicts = var.gpu_worker_mode == "sync" ? "resource.type=\"cloud_run_revision\" resource.label.service_name=\"${var.name}-service\"" : "resource.type=\"cloud_run_job\" resource.label.job_name=\"${var.name}-worker\""
  queue    = var.gpu_worker_mode == "sync" ? local.launch : local.work

  # Everything else that logs an end, or answers calls: the functions. A full service has on_request fail, as it should.
  functions_run = "resource.type=\"cloud_run_revision\" resource.label.service_name=starts_with(\"${var.name}-on-\")"
  may_fail      = var.gpu_worker_mode == "sync" ? " resource.label.service_name!=\"${var.name}-on-request\"" : ""

  # A condition is met when the aligned and reduced figure is over the threshold for the duration, in seconds. With a
  # denominator the figure is filter / denominator; where it is absent, there is no figure for so long. One of an alert's conditions suffices, where combiner is not AND.
  alerts = {
    cold-starts = {
      title    = "More than 10 cold starts in an hour"
      severity = "WARNING"
      conditions = [{
        title       = "Workers that loaded the model, in an hour"
        filter      = "metric.type=\"${local.metric_type}/cold_starts\" ${local.predicts}"
        denominator = null
        period      = 3600
        aligner     = "ALIGN_DELTA"
        reducer     = "REDUCE_SUM"
        groups      = []
        threshold   = 10
        duration    = 0
      }]
    }
    queue = {
      title    = "More than 100 requests queued"
      severity = "WARNING"
      conditions = [{
        title       = "Requests that no worker has finished, for five minutes"
        filter      = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" resource.type=\"pubsub_subscription\" resource.label.subscription_id=\"${local.queue}\""
        denominator = null
        period      = 60
        aligner     = "ALIGN_MAX"
        reducer     = "REDUCE_SUM"
        groups      = []
        threshold   = 100
        duration    = 300
      }]
    }
    failures = {
      title    = "More than 5 % of jobs fail"
      severity = "ERROR"
      combiner = "AND"
      conditions = [
        {
          title       = "Failed share of what workers ended, in an hour"
          filter      = "metric.type=\"${local.metric_type}/ends\" ${local.predicts} metric.label.state=\"FAILED\""
          denominator = "metric.type=\"${local.metric_type}/ends\" ${local.predicts}"
          period      = 3600
          aligner     = "ALIGN_DELTA"
          reducer     = "REDUCE_SUM"
          groups      = []
          threshold   = 0.05
          duration    = 0
        },
        # One of one is 100 %, and no reason to wake anybody.
        {
          title       = "Five jobs or more that workers ended, in an hour"
          filter      = "metric.type=\"${local.metric_type}/ends\" ${local.predicts}"
          denominator = null
          period      = 3600
          aligner     = "ALIGN_DELTA"
          reducer     = "REDUCE_SUM"
          groups      = []
          threshold   = 4
          duration    = 0
        },
      ]
    }
    given-up = {
      title    = "Jobs were given up without a worker's word"
      severity = "ERROR"
      conditions = [{
        title       = "Jobs that a function ended as failed, in an hour"
        filter      = "metric.type=\"${local.metric_type}/ends\" ${local.functions_run} metric.label.state=\"FAILED\""
        denominator = null
        period      = 3600
        aligner     = "ALIGN_DELTA"
        reducer     = "REDUCE_SUM"
        groups      = []
        threshold   = 0
        duration    = 0
      }]
    }
    stuck = {
      title    = "Work stands still"
      severity = "ERROR"
      conditions = [
        {
          title       = "A request has waited for more than half an hour"
          filter      = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" resource.type=\"pubsub_subscription\" resource.label.subscription_id=\"${local.queue}\""
          denominator = null
          period      = 60
          aligner     = "ALIGN_MAX"
          reducer     = "REDUCE_MAX"
          groups      = []
          threshold   = 1800
          duration    = 600
        },
        {
          title       = "More than two executions failed, in an hour"
          filter      = "metric.type=\"run.googleapis.com/job/completed_execution_count\" resource.type=\"cloud_run_job\" resource.label.job_name=\"${var.name}-worker\" metric.label.result=\"failed\""
          denominator = null
          period      = 3600
          aligner     = "ALIGN_DELTA"
          reducer     = "REDUCE_SUM"
          groups      = []
          threshold   = 2
          duration    = 0
        },
      ]
    }
    functions = {
      title    = "A function fails"
      severity = "ERROR"
      conditions = [{
        title       = "Calls that ended in an error, for a quarter of an hour"
        filter      = "metric.type=\"run.googleapis.com/request_count\" ${local.functions_run}${local.may_fail} metric.label.response_code_class=\"5xx\""
        denominator = null
        period      = 300
        aligner     = "ALIGN_DELTA"
        reducer     = "REDUCE_SUM"
        groups      = ["resource.label.service_name"]
        threshold   = 0
        duration    = 900
      }]
    }
    sweep = {
      title    = "The sweep is not called"
      severity = "ERROR"
      conditions = [{
        title       = "No call of on_sweep for a quarter of an hour"
        filter      = "metric.type=\"run.googleapis.com/request_count\" resource.type=\"cloud_run_revision\" resource.label.service_name=\"${var.name}-on-sweep\""
        denominator = null
        absent      = true
        period      = 300
        aligner     = "ALIGN_DELTA"
        reducer     = "REDUCE_SUM"
        groups      = []
        threshold   = null
        duration    = 900
      }]
    }
    slow = {
      title    = "P95 of the processing time over 120 s"
      severity = "WARNING"
      conditions = [{
        title       = "P95 of seconds from claim to success, in 15 minutes"
        filter      = "metric.type=\"${local.metric_type}/processing_seconds\" ${local.predicts}"
        denominator = null
        period      = 900
        aligner     = "ALIGN_DELTA"
        reducer     = "REDUCE_PERCENTILE_95"
        groups      = []
        threshold   = 120
        duration    = 0
      }]
    }
    dead-letters = {
      title    = "Messages could not be delivered"
      severity = "ERROR"
      conditions = [{
        title       = "Messages that a subscription gave up on, in five minutes"
        filter      = "metric.type=\"pubsub.googleapis.com/subscription/dead_letter_message_count\" resource.type=\"pubsub_subscription\""
        denominator = null
        period      = 300
        aligner     = "ALIGN_DELTA"
        reducer     = "REDUCE_SUM"
        groups      = ["resource.label.subscription_id"]
        threshold   = 0
        duration    = 0
      }]
    }
    msa-server = {
      title    = "The MSA server has had trouble for 15 minutes"
      severity = "ERROR"
      when     = "msa_server"
      conditions = [{
        title       = "Times that the MSA server could not be used, never 12 minutes apart for a quarter of an hour"
        filter      = "metric.type=\"${local.metric_type}/msa_trouble\" resource.type=\"cloud_run_revision\""
        denominator = null
        # Longer than the longest time for which a server in trouble is left alone (functions/alignments/search.py, and
        # a minute until the sweep has it asked again); shorter than the duration, which one time alone must not fill.
        period    = 720
        aligner   = "ALIGN_DELTA"
        reducer   = "REDUCE_SUM"
        groups    = []
        threshold = 0
        duration  = 900
      }]
    }
  }
}

locals {
  channels = [for channel in google_monitoring_notification_channel.email : channel.id]
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.alert_emails

  display_name = "${var.name}: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = { for key, alert in local.alerts : key => alert if contains(local.parts, try(alert.when, "always")) }

  display_name          = "${var.name}: ${each.value.title}"
  severity              = each.value.severity
  combiner              = try(each.value.combiner, "OR")
  notification_channels = local.channels

  dynamic "conditions" {
    for_each = each.value.conditions
    content {
      display_name = conditions.value.title

      dynamic "condition_absent" {
        for_each = try(conditions.value.absent, false) ? [conditions.value] : []
        content {
          filter   = condition_absent.value.filter
          duration = "${condition_absent.value.duration}s"

          aggregations {
            alignment_period     = "${condition_absent.value.period}s"
            per_series_aligner   = condition_absent.value.aligner
            cross_series_reducer = condition_absent.value.reducer
          }
        }
      }

      dynamic "condition_threshold" {
        for_each = try(conditions.value.absent, false) ? [] : [conditions.value]
        content {
          filter             = condition_threshold.value.filter
          denominator_filter = condition_threshold.value.denominator
          comparison         = "COMPARISON_GT"
          threshold_value    = condition_threshold.value.threshold
          duration           = "${condition_threshold.value.duration}s"

          aggregations {
            alignment_period     = "${condition_threshold.value.period}s"
            per_series_aligner   = condition_threshold.value.aligner
            cross_series_reducer = condition_threshold.value.reducer
            group_by_fields      = condition_threshold.value.groups
          }

          dynamic "denominator_aggregations" {
            for_each = condition_threshold.value.denominator == null ? [] : [condition_threshold.value]
            content {
              alignment_period     = "${denominator_aggregations.value.period}s"
              per_series_aligner   = denominator_aggregations.value.aligner
              cross_series_reducer = denominator_aggregations.value.reducer
            }
          }
        }
      }
    }
  }

  documentation {
    subject   = "${var.name}: ${each.value.title}"
    content   = "${each.value.title}. What it means, what to look at and what to do: ${var.runbook}#alert-${each.key}"
    mime_type = "text/markdown"

    dynamic "links" {
      for_each = startswith(var.runbook, "https://") ? ["${var.runbook}#alert-${each.key}"] : []
      content {
        display_name = "Runbook"
        url          = links.value
      }
    }
  }

  # Half an hour after the last line that told of it: a metric made of lines has no figure where there are none, and an
  # incident that stays open for a week would hide the next.
  alert_strategy {
    auto_close = "1800s"
  }

  depends_on = [terraform_data.metrics_known]
}

resource "google_billing_budget" "budget" {
  count = var.billing_account == null ? 0 : 1

  billing_account = var.billing_account
  display_name    = "${var.name}: alert-budget"

  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }

  amount {
    specified_amount {
      units = tostring(var.budget)
    }
  }

  threshold_rules {
    threshold_percent = 0.5
  }

  threshold_rules {
    threshold_percent = 0.9
  }

  threshold_rules {
    threshold_percent = 1.0
  }

  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = slice(local.channels, 0, min(5, length(local.channels))) # it takes no more
    disable_default_iam_recipients   = false
  }

  depends_on = [google_project_service.api]
}
