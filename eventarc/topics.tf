# Topics and subscriptions, as topology.yaml says.

resource "google_pubsub_topic" "topic" {
  for_each = local.topology.topics

  name = "${local.prefix}${each.key}"
  # What was published before a subscription was lost can be read again by a new one.
  message_retention_duration = "${local.week}s"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.api]
}

resource "google_pubsub_subscription" "subscription" {
  for_each = local.topology.subscriptions

  name                         = "${local.prefix}${each.key}"
  topic                        = google_pubsub_topic.topic[each.value.topic].id
  filter                       = try(each.value.filter, null)
  enable_exactly_once_delivery = try(each.value.exactly_once, false)
  ack_deadline_seconds         = each.value.ack_deadline
  message_retention_duration   = "${each.value.retention}s"

  expiration_policy {
    ttl = "" # never, however long nobody drops a file
  }

  retry_policy {
    minimum_backoff = "${each.value.minimum_backoff}s"
    maximum_backoff = "${each.value.maximum_backoff}s"
  }

  dynamic "push_config" {
    for_each = can(each.value.push) ? [google_cloudfunctions2_function.function[each.value.push].service_config[0].uri] : []
    content {
      # The path names the topic: functions-framework takes the event's source from it.
      push_endpoint = "${push_config.value}/${google_pubsub_topic.topic[each.value.topic].id}"
      oidc_token {
        service_account_email = google_service_account.identity["push"].email
        audience              = push_config.value
      }
    }
  }

  # All but the subscription of the dead letters themselves.
  dynamic "dead_letter_policy" {
    for_each = can(each.value.dead_letter_topic) ? [each.value] : []
    content {
      dead_letter_topic     = google_pubsub_topic.topic[dead_letter_policy.value.dead_letter_topic].id
      max_delivery_attempts = dead_letter_policy.value.max_delivery_attempts
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.call]
}
