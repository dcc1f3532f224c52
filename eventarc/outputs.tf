output "drop" {
  description = "How to drop a file."
  value       = "dropfold drop FILE.yaml --to FOLDER/ (told by `environment`), or gcloud storage cp FILE.yaml gs://${google_storage_bucket.input.name}/FOLDER/"
}

output "results" {
  description = "Where the results of FOLDER/FILE.yaml come to lie, receipt.json last."
  value       = "gcloud storage ls --recursive gs://${google_storage_bucket.output.name}/FOLDER/FILE/"
}

output "environment" {
  description = "What tells the command `dropfold` of this project: eval \"$(terraform output -raw environment)\"."
  value = join("\n", [for name, value in merge(
    { for name in ["GOOGLE_CLOUD_PROJECT", "INPUT_BUCKET", "OUTPUT_BUCKET", "FIRESTORE_DATABASE", "REQUESTED_TOPIC", "COMPLETED_TOPIC", "MAX_TOKENS"] : name => local.project_env[name] },
    { for name in ["MSA_SERVER_URL", "MSA_SERVER_DATABASE", "MSA_SERVER_PAIRING", "ALIGNMENTS_BUCKET"] : name => local.msa_server_env[name] if var.msa_server != null },
    { CLOUD_RUN_JOB_NAME = google_cloud_run_v2_job.worker.name, CLOUD_RUN_REGION = var.region },
  ) : "export ${name}='${replace(value, "'", "'\\''")}'"])
}

output "image_repository" {
  description = "Where the worker's image is pushed."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

output "completed_topic" {
  description = "Topic to subscribe to for completion events."
  value       = google_pubsub_topic.topic["predictions-completed"].id
}

output "service" {
  description = "Address of the service, where it is deployed."
  value       = one(google_cloud_run_v2_service.worker[*].uri)
}

output "dashboard" {
  description = "Address of the dashboard."
  value       = "https://console.cloud.google.com/monitoring/dashboards/builder/${element(split("/", google_monitoring_dashboard.dropfold.id), -1)}?project=${var.project}"
}
