# Completion events pushed to an address of yours (var.webhook), with a token that says who calls.

resource "google_pubsub_topic" "webhook_dead" {
  count = var.webhook == null ? 0 : 1

  name = "${local.prefix}webhook-dead"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

# Kept for a person to look at: what the address did not take is no loss, its receipt is in the output bucket.
resource "google_pubsub_subscription" "webhook_dead" {
  count = var.webhook == null ? 0 : 1

  name                       = "${local.prefix}webhook-dead"
  topic                      = google_pubsub_topic.webhook_dead[0].id
  message_retention_duration = "${local.week}s"

  expiration_policy {
    ttl = ""
  }
}

# A filter cannot be changed: with another one it is another subscription, which is there before the old one goes. What
# was not delivered by then goes with it; receipts stay.
resource "google_pubsub_subscription" "webhook" {
  count = var.webhook == null ? 0 : 1

  name                       = var.webhook.filter == null ? "${local.prefix}webhook" : "${local.prefix}webhook-${substr(sha256(var.webhook.filter), 0, 8)}"
  topic                      = google_pubsub_topic.topic["predictions-completed"].id
  filter                     = var.webhook.filter
  ack_deadline_seconds       = 60
  message_retention_duration = "${local.week}s"

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  push_config {
    push_endpoint = var.webhook.url
    oidc_token {
      service_account_email = google_service_account.identity["webhook"].email
      audience              = coalesce(var.webhook.audience, var.webhook.url)
    }
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.webhook_dead[0].id
    max_delivery_attempts = 100
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_pubsub_topic_iam_member" "pubsub_buries_webhook" {
  count = var.webhook == null ? 0 : 1

  topic  = google_pubsub_topic.webhook_dead[0].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "pubsub_gives_up_webhook" {
  count = var.webhook == null ? 0 : 1

  subscription = google_pubsub_subscription.webhook[0].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent

  lifecycle {
    create_before_destroy = true
  }
}
