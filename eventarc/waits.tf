# What was made a moment ago is not known everywhere at once. Whoever builds, pulls or connects too early is refused,
# and the first apply fails. Each wait is for what is new: an apply that grants nothing waits for nothing.

# Rights of those who build functions and connect triggers, and agents that an API brings when it is enabled.
# https://cloud.google.com/iam/docs/access-change-propagation: typically two minutes
resource "terraform_data" "rights_hold" {
  input = 120

  triggers_replace = [
    for made in concat(
      values(google_project_service.api),
      values(google_secret_manager_secret_iam_member.reads_secret),
      values(google_service_account_iam_member.pubsub_signs),
      [
        google_artifact_registry_repository_iam_member.build,
        google_project_iam_member.build_logs,
        google_project_iam_member.build_reads_source,
        google_project_iam_member.eventarc_serves,
        google_project_iam_member.receives_events,
        google_project_iam_member.storage_publishes,
        google_storage_bucket_iam_member.build_reads_bundle,
      ],
    ) : made.id
  ]

  provisioner "local-exec" {
    command = "sleep ${self.input}"
  }
}

# Log-based metrics, which an alert can name only ten minutes later.
resource "terraform_data" "metrics_known" {
  input            = 600
  triggers_replace = [for metric in google_logging_metric.metric : metric.id]

  provisioner "local-exec" {
    command = "sleep ${self.input}"
  }
}
