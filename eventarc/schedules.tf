# What is called regularly, as topology.yaml says.

locals {
  # How cron writes the pauses that topology.yaml knows.
  cron = {
    60   = "* * * * *"
    3600 = "0 * * * *"
  }
}

resource "google_cloud_scheduler_job" "schedule" {
  for_each = local.topology.schedules

  name             = "${var.name}-${each.key}"
  region           = var.region
  schedule         = local.cron[each.value.every]
  attempt_deadline = "${local.functions[each.value.push].seconds}s"

  # The next call finishes what this one could not.
  retry_config {
    retry_count = 0
  }

  http_target {
    http_method = "POST"
    uri         = google_cloudfunctions2_function.function[each.value.push].service_config[0].uri
    oidc_token {
      service_account_email = google_service_account.identity["scheduler"].email
      audience              = google_cloudfunctions2_function.function[each.value.push].service_config[0].uri
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.call]
}
